//! The end of an invocation.

use std::sync::Arc;

use super::commit::Pending;
use super::{Core, Owned};
use crate::lane::{Failed, Step};
use crate::retry::{self, Attempt, Conflicts, Verdict};
use crate::{Cause, Change, Outcome, Seq};

impl<E: Clone, R: Clone> Owned<E, R> {
    pub(crate) fn finished(&mut self, core: &mut Core<E, R>, invocation: u64, outcome: Outcome, report: R) {
        let Some(run) = self.running.remove(&invocation) else { return };
        core.gate.ended(core.now, invocation, (self.shard, run.key.clone()), outcome, &core.rules);
        if core.lone == Some((self.shard, run.seq)) && outcome != Outcome::HostFailed {
            // It ran alone and the process lives.
            self.suspects.remove(&run.seq);
        }
        let Some(lane) = self.lanes.get_mut(&run.key) else { return };
        lane.running = false;
        if let Some((origin, item)) = lane.find_with_origin(run.seq)
            && item.step == Step::Running
        {
            item.step = Step::Waiting;
            if !run.discard {
                let before = item.attempts;
                let since = match (outcome, before.first_at) {
                    (Outcome::Conflict, _) => item.conflicts.since(core.now),
                    (_, 0) => run.started,
                    (_, first_at) => first_at,
                };
                let stopped = core.gate.stopped_between(since, core.now);
                let conflicts = item.conflicts;
                let attempt = Attempt {
                    before,
                    started: run.started,
                    ended: core.now,
                    is_final: run.is_final,
                    stopped,
                    conflicts,
                };
                match retry::judge(outcome, &attempt, &core.rules.retry, core.chance.draw()) {
                    Verdict::Settled(state) => {
                        let attempt = before.made.saturating_add(1);
                        let change = Change::Settled { state, attempt, report: Some(report) };
                        self.pending.push(Pending::of(item, &run.key, origin, change));
                        item.step = Step::Settling;
                    }
                    Verdict::Again(attempts) => {
                        let change = Change::Failed { attempts, report };
                        self.pending.push(Pending::of(item, &run.key, origin, change));
                        item.attempts = attempts;
                        item.failed = Failed::Pending;
                        item.conflicts = Conflicts::default();
                    }
                    Verdict::Dead(attempts, cause) => {
                        let change = Change::Dead { attempts, cause, report: Some(report) };
                        let mut row = Pending::of(item, &run.key, origin, change);
                        item.attempts = attempts;
                        item.step = Step::Settling;
                        row.holds = core.rules.holds();
                        lane.held |= row.holds;
                        self.pending.push(row);
                    }
                    Verdict::HostAgain(at) => item.rests_until = at,
                    Verdict::InVain(conflicts, at) => {
                        item.conflicts = conflicts;
                        item.rests_until = at;
                    }
                }
            }
            lane.order();
        }
        self.tend(core, &run.key);
    }

    /// The process died as often as the policy allows while this event ran: it does not run again.
    pub(super) fn died(&mut self, core: &mut Core<E, R>, key: &Arc<str>, seq: Seq) {
        self.suspects.remove(&seq);
        if let Some(lane) = self.lanes.get_mut(key)
            && let Some((origin, item)) = lane.find_with_origin(seq)
        {
            let change = Change::Dead { attempts: item.attempts, cause: Cause::ProcessDied, report: None };
            let mut row = Pending::of(item, key, origin, change);
            item.step = Step::Settling;
            row.holds = core.rules.holds();
            lane.held |= row.holds;
            self.pending.push(row);
        }
        self.tend(core, key);
    }
}
