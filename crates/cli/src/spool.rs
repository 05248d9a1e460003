//! `roomwire spool`: what a receiver's spool holds, and how it is emptied when its receiver is gone.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde::Serialize;
use service::config::SpoolSection;

use crate::args::Globals;
use crate::output::{self, Format};
use crate::progress;
use crate::target;

#[derive(Debug, Subcommand)]
pub(crate) enum SpoolCommand {
    /// Say what waits in the spool; its receiver is not disturbed
    Status(Flags),
    /// Send what waits in a spool whose receiver does not run to JetStream, under the same ids
    Drain(Flags),
}

#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// The spool's file [default: `receiver.spool.path` under `--data`]
    #[arg(long, value_name = "FILE")]
    path: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Status {
    path: String,
    events: u64,
    bytes: u64,
    rooms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest_received_at: Option<String>,
}

#[derive(Debug, Serialize)]
struct Drained {
    path: String,
    drained: u64,
}

pub(crate) async fn run(globals: &Globals, command: SpoolCommand) -> anyhow::Result<()> {
    match command {
        SpoolCommand::Status(flags) => status(globals, flags).await,
        SpoolCommand::Drain(flags) => drain(globals, flags).await,
    }
}

fn path(globals: &Globals, flags: Flags) -> anyhow::Result<PathBuf> {
    if let Some(path) = flags.path {
        return Ok(path);
    }
    let spool = target::config(globals)?.receiver.spool;
    let section = spool.resolve(&globals.data, Some(&SpoolSection::default()));
    Ok(section.context("`receiver.spool` is off; name a file with `--path`")?.path)
}

async fn status(globals: &Globals, flags: Flags) -> anyhow::Result<()> {
    let path = path(globals, flags)?;
    let report = receiver::report(&path).await?;
    let oldest = report.oldest_received_at_ms.and_then(|ms| Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok());
    let status = Status {
        path: path.display().to_string(),
        events: report.events,
        bytes: report.bytes,
        rooms: report.lanes,
        oldest_received_at: oldest.map(|oldest| format!("{oldest:.3}")),
    };
    if globals.output == Format::Json {
        return Ok(output::json(&status)?);
    }
    let Status { path, events, bytes, rooms, oldest_received_at } = status;
    let words = match oldest_received_at {
        Some(oldest) => {
            format!("{path}: {events} events of {rooms} rooms wait ({bytes} bytes), the oldest since {oldest}")
        }
        None => format!("{path}: nothing waits"),
    };
    Ok(output::line(&output::plain(&words))?)
}

async fn drain(globals: &Globals, flags: Flags) -> anyhow::Result<()> {
    let config = target::config(globals)?;
    let path = path(globals, flags)?;
    // Said before anybody looks for a server.
    let waiting = receiver::report(&path).await?.events;
    let connection = target::connection(globals, &config).await?;
    let progress = progress::bar("sending", waiting);
    let drained = receiver::drain_orphan(&path, connection, config.topology(), |sent, total| {
        progress.set_length(total);
        progress.set_position(sent);
    })
    .await;
    progress.finish_and_clear();
    let drained = Drained { path: path.display().to_string(), drained: drained? };
    match globals.output {
        Format::Json => output::json(&drained)?,
        Format::Text => output::line(&output::plain(&format!("{}: {} events sent", drained.path, drained.drained)))?,
    }
    Ok(())
}
