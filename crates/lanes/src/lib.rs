//! The runner's decisions as a pure state machine: inputs in, commands out, the clock passed in.
//!
//! One [`Handler`] holds what one runner knows of one handler: the lanes of the shards it owns, what waits, what runs,
//! what is settled but not committed. It does no I/O and reads no clock; the runner feeds it deliveries, results and
//! ticks and carries out its commands, and tests drive it with a seeded simulator.
//!
//! `E` is what the runner keeps with an event (envelope and body), `R` what an invocation leaves behind (effects,
//! duration, log lines). The machine carries both along and looks into neither.

mod chance;
mod command;
mod commit;
mod gate;
mod gauges;
mod handler;
mod input;
mod lane;
mod owned;
mod ranges;
mod retry;
mod rules;

pub use command::{Command, Invocation, Mark};
pub use commit::{AttemptState, Books, Cause, Change, Commit, LaneChange, Origin, Progress, Row, Settled};
pub use gauges::{BreakerState, GateState, Gauges, Position};
pub use handler::Handler;
pub use input::{
    Claimed, CommitReply, Conflict, ConflictKind, Crash, Delivery, Identity, Input, Known, Outcome, StoredEvent,
    StoredLane, Suspect, Verdict,
};
pub use rules::{Bounds, Breaker, OnDead, Order, Rate, Retry, Rules};

/// Milliseconds since the Unix epoch, as the caller's clock has it.
pub type Millis = u64;

/// A sequence in the stream of a shard. What a store keeps of a stream that is gone has numbers from [`BYGONE`] on, which
/// stand before all that the stream has now: lanes are in the order of the numbers taken as signed ones.
pub type Seq = u64;

/// The first of the numbers for events of a stream that is gone, and where a lane begins.
pub const BYGONE: Seq = 1 << 63;

/// The number of a shard, and so of its stream.
pub type Shard = u16;

/// The most messages that are handed over at once.
pub const CHUNK: usize = 500;
