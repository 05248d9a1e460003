//! `roomwire plugin run`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Args;
use runner::workbench::Workbench;
use service::exit;

use super::event::EventFlags;
use super::handling::HandlingFlags;
use super::shown;
use crate::args::Globals;
use crate::output::{self, Format};

/// One call.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    #[command(flatten)]
    handling: HandlingFlags,
    #[command(flatten)]
    event: EventFlags,
}

/// Fails where the event is not settled.
pub(super) async fn run(globals: &Globals, flags: Flags) -> anyhow::Result<ExitCode> {
    let (handling, trial) = (flags.handling.handling(globals)?, flags.event.trial()?);
    let bench = Box::pin(handling.open(&Workbench::new()?, &BTreeMap::new())).await?;
    let run = bench.run(&trial).await;
    match globals.output {
        Format::Json => output::json(&shown::json(&run, &trial))?,
        Format::Text => output::line(&format!("{} {}: {}", trial.kind(), trial.id(), shown::text(&run)))?,
    }
    Ok(if run.is_settled() { ExitCode::SUCCESS } else { ExitCode::from(exit::FAILURE) })
}
