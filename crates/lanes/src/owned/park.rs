//! Parking: what must wait for long goes to the store, so that the floor moves and memory stays free.

use std::sync::Arc;

use super::commit::Pending;
use super::{Core, Owned};
use crate::lane::{Failed, Step, earlier};
use crate::{Change, Origin, Seq};

impl<E: Clone, R: Clone> Owned<E, R> {
    /// Parks a lane that is held, waits for long or has too much in memory; never while its first event runs.
    pub(super) fn park_if_due(&mut self, core: &Core<E, R>, key: &Arc<str>) {
        let Some(lane) = self.lanes.get(key) else { return };
        if lane.running {
            return;
        }
        let latest = core.now.saturating_add(core.rules.bounds.park_after_ms);
        let away = lane.held || lane.waits_until().is_some_and(|at| at > latest);
        let bounds = &core.rules.bounds;
        let slow = || lane.oldest().is_some_and(|at| at.saturating_add(bounds.lane_patience_ms) <= core.now);
        if away || (lane.backlog() > bounds.lane_events as usize && slow()) {
            self.park_memory(key);
        }
        if away {
            self.unload(key);
        }
    }

    /// Parks the lanes whose first event waits in memory, to make room. Answers whether that changed anything.
    pub(crate) fn relieve(&mut self, core: &mut Core<E, R>) -> bool {
        let keys: Vec<Arc<str>> = self.waits_in_memory.iter().map(|(_, key)| key.clone()).collect();
        let mut relieved = false;
        for key in keys {
            relieved |= self.park_memory(&key);
            relieved |= self.unload(&key);
            self.tend(core, &key);
        }
        relieved
    }

    /// Sends the lane's events in memory to the store, in order. Answers whether there were any.
    fn park_memory(&mut self, key: &Arc<str>) -> bool {
        let Some(lane) = self.lanes.get_mut(key) else { return false };
        let first_stored = lane.unread() == 0 && lane.window.iter().all(|item| item.step == Step::Settling);
        let mut parked = false;
        for item in lane.memory.iter_mut().filter(|item| item.step == Step::Waiting) {
            if first_stored && !parked {
                (lane.due, lane.rests_until) = (item.attempts.next_at, item.rests_until);
            }
            parked = true;
            if item.failed != Failed::Pending || !fold(&mut self.pending, key, item.seq, false) {
                let change = Change::Parked { attempts: item.attempts, redriven: false, report: None };
                self.pending.push(Pending::of(item, key, Origin::Stream, change));
            }
            item.step = Step::Storing;
            item.failed = Failed::Recorded;
        }
        parked
    }

    /// Drops what was read of the lane's stored events; an attempt that is not recorded yet is recorded with it.
    /// Answers whether anything was dropped.
    fn unload(&mut self, key: &Arc<str>) -> bool {
        let Some(lane) = self.lanes.get_mut(key) else { return false };
        // The store does not know yet how often these were tried.
        if lane.window.iter().any(|item| item.step == Step::Waiting && item.failed == Failed::Sent) {
            return false;
        }
        let Some(first) = lane.window.iter().find(|item| item.step == Step::Waiting) else { return false };
        (lane.due, lane.rests_until) = (first.attempts.next_at, first.rests_until);
        lane.unloaded = Some(lane.unloaded.map_or(first.seq, |unloaded| earlier(unloaded, first.seq)));
        for item in lane.window.iter_mut().filter(|item| item.failed == Failed::Pending) {
            if fold(&mut self.pending, key, item.seq, item.redriven) {
                item.step = Step::Storing;
                item.failed = Failed::Recorded;
            }
        }
        let (mut events, mut bytes) = (0, 0);
        lane.window.retain(|item| {
            let drop = item.step == Step::Waiting;
            if drop {
                events += 1;
                bytes += item.bytes;
            }
            !drop
        });
        self.read = self.read.saturating_sub(events);
        self.events = self.events.saturating_sub(events);
        self.bytes = self.bytes.saturating_sub(bytes);
        true
    }
}

/// Turns the row of a failed attempt, not sent yet, into one that also parks the event.
fn fold<E, R: Clone>(pending: &mut [Pending<E, R>], key: &Arc<str>, seq: Seq, redriven: bool) -> bool {
    let Some(row) = pending.iter_mut().rev().find(|row| row.seq == seq && row.key == *key) else { return false };
    if let Change::Failed { attempts, report } = &row.change {
        row.change = Change::Parked { attempts: *attempts, redriven, report: Some(report.clone()) };
        return true;
    }
    false
}
