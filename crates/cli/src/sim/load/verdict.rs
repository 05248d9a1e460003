//! What a load came to: one table for people, or one JSON object.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use serde::Serialize;

use super::tally::Tally;
use super::times::Percentiles;
use crate::output::{self, Format, Table};

/// What was handed to the sender.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) seed: u64,
    pub(super) rooms: usize,
    pub(super) meetings: u64,
    /// Webhooks, copies too.
    pub(super) webhooks: u64,
    /// Those that are copies.
    pub(super) copies: u64,
    /// How long it was handed over.
    pub(super) took: Duration,
    pub(super) interrupted: bool,
}

#[derive(Debug, Serialize)]
struct Verdict<'a> {
    passed: bool,
    interrupted: bool,
    seed: u64,
    rooms: usize,
    meetings: u64,
    seconds: f64,
    sent: u64,
    delivered: u64,
    refused: &'a BTreeMap<u16, u64>,
    rightly_refused: u64,
    dropped: Dropped,
    gave_up: &'a BTreeMap<String, u64>,
    unfinished: u64,
    duplicates: Duplicates,
    attempts: u64,
    answer_ms: Percentiles,
    delivery_ms: Percentiles,
    answer_histogram: Vec<(f64, u64)>,
}

#[derive(Debug, Serialize)]
struct Dropped {
    queue_full: u64,
    too_old: u64,
}

#[derive(Debug, Serialize)]
struct Duplicates {
    sent: u64,
    delivered: u64,
}

/// Whether everything that had to be accepted was.
pub(super) fn passed(sent: &Sent, tally: &Tally) -> bool {
    tally.failed() == 0 && tally.ended() == sent.webhooks
}

/// Writes it to stdout.
pub(super) fn write(format: Format, sent: &Sent, tally: &Tally) -> io::Result<()> {
    let verdict = Verdict {
        passed: passed(sent, tally),
        interrupted: sent.interrupted,
        seed: sent.seed,
        rooms: sent.rooms,
        meetings: sent.meetings,
        seconds: (sent.took.as_secs_f64() * 1000.0).round() / 1000.0,
        sent: sent.webhooks,
        delivered: tally.delivered,
        refused: &tally.refused,
        rightly_refused: tally.rightly_refused,
        dropped: Dropped { queue_full: tally.dropped_full, too_old: tally.dropped_old },
        gave_up: &tally.gave_up,
        unfinished: sent.webhooks.saturating_sub(tally.ended()),
        duplicates: Duplicates { sent: sent.copies, delivered: tally.copies_delivered },
        attempts: tally.attempts,
        answer_ms: tally.answers.percentiles(),
        delivery_ms: tally.deliveries.percentiles(),
        answer_histogram: tally.answers.buckets(),
    };
    match format {
        Format::Json => output::json(&verdict),
        Format::Text => text(&verdict, &tally.answers.picture()),
    }
}

fn text(verdict: &Verdict<'_>, picture: &[String]) -> io::Result<()> {
    let Verdict { seed, rooms, meetings, seconds, .. } = verdict;
    let mut table = Table::new(["webhooks", "", ""]);
    let sent = format!("{meetings} meetings in {rooms} rooms, handed over in {seconds} s; --seed {seed}");
    let refused: u64 = verdict.refused.values().sum();
    let gave_up: u64 = verdict.gave_up.values().sum();
    let Dropped { queue_full, too_old } = verdict.dropped;
    let Duplicates { sent: copies, delivered: copies_delivered } = verdict.duplicates;
    for (what, count, words) in [
        ("sent", verdict.sent, sent),
        ("delivered", verdict.delivered, String::new()),
        ("refused", refused, each(verdict.refused)),
        ("refused as they may be", verdict.rightly_refused, "signed by a clock too far ahead".to_owned()),
        ("dropped", queue_full + too_old, format!("queue full: {queue_full}, waited too long: {too_old}")),
        ("given up", gave_up, each(verdict.gave_up)),
        ("unfinished", verdict.unfinished, String::new()),
        ("duplicates", copies, format!("{copies_delivered} delivered; they are among those above")),
    ] {
        // What a good run has is always told; what it has not, only when there is some.
        if count > 0 || matches!(what, "sent" | "delivered") {
            table.row([what.to_owned(), count.to_string(), words]);
        }
    }
    table.write()?;
    output::line(&format!("\nanswers     {} ({} requests)", verdict.answer_ms.words(), verdict.attempts))?;
    for line in picture {
        output::line(line)?;
    }
    output::line(&format!("deliveries  {}\n", verdict.delivery_ms.words()))?;
    output::line(match (verdict.passed, verdict.interrupted) {
        (true, false) => "passed: everything was delivered that had to be",
        (true, true) => "interrupted; everything that was sent was delivered that had to be",
        (false, true) => "interrupted, and not everything that was sent was delivered",
        (false, false) => "failed: not everything was delivered",
    })
}

/// `401: 3, 404: 1`.
fn each<K: ToString>(counts: &BTreeMap<K, u64>) -> String {
    counts.iter().map(|(what, count)| format!("{}: {count}", what.to_string())).collect::<Vec<_>>().join(", ")
}
