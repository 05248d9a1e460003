//! One lane: its stored events by sequence, then its events in memory.

use std::collections::{BTreeSet, VecDeque};

use crate::retry::Conflicts;
use crate::{AttemptState, BYGONE, Identity, Millis, Origin, Seq, StoredEvent};

/// An event in memory.
#[derive(Clone, Debug)]
pub(crate) struct Item<E> {
    pub(crate) seq: Seq,
    pub(crate) identity: Identity,
    pub(crate) bytes: u64,
    /// When it came into memory from the stream.
    pub(crate) since: Millis,
    pub(crate) attempts: AttemptState,
    /// Nor does it run before this time, of which the store has nothing.
    pub(crate) rests_until: Millis,
    pub(crate) redriven: bool,
    pub(crate) event: E,
    pub(crate) step: Step,
    pub(crate) failed: Failed,
    pub(crate) conflicts: Conflicts,
}

/// Where an event in memory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It waits for its turn or its time.
    Waiting,
    /// An invocation runs.
    Running,
    /// A row of it, not answered yet, settles it for good or makes it a dead letter.
    Settling,
    /// A row of it, not answered yet, puts it into the store (back).
    Storing,
}

/// Where the record of the last failed attempt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    /// There is none, or it is committed.
    Recorded,
    /// In no commit yet: the next attempt must not begin.
    Pending,
    /// In a commit that is not answered.
    Sent,
}

impl<E> Item<E> {
    pub(crate) fn stored(event: StoredEvent<E>) -> Self {
        Self {
            since: 0,
            seq: event.seq,
            identity: event.identity,
            bytes: event.bytes,
            attempts: event.attempts,
            rests_until: 0,
            redriven: event.redriven,
            event: event.event,
            step: Step::Waiting,
            failed: Failed::Recorded,
            conflicts: Conflicts::default(),
        }
    }

    /// When it may run.
    fn may_run_at(&self) -> Millis {
        self.attempts.next_at.max(self.rests_until)
    }
}

/// Where a sequence stands in its lane: what a stream that is gone left comes first.
pub(crate) fn place(seq: Seq) -> i64 {
    seq.cast_signed()
}

/// Which of two sequences comes first in a lane.
pub(crate) fn earlier(one: Seq, other: Seq) -> Seq {
    if place(one) <= place(other) { one } else { other }
}

/// What a lane is queued for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Nothing, or it is answered to: an invocation, a load or a commit.
    Nowhere,
    /// A free slot.
    Ready,
    /// A time; its next event is in memory.
    WaitsInMemory(Millis),
    /// A time; its next event is in the store.
    WaitsInStore(Millis),
    /// The moment when nothing else runs.
    Lone,
}

/// A read of stored events that is not answered yet.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) number: u64,
    pub(crate) limit: u32,
    /// The number of stored events when it was asked, if it was for all of them and no row of the lane was on its way.
    pub(crate) whole: Option<u64>,
    /// An event that may be missing from the answer was stored meanwhile.
    pub(crate) stale: bool,
    /// Events that were settled meanwhile; the answer may still have them.
    pub(crate) gone: BTreeSet<Seq>,
}

/// What the store has of a lane, by the answered commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Saved {
    Unknown,
    Waiting(Millis),
    Held,
}

/// What a lane does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It has nothing, waits for an operator, or waits for an answer that brings it back here.
    Nothing,
    /// This event may run at this time.
    Run(Seq, Millis),
    /// Its stored events may be read at this time.
    Load(Millis),
}

/// One lane.
#[derive(Clone, Debug)]
pub(crate) struct Lane<E> {
    /// The first of its stored events: read back and not settled by an answered commit.
    pub(crate) window: VecDeque<Item<E>>,
    /// Events that came from the stream, after all stored ones.
    pub(crate) memory: VecDeque<Item<E>>,
    /// The number of its stored events by the answered commits, the window included.
    pub(crate) stored: u64,
    /// The first event that was read and dropped again, while the window is not read anew.
    pub(crate) unloaded: Option<Seq>,
    /// When the stored events behind the window may run, by what the store has.
    pub(crate) due: Millis,
    /// Nor are they read before this time, of which the store has nothing.
    pub(crate) rests_until: Millis,
    /// It waits for an operator, by what was decided, committed or not.
    pub(crate) held: bool,
    pub(crate) saved: Saved,
    pub(crate) running: bool,
    pub(crate) load: Option<Load>,
    /// Dead events that are redriven or skipped by a commit that is not answered.
    pub(crate) redriving: BTreeSet<Seq>,
    /// Redriven events that are stored.
    pub(crate) redriven: BTreeSet<Seq>,
    pub(crate) place: Place,
}

impl<E> Default for Lane<E> {
    fn default() -> Self {
        Self {
            window: VecDeque::new(),
            memory: VecDeque::new(),
            stored: 0,
            unloaded: None,
            due: 0,
            rests_until: 0,
            held: false,
            saved: Saved::Unknown,
            running: false,
            load: None,
            redriving: BTreeSet::new(),
            redriven: BTreeSet::new(),
            place: Place::Nowhere,
        }
    }
}

impl<E> Lane<E> {
    /// What it does next.
    pub(crate) fn next(&self) -> Next {
        if self.held || self.running || self.load.is_some() {
            return Next::Nothing;
        }
        if let Some(item) = self.window.iter().find(|item| item.step != Step::Settling) {
            return Self::turn(item);
        }
        if self.unread() > 0 {
            // A redriven event may stand before all that would be read: first its commit is answered.
            return if self.redriving.is_empty() { Next::Load(self.may_read_at()) } else { Next::Nothing };
        }
        self.memory.iter().find(|item| item.step != Step::Settling).map_or(Next::Nothing, Self::turn)
    }

