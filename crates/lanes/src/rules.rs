//! What a handler's configuration says about order, retries and bounds.

use std::num::{NonZeroU16, NonZeroU32};

use crate::Millis;

/// How one handler wants its events treated.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// Whether events of one key run one after another.
    pub order: Order,
    /// What a dead letter does to its lane.
    pub on_dead: OnDead,
    /// Invocations at a time on this runner.
    pub concurrency: NonZeroU32,
    /// When to try again, and when to give up.
    pub retry: Retry,
    /// When to stop trying, and how to find out that it is worth it again; `None` never stops.
    pub breaker: Option<Breaker>,
    /// The most invocations in a time.
    pub rate: Option<Rate>,
    /// What may wait in memory.
    pub bounds: Bounds,
    /// While more is about to end, what has ended waits at most so long to be committed with it; 0 commits each at once.
    pub gather_ms: Millis,
}

impl Rules {
    /// Does a dead letter hold its lane? Where each event is a lane of its own there is nothing to hold.
    pub(crate) fn holds(&self) -> bool {
        self.on_dead == OnDead::Hold && self.order == Order::Room
    }
}

/// Whether events of one ordering key run one after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Yes, through retries, parking and redrive.
    Room,
    /// No: each event is a lane of its own.
    None,
}

/// What a dead letter does to its lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDead {
    /// The lane goes on.
    Continue,
    /// The lane waits for an operator.
    Hold,
}

/// When to try again, and when to give up.
#[derive(Clone, Debug, PartialEq)]
pub struct Retry {
    /// Failures of the retry class are tried again for so long after the first one.
    pub for_ms: Millis,
    /// The first wait.
    pub initial_ms: Millis,
    /// The longest wait.
    pub max_ms: Millis,
    /// A share of the wait that is drawn at random, 0 to 1, up or down.
    pub jitter: f64,
    /// Attempts in all for an event whose failures are of the crash class.
    pub crash_attempts: NonZeroU32,
}

/// When to stop trying: attempts of many keys fail in a row, by whatever failure a retry follows. Then one event at a time
/// is tried, after longer and longer waits, until one does not fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breaker {
    /// The keys that must fail, or all that have something to do if those are fewer.
    pub keys: NonZeroU32,
    /// The wait before the first try.
    pub initial_ms: Millis,
    /// The longest wait.
    pub max_ms: Millis,
}

/// The most invocations in a time, spread evenly. Each runner has the share of the shards that it owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rate {
    /// So many invocations …
    pub events: NonZeroU32,
    /// … in so long a time.
    pub per_ms: Millis,
    /// The shards that the handler reads, on whatever runner.
    pub shards: NonZeroU16,
}

/// What may wait in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Unsettled events of the handler; above it nothing more is taken.
    pub events: u32,
    /// Bytes of them.
    pub bytes: u64,
    /// Events of one lane; above it the lane is parked, …
    pub lane_events: u32,
    /// … if its first one has been in memory for so long: one that gets on empties itself sooner than the store is asked.
    pub lane_patience_ms: Millis,
    /// A lane that must wait longer is parked.
    pub park_after_ms: Millis,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { events: 2_000, bytes: 64 * 1024 * 1024, lane_events: 256, lane_patience_ms: 2_000, park_after_ms: 5_000 }
    }
}
