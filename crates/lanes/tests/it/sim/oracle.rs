//! Judges what reaches the store, by the truth alone.

use std::collections::BTreeMap;

use lanes::{Cause, Change, Millis, OnDead, Order, Origin, Outcome, Progress, Rules, Settled, Shard, Verdict};

use super::store::{ShardStore, SimCommit, SimRow, State, report_of};
use super::truth::{Event, Truth};

pub(crate) type Judged = Result<(), String>;

/// Reports a rule that does not hold.
macro_rules! hold {
    ($holds:expr, $($words:tt)+) => {
        if !$holds {
            return Err(format!($($words)+));
        }
    };
}
pub(super) use hold;

/// Applies a commit and judges what it did.
pub(crate) fn apply(
    store: &mut ShardStore,
    truth: &Truth,
    rules: &Rules,
    due_by: Millis,
    commit: &SimCommit,
) -> Judged {
    let shard = commit.shard;
    hold!(commit.epoch == store.epoch, "fence: a commit of epoch {} was taken in epoch {}", commit.epoch, store.epoch);
    let before = store.progress.clone();
    for row in &commit.rows {
        judge_row(store, truth, rules, shard, row)?;
        store.apply_row(row);
    }
    store.apply_lanes(&commit.lanes);
    store.progress = commit.progress.clone();
    judge_progress(store, truth, shard, &before)?;
    judge_books(store, truth, shard)?;
    judge_lanes(store, due_by)
}

fn judge_row(store: &ShardStore, truth: &Truth, rules: &Rules, shard: Shard, row: &SimRow) -> Judged {
    let Event { seq, of, .. } = row.event;
    let known = &truth.known[of];
    hold!(row.event.shard == shard && seq == row.seq, "mix-up: row {} of shard {shard} has {:?}", row.seq, row.event);
    hold!(known.identity == row.identity, "mix-up: row {seq} has another identity");
    hold!(truth.at(shard, seq) == Some(of), "mix-up: sequence {seq} is another event");
    let ends = !matches!(row.change, Change::Failed { .. });
    if ends && row.origin == Origin::Stream {
        hold!(store.state_of(&row.identity).is_none(), "twice: {seq} was in the ledger already");
        hold!(known.first() == Some(seq), "duplicate: copy {seq} was taken for the first of {known:?}");
    }
    hold!(known.verdict != Verdict::NotSubscribed, "{seq} is not subscribed to and has a row");
    if matches!(row.change, Change::Settled { state: Settled::Filtered, .. }) {
        hold!(known.verdict == Verdict::Filtered, "{seq} was filtered though the handler takes it");
        return Ok(());
    }
    hold!(known.verdict == Verdict::Take, "{seq} was to be filtered");
    if let Change::Dead { cause: Cause::ProcessDied, .. } = row.change {
        hold!(known.killer, "{seq} is dead as a killer and never killed anybody");
        let suspect = store.suspects.get(&seq);
        hold!(
            suspect.is_some_and(|suspect| suspect.deaths == 3 && suspect.lone_deaths == 2),
            "{seq} is dead as a killer after {suspect:?}"
        );
    }
    judge_lane_order(store, truth, rules, shard, row)?;
    let Some(report) = report_of(row) else { return Ok(()) };
    let exec = &truth.execs[report.exec];
    hold!((exec.shard, exec.seq) == (shard, seq), "mix-up: row {seq} has the report of {}", exec.seq);
    let Some((_, outcome)) = exec.end else { return Err(format!("row {seq} has a report before the end")) };
    if let Change::Dead { cause: Cause::RetriesExhausted, .. } = row.change {
        // The time for retries ends after the next wait, or would have at the start of an attempt said to be the last.
        let last = exec.ended_at + rules.retry.max_ms;
        let least = exec.first_at + exec.stopped + rules.retry.for_ms;
        hold!(last >= least, "{seq} is given up too soon: {exec:?}");
    }
    if let Change::Settled { state, .. } = row.change {
        let agrees = matches!((state, outcome), (Settled::Done, Outcome::Done) | (Settled::Skipped, Outcome::Skipped));
        hold!(agrees, "{seq} ended with {outcome:?} and is settled as {state:?}");
        hold!(!store.effects.contains_key(&of), "effects of {seq} were taken twice");
    }
    Ok(())
}

