//! An operator decides on a dead event: it runs again, or it is given up.

use std::sync::Arc;

use super::Owned;
use super::commit::{Fate, Pending};
use crate::lane::{Failed, Item, Step};
use crate::retry::Conflicts;
use crate::{AttemptState, Change, Identity, Origin, Seq, Settled};

/// A dead event.
#[derive(Debug)]
pub(crate) struct Letter<E> {
    pub(crate) key: Arc<str>,
    pub(crate) seq: Seq,
    pub(crate) identity: Identity,
    pub(crate) bytes: u64,
    pub(crate) made: u32,
    pub(crate) event: E,
}

impl<E: Clone, R: Clone> Owned<E, R> {
    /// Turns its row from dead to parked; nothing, if it is not dead any more by what is known here.
    pub(crate) fn redrive(&mut self, letter: Letter<E>) {
        let Letter { key, seq, identity, bytes, made, event } = letter;
        if self.is_alive(&key, seq) {
            return;
        }
        let lane = self.lanes.entry(key.clone()).or_default();
        // It may have died again since the caller looked.
        let made = lane.find(seq).map_or(made, |item| item.attempts.made.max(made));
        lane.redriving.insert(seq);
        let attempts = AttemptState { made, ..AttemptState::default() };
        self.pending.push(Pending {
            seq,
            identity,
            key,
            origin: Origin::Dead,
            change: Change::Parked { attempts, redriven: true, report: None },
            event,
            before: attempts,
            bytes,
            in_lane: false,
            fate: Fate::Open,
            holds: false,
        });
        self.remember(bytes);
    }

    /// Turns its row from dead to skipped; nothing, if it is not dead any more by what is known here.
    pub(crate) fn skip(&mut self, letter: Letter<E>) {
        let Letter { key, seq, identity, bytes, made, event } = letter;
        if self.is_alive(&key, seq) {
            return;
        }
        let lane = self.lanes.entry(key.clone()).or_default();
        // It may have been redriven before: then it is not read before the answer says so.
        lane.redriving.insert(seq);
        self.pending.push(Pending {
            seq,
            identity,
            key,
            origin: Origin::Dead,
            change: Change::Settled { state: Settled::Skipped, attempt: made, report: None },
            event,
            before: AttemptState::default(),
            bytes,
            in_lane: false,
            fate: Fate::Open,
            holds: false,
        });
        self.remember(bytes);
    }

    /// Is the event not dead, by what is known here, or is it decided of already? An operator's letter may be out of date.
    fn is_alive(&mut self, key: &Arc<str>, seq: Seq) -> bool {
        let lane = self.lanes.get_mut(key);
        let in_lane = lane.is_some_and(|lane| {
            lane.redriving.contains(&seq)
                || lane.redriven.contains(&seq)
                || lane.find(seq).is_some_and(|item| item.step != Step::Settling)
        });
        // What is on its way may have been written, but only a death makes it one for an operator.
        let lives =
            |row: &Pending<E, R>| row.seq == seq && row.key == *key && !matches!(row.change, Change::Dead { .. });
        in_lane
            || self.pending.iter().any(|row| row.seq == seq && row.key == *key)
            || self.unanswered.iter().any(|commit| commit.rows.iter().any(lives))
    }

    /// The redrive is committed: the event stands in its lane, by its sequence, before what has not begun.
    pub(super) fn redriven(&mut self, row: Pending<E, R>, attempts: AttemptState) {
        let Some(lane) = self.lanes.get_mut(&row.key) else { return };
        lane.redriving.remove(&row.seq);
        lane.redriven.insert(row.seq);
        if let Some(load) = &mut lane.load {
            load.stale = true;
        }
        let bytes = row.bytes;
        let item = Item {
            seq: row.seq,
            identity: row.identity,
            bytes,
            since: 0,
            attempts,
            rests_until: 0,
            redriven: true,
            event: row.event,
            step: Step::Waiting,
            failed: Failed::Recorded,
            conflicts: Conflicts::default(),
        };
        if lane.place_redriven(item).is_ok() {
            self.read += 1;
        } else {
            // It will be read with the others, and waits for none that stands behind it.
            (lane.due, lane.rests_until) = (0, 0);
            self.forget(bytes);
        }
    }
}
