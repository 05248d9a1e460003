//! What one commit writes: the rows and the progress that moves with them.

use std::sync::Arc;

use crate::{Crash, Identity, Millis, Seq, Shard};

/// One atomic write for one shard, fenced by its epoch.
#[derive(Clone, Debug)]
pub struct Commit<E, R> {
    /// Its number; a commit that is sent again has a new one.
    pub commit: u64,
    /// Which shard.
    pub shard: Shard,
    /// The lease's epoch.
    pub epoch: u64,
    /// The progress after it.
    pub progress: Progress,
    /// What becomes of events, in lane order.
    pub rows: Vec<Row<E, R>>,
    /// What becomes of lanes in the store.
    pub lanes: Vec<LaneChange>,
}

/// How far a shard is, and what became of everything so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Every sequence up to this one is settled.
    pub floor: Seq,
    /// Settled sequences above the floor: inclusive ranges, ascending, neither overlapping nor adjacent.
    pub ranges: Vec<(Seq, Seq)>,
    /// What became of the settled sequences.
    pub books: Books,
    /// The last event at or below the floor whose id is known: tells a wiped or restored stream from the old one.
    pub anchor: Option<(Seq, Arc<str>)>,
}

/// Settled sequences by what became of them. The sum is the number of settled sequences since `base`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// The floor at which the handler began: sequences up to it were never its business.
    pub base: Seq,
    /// Handled.
    pub done: u64,
    /// The handler had nothing to do.
    pub skipped: u64,
    /// Not subscribed, deleted from the stream, or `when` was false.
    pub filtered: u64,
    /// Another sequence has the same identity.
    pub duplicate: u64,
    /// Waiting in the store.
    pub parked: u64,
    /// Dead letters.
    pub dead: u64,
}

/// What becomes of one event.
#[derive(Clone, Debug)]
pub struct Row<E, R> {
    /// Its sequence.
    pub seq: Seq,
    /// Its identity.
    pub identity: Identity,
    /// The lane.
    pub key: Arc<str>,
    /// Where it was before.
    pub origin: Origin,
    /// What happened.
    pub change: Change<R>,
    /// What the runner keeps with it.
    pub event: E,
}

/// Where an event was before a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In the stream only: its ledger row is new.
    Stream,
    /// Parked: its ledger row exists and its parked row is updated or removed.
    Parked,
    /// Dead: a redrive turns its rows.
    Dead,
}

/// What happened to an event.
#[derive(Clone, Debug)]
pub enum Change<R> {
    /// It is settled for good, with the effects in the report.
    Settled {
        /// How.
        state: Settled,
        /// The attempt that settled it; 0 where nothing ran.
        attempt: u32,
        /// What the invocation left.
        report: Option<R>,
    },
    /// An attempt failed and another one follows: the attempt is recorded, its effects are dropped.
    Failed {
        /// The attempts with this one.
        attempts: AttemptState,
        /// What the invocation left.
        report: R,
    },
    /// It goes to the store, body included, and is settled for the floor.
    Parked {
        /// The attempts so far.
        attempts: AttemptState,
        /// It was sent back by an operator (origin `Dead`).
        redriven: bool,
        /// The failed attempt that this commit also records, if one came with it.
        report: Option<R>,
    },
    /// It is a dead letter.
    Dead {
        /// The attempts made.
        attempts: AttemptState,
        /// Why.
        cause: Cause,
        /// What the last invocation left; none where the process died.
        report: Option<R>,
    },
}

/// How an event was settled for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Handled.
    Done,
    /// The handler had nothing to do.
    Skipped,
    /// `when` was false.
    Filtered,
}

/// Why an event is a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The handler said so.
    Permanent,
    /// Retries went on for as long as the policy allows.
    RetriesExhausted,
    /// The guest broke as often as the policy allows.
    Crashed(Crash),
    /// The process died whenever it ran.
    ProcessDied,
    /// Shared keys that it reads were changed each time before it was committed, for as long as retries go on.
    Conflict,
}

/// The attempts made on one event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttemptState {
    /// Attempts made in all, redrives included.
    pub made: u32,
    /// Failures of the crash class since the last redrive.
    pub crashes: u32,
    /// Failures of the retry class since the last redrive.
    pub retries: u32,
    /// When the first failed attempt since the last redrive began; 0 before it.
    pub first_at: Millis,
    /// Not before this time.
    pub next_at: Millis,
}

/// What becomes of a lane in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LaneChange {
    /// It has parked events, the first of which may run at `due`.
    Waiting {
        /// The ordering key.
        key: Arc<str>,
        /// When.
        due: Millis,
    },
    /// It waits for an operator.
    Held {
        /// The ordering key.
        key: Arc<str>,
    },
    /// Its last parked event is settled and nothing holds it: it leaves the store.
    Gone {
        /// The ordering key.
        key: Arc<str>,
    },
}