    fn turn(item: &Item<E>) -> Next {
        if item.step == Step::Waiting && item.failed != Failed::Pending {
            Next::Run(item.seq, item.may_run_at())
        } else {
            Next::Nothing
        }
    }

    /// When its first event that is not settled may run; `None` while that is up to an answer.
    pub(crate) fn waits_until(&self) -> Option<Millis> {
        if self.load.is_some() {
            return None;
        }
        let waiting = |item: &Item<E>| (item.step == Step::Waiting).then_some(item.may_run_at());
        if let Some(item) = self.window.iter().find(|item| item.step != Step::Settling) {
            return waiting(item);
        }
        if self.unread() > 0 {
            return Some(self.may_read_at());
        }
        self.memory.iter().find(|item| item.step != Step::Settling).and_then(waiting)
    }

    /// When its stored events behind the window may be read.
    fn may_read_at(&self) -> Millis {
        self.due.max(self.rests_until)
    }

    /// Has it events whose end is not committed yet?
    pub(crate) fn is_settling(&self) -> bool {
        self.window.iter().chain(&self.memory).any(|item| item.step == Step::Settling)
    }

    /// Stored events that are not in the window.
    pub(crate) fn unread(&self) -> u64 {
        self.stored.saturating_sub(self.window.len() as u64)
    }

    /// The first sequence to read: stored events before it are in the window.
    pub(crate) fn read_from(&self) -> Seq {
        let after = self.window.iter().map(|item| item.seq).max_by_key(|&seq| place(seq));
        let after = after.map_or(BYGONE, |seq| seq.wrapping_add(1));
        self.unloaded.map_or(after, |unloaded| earlier(unloaded, after))
    }

    pub(crate) fn find(&mut self, seq: Seq) -> Option<&mut Item<E>> {
        self.window.iter_mut().chain(self.memory.iter_mut()).find(|item| item.seq == seq)
    }

    /// An event in memory, and what its next row would say of where it was.
    pub(crate) fn find_with_origin(&mut self, seq: Seq) -> Option<(Origin, &mut Item<E>)> {
        let read = self.window.iter_mut().map(|item| (Origin::Parked, item));
        read.chain(self.memory.iter_mut().map(|item| (Origin::Stream, item))).find(|(_, item)| item.seq == seq)
    }

    /// Takes an event out of memory.
    pub(crate) fn remove(&mut self, seq: Seq) -> Option<Item<E>> {
        for part in [&mut self.window, &mut self.memory] {
            if let Some(at) = part.iter().position(|item| item.seq == seq) {
                return part.remove(at);
            }
        }
        None
    }

    /// Must a new delivery follow its lane into the store?
    pub(crate) fn goes_to_store(&self) -> bool {
        // Whatever is not settled stands before it: in memory it follows in memory, in the store it follows there. In a
        // lane that is held, too: what runs there still goes to the store when it ends, and takes along what follows it.
        if let Some(last) = self.memory.iter().rev().find(|item| item.step != Step::Settling) {
            return last.step == Step::Storing;
        }
        let settling = self.window.iter().filter(|item| item.step == Step::Settling).count() as u64;
        self.held || self.stored > settling
    }

    /// Events in memory that came from the stream and are neither settled nor on their way to the store.
    pub(crate) fn backlog(&self) -> usize {
        self.memory.iter().filter(|item| matches!(item.step, Step::Waiting | Step::Running)).count()
    }

    /// Since when the first of those is there.
    pub(crate) fn oldest(&self) -> Option<Millis> {
        self.memory.iter().find(|item| matches!(item.step, Step::Waiting | Step::Running)).map(|item| item.since)
    }

    /// Puts an event that was redriven and committed to its place among the read ones, if that is where it belongs.
    pub(crate) fn place_redriven(&mut self, item: Item<E>) -> Result<(), Item<E>> {
        let dropped = self.unloaded.is_some_and(|unloaded| place(unloaded) < place(item.seq));
        if dropped || self.window.iter().all(|read| place(read.seq) < place(item.seq)) {
            return Err(item);
        }
        self.window.push_back(item);
        self.order();
        Ok(())
    }

    /// Of the read events, those that wait stand by sequence. (One that ran may stand before an earlier one that was
    /// redriven meanwhile, until it waits again.)
    pub(crate) fn order(&mut self) {
        let begun = self.window.iter().rposition(|read| read.step != Step::Waiting).map_or(0, |at| at + 1);
        if let Some(waiting) = self.window.make_contiguous().get_mut(begun..) {
            waiting.sort_by_key(|item| place(item.seq));
        }
    }

    /// Has it events that may run, now or later, without an operator?
    pub(crate) fn is_active(&self) -> bool {
        let open = |item: &Item<E>| item.step != Step::Settling;
        !self.held && (self.unread() > 0 || self.window.iter().any(open) || self.memory.iter().any(open))
    }

    /// Nothing would be lost if it were forgotten.
    pub(crate) fn is_empty(&self) -> bool {
        self.window.is_empty()
            && self.memory.is_empty()
            && self.stored == 0
            && !self.held
            && !self.running
            && self.load.is_none()
            && self.redriving.is_empty()
            && self.saved == Saved::Unknown
    }
}
