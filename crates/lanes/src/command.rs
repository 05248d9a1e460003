//! What the machine wants done.

use std::sync::Arc;

use crate::{Commit, Identity, Millis, Seq, Shard};

/// Something for the runner to do. Commands of one batch are carried out in order.
#[derive(Clone, Debug)]
pub enum Command<E, R> {
    /// Make the consumer of a shard anew (the older incarnation's is deleted) and deliver from `start`.
    Consume {
        /// Which shard.
        shard: Shard,
        /// The lease's epoch.
        epoch: u64,
        /// The new incarnation.
        incarnation: u32,
        /// The first sequence wanted.
        start: Seq,
    },
    /// Ask the ledger for these events; answered by [`crate::Input::LookedUp`]. Look-ups of a shard are answered in order.
    LookUp {
        /// Which shard.
        shard: Shard,
        /// The number to answer with.
        lookup: u64,
        /// The events.
        events: Vec<(Seq, Identity)>,
    },
    /// Write the mark, then run these.
    Start {
        /// Which shard.
        shard: Shard,
        /// What to record before the first one runs.
        mark: Mark,
        /// What to run; each is answered by [`crate::Input::Finished`].
        invocations: Vec<Invocation<E>>,
    },
    /// Write this; answered by [`crate::Input::Committed`]. At most one commit of a shard is unanswered.
    Commit(Commit<E, R>),
    /// Read parked events of a lane by sequence, from `from` on, at most `limit`; answered by [`crate::Input::Loaded`].
    Load {
        /// Which shard.
        shard: Shard,
        /// The number to answer with.
        load: u64,
        /// The lane.
        key: Arc<str>,
        /// The first sequence wanted.
        from: Seq,
        /// At most so many.
        limit: u32,
    },
    /// Keep for whoever comes after this machine: the breaker was open in this time. A longer time with the same
    /// beginning replaces it. Trouble with it stops nothing.
    Stopped {
        /// Since when.
        from: Millis,
        /// Until when, up to now.
        until: Millis,
    },
    /// All of the shard's work is committed and nothing runs: give the lease back.
    Release {
        /// Which shard.
        shard: Shard,
    },
}

/// What is recorded before invocations run, so that a process death can be laid at the right event's door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// All sequences of the shard that run from now on; needs no fsync and may be a superset.
    Running(Vec<Seq>),
    /// This one runs alone in the whole process, after a durable mark.
    Alone(Seq),
}

/// One call of the plugin.
#[derive(Clone, Debug)]
pub struct Invocation<E> {
    /// Its number, never used twice by one machine.
    pub invocation: u64,
    /// The event's sequence.
    pub seq: Seq,
    /// The lane.
    pub key: Arc<str>,
    /// 1 on the first attempt; goes on counting after a redrive.
    pub attempt: u32,
    /// A failure of the retry class would be the last one.
    pub is_final: bool,
    /// An operator sent it back.
    pub redriven: bool,
    /// When the first attempt of this round was made.
    pub first_at: Millis,
    /// What the runner keeps with the event.
    pub event: E,
}
