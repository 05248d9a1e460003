//! What the runner shows of a handler: numbers for metrics, never for decisions.

use crate::{Millis, Seq};

/// What one handler has in hand at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Events in memory: being looked up, waiting, running, or settled and not committed.
    pub events: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Invocations that run.
    pub running: u64,
    /// Lanes that are known, idle ones excepted.
    pub lanes: u64,
    /// Lanes with something to run as soon as there is room.
    pub ready_lanes: u64,
    /// Lanes whose first event, in memory, waits for its next attempt.
    pub waiting_lanes: u64,
    /// Lanes with events in the store.
    pub parked_lanes: u64,
    /// Events of them.
    pub parked_events: u64,
    /// How often the store turned out to have more or fewer events of a lane than was known: somebody else has changed
    /// it.
    pub mended_lanes: u64,
    /// Lanes that wait for an operator.
    pub held_lanes: u64,
    /// Events in memory of the lane that has most.
    pub longest_lane: u64,
}

/// How the gate stands that every start must pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GateState {
    /// Since when an operator keeps it shut.
    pub paused_since: Option<Millis>,
    /// The breaker.
    pub breaker: BreakerState,
    /// Since when the breaker keeps it shut.
    pub open_since: Option<Millis>,
    /// Keys of which an attempt failed since the last one that did not; no more than the breaker counts.
    pub failing_keys: u32,
}

/// How a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Everything may run.
    Closed,
    /// Nothing may run.
    Open,
    /// One event is tried.
    Probing,
}

/// Where one shard is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The lease's epoch.
    pub epoch: u64,
    /// The consumer's incarnation.
    pub incarnation: u32,
    /// The last consumer sequence of this incarnation that arrived.
    pub consumer_seq: u64,
    /// The last sequence of the stream that arrived or is known to be no business of the handler.
    pub delivered: Seq,
    /// The committed floor.
    pub floor: Seq,
    /// Sequences above the floor that are known of and not settled by a commit.
    pub lag: u64,
    /// Since when the store has refused or not answered: the first failure of the commit that is being sent again.
    pub failing_since: Option<Millis>,
}
