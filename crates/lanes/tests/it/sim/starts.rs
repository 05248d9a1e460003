//! Judges what is started.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lanes::{Invocation, Mark, Order, Outcome, Rules, Seq, Shard, Verdict};

use super::oracle::{Judged, hold};
use super::store::ShardStore;
use super::truth::{Event, Truth};

/// What runs in the process, by invocation.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    pub(crate) shard: Shard,
    pub(crate) key: Arc<str>,
    pub(crate) seq: Seq,
    /// Which identity.
    pub(crate) of: usize,
    pub(crate) exec: usize,
    pub(crate) alone: bool,
    /// Its claim is over: nobody waits for it.
    pub(crate) orphan: bool,
}

/// What one claim of a shard has seen so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claim {
    pub(crate) epoch: u64,
    /// The stream that it found.
    pub(crate) life: usize,
    /// Sequences that ran in this claim.
    pub(crate) began: BTreeSet<Seq>,
    /// Attempts in the commits that were sent.
    pub(crate) handed: BTreeMap<Seq, u32>,
    /// Sequences of which the store could not take a row.
    pub(crate) unstored: BTreeSet<Seq>,
    /// Suspects that ended a lone run: the process lives.
    pub(crate) cleared: BTreeSet<Seq>,
    /// Redriven events that are known to be stored and have not run since.
    pub(crate) redriven: BTreeSet<Seq>,
}

/// Judges a start, before the invocations are among the running ones.
pub(crate) fn judge_start(
    store: &ShardStore,
    truth: &Truth,
    rules: &Rules,
    running: &BTreeMap<u64, Running>,
    (shard, claim): (Shard, &Claim),
    (mark, invocations): (&Mark, &[Invocation<Event>]),
) -> Judged {
    let now: Vec<&Running> = running.values().filter(|run| !run.orphan).collect();
    hold!(!now.iter().any(|run| run.alone), "something starts while a suspect runs alone");
    let all = now.len() + invocations.len();
    hold!(all <= rules.concurrency.get() as usize, "{all} run where {} may", rules.concurrency);
    let current = claim.epoch == store.epoch;
    match mark {
        Mark::Alone(seq) => {
            hold!(all == 1 && invocations[0].seq == *seq, "{seq} is to run alone among {all}");
        }
        Mark::Running(marked) => {
            let of_shard = now.iter().filter(|run| run.shard == shard).map(|run| run.seq);
            for seq in of_shard.chain(invocations.iter().map(|invocation| invocation.seq)) {
                hold!(marked.contains(&seq), "{seq} runs and is not marked");
                let suspect = current && store.suspects.contains_key(&seq) && !claim.cleared.contains(&seq);
                hold!(!suspect, "suspect {seq} does not run alone");
            }
            // Where the host failed, or a copy ran, there is nothing to record: the next mark takes the lone one away.
            let lone = store.lone.filter(|&seq| current && truth.counts(shard, seq));
            let unrecorded = lone.and_then(|seq| {
                let last =
                    truth.execs.iter().rfind(|exec| (exec.shard, exec.epoch, exec.seq) == (shard, claim.epoch, seq))?;
                let unrecorded = |outcome| !matches!(outcome, Outcome::HostFailed | Outcome::Conflict);
                last.end.filter(|&(_, outcome)| unrecorded(outcome) && !claim.unstored.contains(&seq))
            });
            hold!(unrecorded.is_none(), "something runs before the end of a lone run is recorded");
        }
    }
    for (at, invocation) in invocations.iter().enumerate() {
        let Invocation { seq, key, event, .. } = invocation;
        let known = &truth.known[event.of];
        hold!(event.seq == *seq && event.shard == shard, "mix-up: {seq} starts with {event:?}");
        hold!(known.verdict == Verdict::Take, "{seq} is not the handler's and runs");
        let lane = if rules.order == Order::Room { &known.key } else { &known.identity.id };
        hold!(key == lane, "{seq} runs in lane {key} instead of {lane}");
        let twin = now.iter().any(|run| run.shard == shard && run.key == *key)
            || invocations[..at].iter().any(|other| other.key == *key);
        hold!(!twin, "two of lane {key} run at once");
        if current && known.place() == Some(seq.cast_signed()) {
            judge_attempt(store, truth, rules, claim, invocation)?;
        }
    }
    Ok(())
}

fn judge_attempt(
    store: &ShardStore,
    truth: &Truth,
    rules: &Rules,
    claim: &Claim,
    invocation: &Invocation<Event>,
) -> Judged {
    let Invocation { seq, attempt, redriven, event, .. } = invocation;
    let recorded = store.history.range((*seq, 0)..=(*seq, u32::MAX)).next_back().map_or(0, |((_, made), _)| *made);
    hold!(*attempt > recorded, "attempt {attempt} of {seq} where {recorded} are recorded");
    let open = store
        .attempts
        .get(seq)
        .or_else(|| store.parked.values().find(|event| event.seq == *seq).map(|event| &event.attempts));
    let recorded = recorded.max(open.map_or(0, |attempts| attempts.made));
    hold!(*attempt > recorded, "attempt {attempt} of {seq} where {recorded} are kept");
    let handed = claim.handed.get(seq).copied().unwrap_or(0).max(recorded);
    hold!(*attempt <= handed + 1, "attempt {attempt} of {seq} where only {handed} went into a commit");
    hold!(*redriven == store.was_dead.contains(&event.of), "{seq} says redriven: {redriven}");
    if rules.order == Order::Room && !claim.began.contains(seq) {
        let key = &truth.known[event.of].key;
        let late = claim.redriven.iter().find(|&&of| {
            of.cast_signed() < seq.cast_signed()
                && truth.at(event.shard, of).is_some_and(|of| truth.known[of].key == *key)
        });
        hold!(late.is_none(), "{seq} begins before {late:?}, which was redriven");
    }
    Ok(())
}
