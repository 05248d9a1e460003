//! `roomwire sim replay`.

use std::collections::VecDeque;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use jiff::Timestamp;
use livekit::recording::{self, Freshener, Recorded};
use tokio::time::Instant;

use super::flags::TargetFlags;
use super::report::{AHEAD, Report};
use crate::args::Globals;
use crate::failure::Usage;
use crate::progress;

/// A recording.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// A file with one recorded request a line (JSON with `offset_s` and `body`)
    file: PathBuf,
    /// How many times faster than recorded; 0 does not wait at all
    #[arg(long, default_value_t = 1.0, value_parser = speed, value_name = "TIMES")]
    speed: f64,
    /// Send the recorded ids and times instead of fresh ones
    #[arg(long)]
    keep_ids: bool,
    #[command(flatten)]
    target: TargetFlags,
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if speed.is_finite() && speed >= 0.0 => Ok(speed),
        _ => Err(format!("`{text}` is no speed; write a number such as 1, 10 or 0.5, or 0 for no waiting")),
    }
}

pub(super) async fn run(globals: &Globals, flags: Flags) -> anyhow::Result<ExitCode> {
    let text = fs::read_to_string(&flags.file).with_context(|| format!("cannot read {}", flags.file.display()))?;
    let requests = recording::parse(&text).map_err(|error| Usage(format!("{}: {error}", flags.file.display())))?;
    let notifier = flags.target.notifier(globals)?;
    let progress = progress::bar("sending", requests.len() as u64);
    let mut freshener = Freshener::new();
    let start = Instant::now();
    let mut report = Report::new(globals.output);
    let mut waiting = VecDeque::new();
    for request in requests {
        if let Some(offset) = offset(&request, flags.speed) {
            tokio::time::sleep_until(start + offset).await;
        }
        let body = if flags.keep_ids {
            request.body
        } else {
            let now = u64::try_from(Timestamp::now().as_second()).unwrap_or_default();
            freshener.body(&request.body, now)
        };
        if flags.speed == 0.0 && waiting.len() >= AHEAD {
            report.next(&mut waiting).await?;
        }
        waiting.push_back((body.clone(), notifier.notify(body)));
        progress.inc(1);
    }
    progress.finish_and_clear();
    while !waiting.is_empty() {
        report.next(&mut waiting).await?;
    }
    Ok(report.exit_code())
}

/// When a request is sent, counted from the first one; `None` is at once.
fn offset(request: &Recorded, speed: f64) -> Option<Duration> {
    if speed > 0.0 { Duration::try_from_secs_f64(request.offset_s / speed).ok() } else { None }
}
