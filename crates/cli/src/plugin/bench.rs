//! `roomwire plugin bench`.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use runner::workbench::Workbench;
use serde_json::json;

use super::event::EventFlags;
use super::handling::HandlingFlags;
use super::shown;
use crate::args::Globals;
use crate::output::{self, Format};
use crate::progress;

/// Many calls with one event.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    #[command(flatten)]
    handling: HandlingFlags,
    #[command(flatten)]
    event: EventFlags,
    /// Calls that are measured, one after another
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    calls: u64,
}

pub(super) async fn run(globals: &Globals, flags: Flags) -> anyhow::Result<ExitCode> {
    let (handling, trial) = (flags.handling.handling(globals)?, flags.event.trial()?);
    let workbench = Workbench::new()?;
    let began = Instant::now();
    let bench = handling.open(&workbench, &BTreeMap::new()).await?;
    let activated = began.elapsed();
    let first = bench.run(&trial).await;
    let bar = progress::bar("calling", flags.calls);
    let (mut durations, mut peak, mut outcomes) = (Vec::new(), first.peak_memory, BTreeMap::<String, u64>::new());
    for _ in 0..flags.calls {
        let run = bench.run(&trial).await;
        durations.push(run.duration);
        peak = peak.max(run.peak_memory);
        *outcomes.entry(run.outcome).or_default() += 1;
        bar.inc(1);
    }
    bar.finish_and_clear();
    durations.sort_unstable();
    let [p50, p99] = [0.5, 0.99].map(|part| percentile(&durations, part));
    match globals.output {
        Format::Json => output::json(&json!({
            "digest": bench.digest(), "calls": flags.calls, "activated_us": micros(activated), "first_us": micros(first.duration),
            "p50_us": micros(p50), "p99_us": micros(p99), "peak_memory": peak, "outcomes": outcomes,
        }))?,
        Format::Text => {
            output::line(&format!("activated in {activated:.1?} (compiled, linked, checked)"))?;
            output::line(&format!("first call {:.2?}, then {p50:.2?} (p50) and {p99:.2?} (p99)", first.duration))?;
            output::line(&format!("{} of memory at most", shown::size(peak)))?;
            let counted: Vec<String> = outcomes.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
            output::line(&format!("{} calls with one {}: {}", flags.calls, trial.kind(), counted.join(", ")))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Of sorted durations the one that this part of them does not exceed.
fn percentile(sorted: &[Duration], part: f64) -> Duration {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index into a list of at most a million"
    )]
    let at = ((sorted.len() as f64 * part).ceil() as usize).saturating_sub(1);
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_measured_values() {
        let sorted: Vec<Duration> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(percentile(&sorted, 0.5), Duration::from_millis(50));
        assert_eq!(percentile(&sorted, 0.99), Duration::from_millis(99));
        assert_eq!(percentile(&sorted[..1], 0.99), Duration::from_millis(1));
        assert_eq!(percentile(&[], 0.5), Duration::ZERO);
    }
}
