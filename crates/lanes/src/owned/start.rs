//! Starting what is ready.

use std::sync::Arc;

use super::{Core, Owned, Run};
use crate::lane::{Next, Place, Step};
use crate::retry;
use crate::{Command, Invocation, Mark, Seq};

impl<E: Clone, R: Clone> Owned<E, R> {
    /// Takes the next lane that is ready: runs its event, or reads its stored ones. Answers whether there was one.
    pub(crate) fn start_next(&mut self, core: &mut Core<E, R>, limit: u32, batch: &mut Vec<Invocation<E>>) -> bool {
        while let Some(key) = self.ready.pop_front() {
            let Some(lane) = self.lanes.get_mut(&key) else { continue };
            if lane.place != Place::Ready {
                continue;
            }
            lane.place = Place::Nowhere;
            match lane.next() {
                Next::Load(at) if at <= core.now => {
                    self.load(core, &key, limit);
                    return true;
                }
                Next::Run(seq, at) if at <= core.now => {
                    match self.suspects.get(&seq) {
                        None => batch.extend(self.run(core, &key, seq)),
                        // What was decided of a suspect must not be taken back with what was before it: first that is
                        // answered, which brings the lane here again.
                        Some(_) if lane.is_settling() => continue,
                        Some(suspect) if suspect.lone_deaths >= 2 && suspect.deaths >= 3 => {
                            self.died(core, &key, seq);
                        }
                        Some(_) => {
                            lane.place = Place::Lone;
                            core.lone_queue.push_back((self.shard, key));
                        }
                    }
                    return true;
                }
                _ => self.tend(core, &key),
            }
        }
        false
    }

    /// Announces the invocations of a batch.
    pub(crate) fn announce(&self, core: &mut Core<E, R>, invocations: Vec<Invocation<E>>) {
        if invocations.is_empty() {
            return;
        }
        let mut running: Vec<Seq> = self.running.values().map(|run| run.seq).collect();
        running.sort_unstable();
        core.out.push(Command::Start { shard: self.shard, mark: Mark::Running(running), invocations });
    }

    /// Runs a lane's event while nothing else runs. Answers whether it still wants to.
    pub(crate) fn start_lone(&mut self, core: &mut Core<E, R>, key: &Arc<str>) -> bool {
        let Some(lane) = self.lanes.get_mut(key) else { return false };
        if lane.place != Place::Lone {
            return false;
        }
        lane.place = Place::Nowhere;
        match lane.next() {
            Next::Run(seq, at) if at <= core.now && self.suspects.contains_key(&seq) => {
                let Some(invocation) = self.run(core, key, seq) else { return false };
                core.lone = Some((self.shard, seq));
                let mark = Mark::Alone(seq);
                core.out.push(Command::Start { shard: self.shard, mark, invocations: vec![invocation] });
                true
            }
            _ => {
                self.tend(core, key);
                false
            }
        }
    }

    fn run(&mut self, core: &mut Core<E, R>, key: &Arc<str>, seq: Seq) -> Option<Invocation<E>> {
        let lane = self.lanes.get_mut(key)?;
        let item = lane.find(seq)?;
        item.step = Step::Running;
        let before = item.attempts;
        let stopped = if before.first_at == 0 { 0 } else { core.gate.stopped_between(before.first_at, core.now) };
        let is_final = retry::is_final(&before, core.now, stopped, &core.rules.retry);
        let invocation = Invocation {
            invocation: core.number(),
            seq,
            key: key.clone(),
            attempt: before.made.saturating_add(1),
            is_final,
            redriven: item.redriven,
            first_at: if before.first_at == 0 { core.now } else { before.first_at },
            event: item.event.clone(),
        };
        lane.running = true;
        let run = Run { key: key.clone(), seq, started: core.now, is_final, discard: false };
        self.running.insert(invocation.invocation, run);
        core.gate.started(core.now, self.shard, invocation.invocation, &core.rules, core.shards);
        Some(invocation)
    }

    /// A lane that was read for a free slot has had its turn: it is next.
    pub(super) fn put_first(&mut self, key: &Arc<str>) {
        if self.lanes.get(key).is_some_and(|lane| lane.place == Place::Ready) {
            self.ready.push_front(key.clone());
        }
    }
}
