//! What is known when everything has come to rest: by the senders, the streams and the database.

use std::collections::HashMap;

use super::woken::Taken;

/// How an event makes the handler `moody` behave; it is the identity of its participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Mood {
    /// Done at once.
    Calm,
    /// Done after it has waited in the host for a moment.
    Slow,
    /// Fails twice, then done.
    Retry,
    /// Panics once, then done.
    Trap,
    /// Waits in the host past its deadline once, then done.
    Hang,
    /// Skipped.
    Skip,
    /// Fails for ever.
    Poison,
    /// Computes past its deadline each time.
    Loop,
}

impl Mood {
    /// The identity.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Slow => "slow",
            Self::Retry => "retry",
            Self::Trap => "trap",
            Self::Hang => "hang",
            Self::Skip => "skip",
            Self::Poison => "poison",
            Self::Loop => "loop",
        }
    }

    /// What must become of such an event where the handler minds it.
    pub(super) fn end(self) -> State {
        match self {
            Self::Calm | Self::Slow | Self::Retry | Self::Trap | Self::Hang => State::Done,
            Self::Skip => State::Skipped,
            Self::Poison | Self::Loop => State::Dead,
        }
    }
}

/// What a handler has made of an event, by the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Done,
    Skipped,
    Filtered,
    Parked,
    Dead,
}

/// The name of a room, which is the ordering key of its events.
pub(super) fn room_name(number: usize) -> String {
    format!("room-{number}")
}

/// An event that was sent.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) room: usize,
    pub(super) kind: &'static str,
    pub(super) mood: Mood,
    /// The status of the last answer was 200.
    pub(super) accepted: bool,
    /// It was when it was sent first, and not only when it was sent once more behind others.
    pub(super) in_turn: bool,
    /// The status of an answer that refuses it for good.
    pub(super) refused: Option<u16>,
}

/// A message in an event stream.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) shard: u16,
    pub(super) seq: u64,
    pub(super) id: String,
}

/// A row of the ledger.
#[derive(Clone, Debug)]
pub(super) struct Settled {
    pub(super) id: String,
    pub(super) shard: u16,
    pub(super) seq: u64,
    pub(super) state: State,
    /// Of a dead letter: why.
    pub(super) cause: Option<String>,
}

/// The books of one shard of a handler.
#[derive(Clone, Debug, Default)]
pub(super) struct Book {
    pub(super) shard: u16,
    pub(super) epoch: u64,
    pub(super) floor: u64,
    pub(super) unaccounted: i64,
    pub(super) done: u64,
    pub(super) skipped: u64,
    pub(super) filtered: u64,
    pub(super) duplicate: u64,
    pub(super) parked: u64,
    pub(super) dead: u64,
}

/// An attempt that failed.
#[derive(Clone, Debug)]
pub(super) struct Failed {
    pub(super) id: String,
    pub(super) started_at: u64,
    pub(super) attempt: u64,
}

/// A handler, and what it has left.
#[derive(Clone, Debug)]
pub(super) struct Handled {
    pub(super) name: String,
    /// It keeps the order of rooms.
    pub(super) ordered: bool,
    /// Moods matter to it; without, every event is done.
    pub(super) moody: bool,
    /// The types that it takes; all where there are none.
    pub(super) takes: Vec<&'static str>,
    pub(super) books: Vec<Book>,
    pub(super) ledger: Vec<Settled>,
    /// Ids of events in the order of its messages in their stream.
    pub(super) published: Vec<String>,
    /// Attempts that failed.
    pub(super) failed: Vec<Failed>,
    /// Ids of its dead letters in the state store.
    pub(super) letters: Vec<String>,
    /// Ids of its dead letters in the feed.
    pub(super) feed: Vec<String>,
    /// Messages that wait in the outbox.
    pub(super) unsent: u64,
    /// What it has counted in the key-value store, room by room; none where it does not count.
    pub(super) counters: Option<HashMap<String, u64>>,
}

impl Handled {
    /// Whether it takes events of this type.
    pub(super) fn wants(&self, kind: &str) -> bool {
        self.takes.is_empty() || self.takes.contains(&kind)
    }
}

/// A runner was asleep past its lease.
#[derive(Clone, Debug)]
pub(super) struct Slept {
    pub(super) runner: usize,
    /// What others had taken when it woke: handler, shard and its own epoch.
    pub(super) taken: Vec<Taken>,
    /// It said that it had lost them.
    pub(super) told: bool,
}

/// Everything.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// By id.
    pub(super) sent: HashMap<String, Sent>,
    /// Ids by room, in the order in which the room's events were sent first.
    pub(super) rooms: Vec<Vec<String>>,
    /// Shard by shard, in the order of the stream.
    pub(super) stored: Vec<Stored>,
    pub(super) handlers: Vec<Handled>,
    pub(super) slept: Vec<Slept>,
}