/// Whatever stands before an event in its lane ended, and ended before it ran.
fn judge_lane_order(store: &ShardStore, truth: &Truth, rules: &Rules, shard: Shard, row: &SimRow) -> Judged {
    if rules.order == Order::None || matches!(row.change, Change::Parked { report: None, .. }) {
        return Ok(());
    }
    let known = &truth.known[row.event.of];
    let place = row.seq.cast_signed();
    if known.place() != Some(place) {
        return Ok(());
    }
    let earlier = truth.known.iter().enumerate().filter(|(_, other)| {
        other.shard == shard
            && other.key == known.key
            && other.verdict == Verdict::Take
            && other.place().is_some_and(|other| other < place)
    });
    for (of, other) in earlier {
        let seq = &other.identity.id;
        let excused = rules.on_dead == OnDead::Continue && store.was_dead.contains(&of);
        if excused {
            continue;
        }
        let state = store.state_of(&other.identity);
        let ended = match state {
            Some(State::Done | State::Skipped) => true,
            Some(State::Dead(_)) => rules.on_dead == OnDead::Continue,
            _ => false,
        };
        hold!(ended, "order: {:?} of {} while {seq} of its lane is {state:?}", row.change, row.seq);
        if let (Some(&first), Some(report)) = (store.settled_by.get(&of), report_of(row)) {
            let (end, _) = truth.execs[first].end.unwrap();
            let start = truth.execs[report.exec].start;
            hold!(end < start, "order: {} began at {start}, before {seq} ended at {end}", row.seq);
        }
    }
    Ok(())
}

fn judge_progress(store: &ShardStore, truth: &Truth, shard: Shard, before: &Progress) -> Judged {
    let after = &store.progress;
    hold!(after.floor >= before.floor, "the floor went back from {} to {}", before.floor, after.floor);
    hold!(after.ranges.first().is_none_or(|range| range.0 > after.floor + 1), "ranges touch the floor: {after:?}");
    hold!(
        after.ranges.iter().all(|range| range.0 <= range.1)
            && after.ranges.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0),
        "ranges are not apart: {after:?}"
    );
    let last = truth.last(shard);
    hold!(after.floor.max(after.ranges.last().map_or(0, |range| range.1)) <= last, "settled beyond the stream");
    for seq in 1..=last {
        if !after.covers(seq) {
            hold!(!before.covers(seq), "{seq} was settled and is not any more");
            continue;
        }
        if before.covers(seq) {
            continue;
        }
        let Some(of) = truth.at(shard, seq) else { continue };
        let known = &truth.known[of];
        let row = store.ledger.get(&known.identity);
        let explained = known.verdict == Verdict::NotSubscribed
            || row.is_some_and(|row| row.seq == seq)
            || known.handled
            || known.seqs.first().is_some_and(|&first| first < seq);
        hold!(explained, "lost: {seq} was settled without a row");
    }
    if let Some((seq, id)) = &after.anchor {
        hold!(*seq <= after.floor, "the anchor {seq} is above the floor {}", after.floor);
        let real = truth.at(shard, *seq).map(|of| truth.known[of].identity.id.clone());
        hold!(real.as_ref() == Some(id), "the anchor {seq} is {id}, the stream has {real:?}");
    }
    Ok(())
}

fn judge_books(store: &ShardStore, truth: &Truth, shard: Shard) -> Judged {
    let mut states: BTreeMap<&str, u64> = BTreeMap::new();
    for row in store.ledger.values() {
        let name = match row.state {
            State::Done => "done",
            State::Skipped => "skipped",
            State::Filtered => "filtered",
            State::Parked => "parked",
            State::Dead(_) => "dead",
        };
        *states.entry(name).or_default() += 1;
    }
    *states.entry("filtered").or_default() += store.carried.0;
    *states.entry("duplicate").or_default() += store.carried.1;
    let progress = &store.progress;
    for seq in (progress.books.base + 1..=truth.last(shard)).filter(|&seq| progress.covers(seq)) {
        let name = match truth.at(shard, seq).map(|of| &truth.known[of]) {
            Some(known) if known.verdict != Verdict::NotSubscribed => {
                if known.first() == Some(seq) {
                    continue;
                } else {
                    "duplicate"
                }
            }
            _ => "filtered",
        };
        *states.entry(name).or_default() += 1;
    }
    let books = progress.books;
    let claimed = [
        ("done", books.done),
        ("skipped", books.skipped),
        ("filtered", books.filtered),
        ("duplicate", books.duplicate),
        ("parked", books.parked),
        ("dead", books.dead),
    ];
    for (name, count) in claimed {
        let real = states.get(name).copied().unwrap_or(0);
        hold!(count == real, "books: {count} {name} where there are {real}");
    }
    let sum: u64 = claimed.iter().map(|(_, count)| count).sum();
    hold!(
        books.base + sum == progress.floor + progress.above() + store.carried.2,
        "books: {books:?} do not sum up to floor {} and ranges {:?}",
        progress.floor,
        progress.ranges
    );
    Ok(())
}

fn judge_lanes(store: &ShardStore, due_by: Millis) -> Judged {
    for (key, _) in store.parked.keys() {
        hold!(store.lanes.contains_key(key), "lane {key} has parked events and is not in the store");
    }
    for (key, due) in &store.lanes {
        let first =
            store.parked.range((key.clone(), i64::MIN)..=(key.clone(), i64::MAX)).next().map(|(_, event)| event);
        match (due, first) {
            (Some(_), None) => return Err(format!("lane {key} has nothing and is still in the store")),
            (Some(due), Some(first)) if *due > first.attempts.next_at.max(due_by) => {
                return Err(format!("lane {key} is due at {due}, its first event at {}", first.attempts.next_at));
            }
            _ => {}
        }
    }
    Ok(())
}
