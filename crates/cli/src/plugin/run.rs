//! `roomwire plugin run`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Args;
use runner::workbench::Workbench;
use service::exit;

use super::event::EventFlags;
use super::handling::{HandlingFlags, granted};
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
    /// A key that is there before; may be repeated
    #[arg(long = "key", value_name = "BUCKET/KEY=VALUE", value_parser = key)]
    keys: Vec<(String, String, String)>,
}

fn key(text: &str) -> Result<(String, String, String), String> {
    let parts = text.split_once('/').and_then(|(bucket, rest)| Some((bucket, rest.split_once('=')?)));
    let (bucket, (key, value)) = parts.ok_or("write it as bucket/key=value")?;
    Ok((bucket.to_owned(), key.to_owned(), value.to_owned()))
}

/// Fails where the event is not settled.
pub(super) async fn run(globals: &Globals, flags: Flags) -> anyhow::Result<ExitCode> {
    let (handling, trial) = (flags.handling.handling(globals)?, flags.event.trial()?);
    let bench = Box::pin(handling.open(&Workbench::new()?, &BTreeMap::new())).await?;
    let trial = flags.keys.into_iter().fold(trial, |trial, (bucket, key, value)| trial.key(bucket, key, value));
    granted(&bench, &trial)?;
    let run = bench.run(&trial).await;
    match globals.output {
        Format::Json => output::json(&shown::json(&run, &trial))?,
        Format::Text => output::line(&format!("{} {}: {}", trial.kind(), trial.id(), shown::text(&run)))?,
    }
    Ok(if run.is_settled() { ExitCode::SUCCESS } else { ExitCode::from(exit::FAILURE) })
}
