//! What the machine is told.

use std::sync::Arc;

use crate::{AttemptState, Millis, Progress, Seq, Shard};

/// What tells copies of one event from another event: every stored copy of an id has the same three parts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// The project's name.
    pub project: Arc<str>,
    /// The body's `createdAt` in Unix seconds, 0 where absent; never a clock of ours.
    pub created: i64,
    /// The event id.
    pub id: Arc<str>,
}

/// Something that happened outside.
#[derive(Clone, Debug)]
pub enum Input<E, R> {
    /// The lease of a shard is ours: begin at the floor.
    Claimed(Claimed),
    /// The lease of a shard is gone: forget all of it; nothing of this epoch may be committed any more.
    Lost {
        /// Which shard.
        shard: Shard,
    },
    /// Messages arrived from the shard's consumer, in its order.
    Delivered {
        /// Which shard.
        shard: Shard,
        /// Of which incarnation of the consumer; older ones are dropped.
        incarnation: u32,
        /// The messages.
        chunk: Vec<Delivery<E>>,
    },
    /// The answer to [`crate::Command::LookUp`]: those of its events that the ledger knows.
    LookedUp {
        /// Which shard.
        shard: Shard,
        /// The look-up answered.
        lookup: u64,
        /// What is known; events that are not listed are new.
        known: Vec<Known>,
    },
    /// An invocation ended.
    Finished {
        /// Which shard.
        shard: Shard,
        /// The number given in [`crate::Invocation`].
        invocation: u64,
        /// How it ended.
        outcome: Outcome,
        /// What it leaves behind.
        report: R,
    },
    /// A commit was answered.
    Committed {
        /// Which shard.
        shard: Shard,
        /// The commit's number.
        commit: u64,
        /// The answer.
        reply: CommitReply,
    },
    /// The answer to [`crate::Command::Load`]: parked events of one lane by sequence.
    Loaded {
        /// Which shard.
        shard: Shard,
        /// The read answered.
        load: u64,
        /// The lane.
        key: Arc<str>,
        /// The events.
        events: Vec<StoredEvent<E>>,
    },
    /// An operator wants a dead event to run again.
    Redrive {
        /// Which shard.
        shard: Shard,
        /// The ordering key of the event.
        key: Arc<str>,
        /// Its sequence.
        seq: Seq,
        /// Its identity.
        identity: Identity,
        /// Bytes it occupies in memory.
        bytes: u64,
        /// Attempts made on it before it died: they go on counting.
        made: u32,
        /// What the runner keeps with it.
        event: E,
    },
    /// An operator gives a dead event up: it is settled as skipped, and its lane goes on.
    Skip {
        /// Which shard.
        shard: Shard,
        /// The ordering key of the event.
        key: Arc<str>,
        /// Its sequence.
        seq: Seq,
        /// Its identity.
        identity: Identity,
        /// Bytes it occupies in memory.
        bytes: u64,
        /// Attempts made on it before it died.
        made: u32,
        /// What the runner keeps with it.
        event: E,
    },
    /// Start nothing more until [`Input::Resume`]; what runs ends and is committed. The time does not count against
    /// [`crate::Retry::for_ms`].
    Pause {
        /// Since when the handler is paused; before now where another process was told so.
        since: Millis,
    },
    /// Go on.
    Resume,
    /// Nothing was tried in these times, by earlier machines or on other runners: what [`crate::Command::Stopped`] told
    /// them, and pauses. They do not count against [`crate::Retry::for_ms`].
    Stopped(Vec<(Millis, Millis)>),
    /// What the server says of the shard's consumer, asked while nothing arrived for a while.
    /// `stream_last` was read before the consumer's numbers.
    Quiet {
        /// Which shard.
        shard: Shard,
        /// Of which incarnation.
        incarnation: u32,
        /// The stream's last sequence.
        stream_last: Seq,
        /// The last consumer sequence that was delivered, by the server's word.
        delivered: u64,
        /// Messages of the filter that were not delivered yet.
        pending: u64,
    },
    /// The connection was lost and is back, or the consumer is gone: deliveries may be missing.
    Reconnected {
        /// Which shard.
        shard: Shard,
    },
    /// Start nothing more of this shard; let what runs end, commit it, then release it.
    GiveBack {
        /// Which shard.
        shard: Shard,
    },
    /// Start nothing more; let what runs end, commit it, then release every shard.
    Drain,
    /// Time passed; [`crate::Handler::next_wake`] says when this is due.
    Tick,
}

