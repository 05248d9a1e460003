//! `roomwire plugin run`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use runner::workbench::Workbench;
use service::exit;

use super::event::EventFlags;
use super::handling::{HandlingFlags, granted};
use super::{recording, shown};
use crate::args::Globals;
use crate::output::{self, Format};
use crate::progress;

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
    /// Write what it calls outside, and what came of it, into a file; secrets are left out
    #[arg(long, value_name = "FILE", conflicts_with = "replay")]
    record: Option<PathBuf>,
    /// Let nothing out: answer calls with what is in a file that `--record` wrote, and fail where it calls anything else
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
}

fn key(text: &str) -> Result<(String, String, String), String> {
    let parts = text.split_once('/').and_then(|(bucket, rest)| Some((bucket, rest.split_once('=')?)));
    let (bucket, (key, value)) = parts.ok_or("write it as bucket/key=value")?;
    Ok((bucket.to_owned(), key.to_owned(), value.to_owned()))
}

/// Fails where the event is not settled, or the calls are not those of the recording.
pub(super) async fn run(globals: &Globals, flags: Flags) -> anyhow::Result<ExitCode> {
    let (handling, trial) = (flags.handling.handling(globals)?, flags.event.trial()?);
    let bench = Box::pin(handling.open(&Workbench::new()?, &BTreeMap::new())).await?;
    let trial = flags.keys.into_iter().fold(trial, |trial, (bucket, key, value)| trial.key(bucket, key, value));
    granted(&bench, &trial)?;
    let recorded = flags.replay.as_deref().map(|file| recording::read(file, true)).transpose()?;
    let (run, differing) = match (recorded, &flags.record) {
        (Some(recorded), _) => bench.replay(&trial, recorded).await,
        (None, Some(file)) => {
            let (run, calls) = bench.record(&trial).await;
            recording::write(file, &calls)?;
            (run, Vec::new())
        }
        (None, None) => (bench.run(&trial).await, Vec::new()),
    };
    match globals.output {
        Format::Json => output::json(&shown::json(&run, &trial))?,
        Format::Text => output::line(&format!("{} {}: {}", trial.kind(), trial.id(), shown::text(&run)))?,
    }
    for line in &differing {
        progress::note(line);
    }
    Ok(if run.is_settled() && differing.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(exit::FAILURE) })
}
