//! What a shard shows of itself.

use super::Owned;
use crate::lane::Place;
use crate::{Gauges, Millis, Position};

impl<E: Clone, R: Clone> Owned<E, R> {
    /// When it must be looked at again.
    pub(crate) fn next_wake(&self, gather_ms: Millis) -> Option<Millis> {
        let commit = self.unanswered.as_ref().and_then(|commit| commit.again_at);
        self.next_lane().into_iter().chain(commit).chain(self.gathered_at(gather_ms)).min()
    }

    pub(crate) fn position(&self) -> Position {
        let settled = self.committed.above();
        Position {
            epoch: self.epoch,
            incarnation: self.incarnation,
            consumer_seq: self.consumer_seq,
            delivered: self.delivered,
            floor: self.committed.floor,
            lag: self.seen.max(self.delivered).saturating_sub(self.committed.floor).saturating_sub(settled),
            failing_since: self.unanswered.as_ref().and_then(|commit| commit.failing_since),
        }
    }

    pub(crate) fn measure(&self, gauges: &mut Gauges) {
        gauges.events += self.events;
        gauges.bytes += self.bytes;
        gauges.running += self.running.len() as u64;
        gauges.waiting_lanes += self.waits_in_memory.len() as u64;
        gauges.parked_events += self.committed.books.parked;
        gauges.mended_lanes += self.mended;
        gauges.lanes += self.lanes.len() as u64;
        for lane in self.lanes.values() {
            gauges.ready_lanes += u64::from(matches!(lane.place, Place::Ready | Place::Lone));
            gauges.parked_lanes += u64::from(lane.stored > 0);
            gauges.held_lanes += u64::from(lane.held);
            gauges.longest_lane = gauges.longest_lane.max((lane.window.len() + lane.memory.len()) as u64);
        }
    }
}
