//! `roomwire dlq redrive`, `skip` and `drop`: a few letters at a time, at a rate, in the order of their streams.
//!
//! Killed anywhere, the next run finds what is still dead and goes on with it.

use std::num::NonZeroU32;
use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::filter::Filter;
use super::letter::{Named, number};
use super::list;
use crate::control::Control;
use crate::output::{self, Format};
use crate::progress;

/// Letters of one request: their runner answers when all of them are committed.
const TOGETHER: usize = 100;

#[derive(Debug, Args)]
pub(crate) struct DecideFlags {
    /// The event's id
    #[arg(required_unless_present = "all")]
    id: Option<String>,
    #[command(flatten)]
    filter: Filter,
    /// Every dead letter that the filters take
    #[arg(long, conflicts_with = "id")]
    all: bool,
    /// Only list what is meant
    #[arg(long)]
    dry_run: bool,
    /// The most letters in a second
    #[arg(long, value_name = "N", default_value = "100")]
    rate: NonZeroU32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    Redrive,
    Skip,
    Drop,
}

#[derive(Debug, Deserialize)]
struct Decided {
    decided: Vec<Named>,
}

impl Decision {
    fn word(self) -> &'static str {
        match self {
            Self::Redrive => "redrive",
            Self::Skip => "skip",
            Self::Drop => "drop",
        }
    }

    fn doing(self) -> &'static str {
        match self {
            Self::Redrive => "redriving",
            Self::Skip => "skipping",
            Self::Drop => "dropping",
        }
    }

    /// What is said of one letter.
    fn done(self, letter: &Named) -> String {
        let (id, handler) = (output::plain(&letter.id), &letter.handler);
        match self {
            Self::Redrive => format!("{id} will be handled again by {handler}"),
            Self::Skip => format!("{id} is skipped by {handler}"),
            Self::Drop => format!("{id} is skipped by {handler}, and its body is erased"),
        }
    }
}

pub(super) async fn run(
    format: Format,
    control: &Control,
    decision: Decision,
    flags: DecideFlags,
) -> anyhow::Result<()> {
    if let (Some(id), false) = (&flags.id, flags.dry_run) {
        let request = json!({
            "command": "dlq_decide", "decision": decision.word(), "handler": flags.filter.handler, "id": id,
        });
        let Decided { decided } = control.ask(&request).await?;
        return tell(format, decision, &decided);
    }
    // What dies again meanwhile is another matter.
    let filter = flags.filter.until_now();
    let mut letters = filter.letters(control, None).await?;
    if let Some(id) = &flags.id {
        letters.retain(|letter| letter.get("id").and_then(Value::as_str) == Some(id));
    }
    // In the order of their streams: what stands behind another letter of its room comes after it.
    letters.sort_by_key(|letter| (number(letter, "shard"), number(letter, "seq").cast_signed()));
    if flags.dry_run {
        return match format {
            Format::Json => Ok(letters.iter().try_for_each(output::json)?),
            Format::Text if letters.is_empty() => Ok(output::line("no dead letters")?),
            Format::Text => list::table(&letters),
        };
    }
    if let Some(until) = filter.until() {
        progress::note(&format!(
            "{} letters; if this is interrupted, run it again with `--until {until:.3}` to go on",
            letters.len()
        ));
    }
    let named: Vec<Named> = letters.iter().map(Named::of).collect();
    decide_all(format, control, decision, &named, flags.rate).await
}

async fn decide_all(
    format: Format,
    control: &Control,
    decision: Decision,
    letters: &[Named],
    rate: NonZeroU32,
) -> anyhow::Result<()> {
    let bar = progress::bar(decision.doing(), letters.len() as u64);
    let began = Instant::now();
    let (mut asked, mut total) = (0_u32, 0);
    for letters in letters.chunks(together(rate)) {
        tokio::time::sleep_until(began + pace(asked, rate)).await;
        let request = json!({"command": "dlq_decide", "decision": decision.word(), "letters": letters});
        let Decided { decided } = control.ask(&request).await?;
        total += decided.len();
        bar.suspend(|| tell_each(format, decision, &decided))?;
        bar.inc(letters.len() as u64);
        asked = asked.saturating_add(u32::try_from(letters.len()).unwrap_or(u32::MAX));
    }
    bar.finish_and_clear();
    let left = letters.len() - total.min(letters.len());
    if left > 0 {
        anyhow::bail!(
            "{left} of {} letters were not decided on in time, or not dead any more; run the same command again",
            letters.len()
        );
    }
    if letters.is_empty() && format == Format::Text {
        output::line("no dead letters")?;
    }
    Ok(())
}

fn tell(format: Format, decision: Decision, decided: &[Named]) -> anyhow::Result<()> {
    if decided.is_empty() && format == Format::Text {
        output::line("nothing was changed")?;
    }
    tell_each(format, decision, decided)
}

fn tell_each(format: Format, decision: Decision, decided: &[Named]) -> anyhow::Result<()> {
    for letter in decided {
        match format {
            Format::Json => output::json(letter)?,
            Format::Text => output::line(&decision.done(letter))?,
        }
    }
    Ok(())
}

/// A tenth of a second's letters at a time, so that a low rate is even.
fn together(rate: NonZeroU32) -> usize {
    usize::try_from(rate.get() / 10).unwrap_or(TOGETHER).clamp(1, TOGETHER)
}

/// When so many letters may have been asked for.
fn pace(asked: u32, rate: NonZeroU32) -> Duration {
    Duration::from_secs_f64(f64::from(asked) / f64::from(rate.get()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_go_out_at_the_rate() {
        let rate = |rate| NonZeroU32::new(rate).unwrap();
        assert_eq!((together(rate(1)), together(rate(100)), together(rate(100_000))), (1, 10, 100));
        assert_eq!(pace(0, rate(5)), Duration::ZERO);
        assert_eq!(pace(50, rate(5)), Duration::from_secs(10));
    }
}