/// A claimed shard, with what the store knows of it.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// Which shard.
    pub shard: Shard,
    /// The epoch of the lease.
    pub epoch: u64,
    /// Where the last owner was.
    pub progress: Progress,
    /// The lanes that have parked events or are held.
    pub lanes: Vec<StoredLane>,
    /// The failed attempts of events that are not settled and not parked.
    pub attempts: Vec<(Seq, AttemptState)>,
    /// The events that were in flight when an owner died.
    pub suspects: Vec<Suspect>,
}

/// A lane that has something in the store.
#[derive(Clone, Debug)]
pub struct StoredLane {
    /// The ordering key.
    pub key: Arc<str>,
    /// How many parked events it has.
    pub events: u32,
    /// When its first one may run.
    pub due: Millis,
    /// It waits for an operator.
    pub held: bool,
}

/// A parked event.
#[derive(Clone, Debug)]
pub struct StoredEvent<E> {
    /// Its sequence in the stream.
    pub seq: Seq,
    /// Its identity.
    pub identity: Identity,
    /// Bytes it occupies in memory.
    pub bytes: u64,
    /// The attempts made so far.
    pub attempts: AttemptState,
    /// An operator sent it back.
    pub redriven: bool,
    /// What the runner keeps with it.
    pub event: E,
}

/// An event that was in flight when the process died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// Its sequence.
    pub seq: Seq,
    /// How often the process died while it was in flight.
    pub deaths: u32,
    /// How many of these deaths came while it ran alone.
    pub lone_deaths: u32,
}

/// One message of the stream.
#[derive(Clone, Debug)]
pub struct Delivery<E> {
    /// Its sequence in the stream.
    pub seq: Seq,
    /// Its sequence in the consumer: contiguous, from 1.
    pub consumer_seq: u64,
    /// Its identity.
    pub identity: Identity,
    /// Its ordering key.
    pub key: Arc<str>,
    /// Bytes it occupies in memory.
    pub bytes: u64,
    /// What the handler's filters say.
    pub verdict: Verdict,
    /// What the runner keeps with it.
    pub event: E,
}

/// What a handler's filters say of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The handler takes it.
    Take,
    /// `when` is false: recorded, never run.
    Filtered,
    /// The handler did not subscribe to its type: counted only.
    NotSubscribed,
}

/// A ledger row that a look-up found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The sequence that was asked about.
    pub asked: Seq,
    /// The sequence under which the ledger has the same identity.
    pub seq: Seq,
}

/// How an invocation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The handler did its work.
    Done,
    /// The handler had nothing to do.
    Skipped,
    /// The handler asks for another attempt, or it was stopped while it waited for a host call, or it trapped right after
    /// one that failed: what it depends on is in trouble, not the guest.
    Retry {
        /// The wait that the handler wishes.
        after_ms: Option<u32>,
    },
    /// The handler never wants to see it again.
    Permanent,
    /// The guest broke.
    Crash(Crash),
    /// The host failed (store, NATS, engine): not an attempt.
    HostFailed,
    /// It did its work, but shared keys that it had read were changed meanwhile: not an attempt, it runs again.
    Conflict,
}

/// How a guest broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// A trap that is none of the others.
    Trap,
    /// It computed past its time limit.
    Timeout,
    /// It wanted more memory than granted.
    OutOfMemory,
    /// It wrote or asked for more than the host lets it.
    HostLimit,
}

/// The store's answer to a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitReply {
    /// All of it is durable.
    Done,
    /// Nothing was written because of these rows; send the rest again.
    Refused(Vec<Conflict>),
    /// The epoch is not ours any more.
    Lost,
    /// The store failed: nothing is known to be written. The same commit is sent again later.
    Unavailable,
}

/// Why one row was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The row's sequence.
    pub seq: Seq,
    /// What is wrong with it.
    pub kind: ConflictKind,
}

/// What is wrong with a refused row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConflictKind {
    /// The ledger has the identity under another sequence.
    Duplicate {
        /// That sequence.
        of: Seq,
    },
    /// An earlier commit of ours already wrote it and its answer was lost.
    AlreadyOurs,
    /// The store cannot take this row, whoever asks.
    Unstorable,
    /// Somebody has changed keys that its invocation had read: it is to run again.
    Changed,
}
