//! A whole schedule: what may happen happens, then everything comes to its end, and the end is judged.

use lanes::{Input, OnDead, Shard, Verdict};

use super::oracle::{Judged, hold};
use super::store::State;
use super::world::World;

impl World {
    /// One schedule.
    pub(crate) fn run(&mut self) -> Judged {
        for shard in 0..self.plan.shards {
            for _ in 0..self.dice.below(self.others.len() + 1) {
                self.rotate();
            }
            self.claim(shard)?;
        }
        for _ in 0..self.plan.steps {
            self.step()?;
        }
        self.calm = true;
        self.say(|| "* calm".to_owned());
        if self.paused_since.is_some() {
            self.pause_or_resume()?;
        }
        self.settle()?;
        self.judge_end()?;
        // A lane that is held brings up one dead event a round, and the last one may kill before it dies.
        for _ in 0..if self.plan.redrive_all { self.plan.messages + 1 } else { 0 } {
            let stores = self.stores.iter().enumerate();
            let dead: Vec<_> = stores
                .flat_map(|(shard, store)| store.dead.iter().map(move |(seq, row)| (shard, *seq, row.clone())))
                .collect();
            if dead.is_empty() {
                break;
            }
            for (shard, seq, row) in dead {
                let shard = Shard::try_from(shard).unwrap();
                self.turn_to_owner(shard);
                self.process.redrives.push((shard, seq, row));
            }
            self.settle()?;
        }
        self.judge_end()?;
        if self.plan.redrive_all {
            let dead: usize = self.stores.iter().map(|store| store.dead.len()).sum();
            hold!(dead == 0, "stuck: {dead} are dead after they were redriven");
        }
        Ok(())
    }

    /// Lets everything come to its end without faults.
    fn settle(&mut self) -> Judged {
        for _ in 0..100_000 {
            self.now += 1;
            self.land_strays()?;
            self.each_process(|world| {
                world.restart_if_drained()?;
                (0..world.plan.shards).try_for_each(|shard| world.learn(shard))
            })?;
            for shard in 0..self.plan.shards {
                if !self.is_owned(shard) {
                    self.each_process(|world| {
                        let wanted = !world.process.draining && !world.is_owned(shard);
                        if wanted { world.claim(shard) } else { Ok(()) }
                    })?;
                }
            }
            if !self.settle_one()? {
                return Ok(());
            }
        }
        Err("stuck: it never ends".to_owned())
    }

    /// A process that has lost its lease hears of it.
    fn learn(&mut self, shard: Shard) -> Judged {
        if self.process.claims.contains_key(&shard) && !self.owns(shard) && !self.process.draining {
            self.lost(shard);
            return self.feed(Input::Lost { shard });
        }
        Ok(())
    }

    /// Does one thing that remains to be done. Answers whether there was one.
    fn settle_one(&mut self) -> Result<bool, String> {
        for _ in 0..self.dice.below(self.others.len() + 1) {
            self.rotate();
        }
        for _ in 0..=self.others.len() {
            if self.settle_one_here()? {
                return Ok(true);
            }
            self.rotate();
        }
        let mut wakes = Vec::new();
        for at in 0..=self.others.len() {
            wakes.extend(self.process.handler.next_wake().map(|wake| (wake, at)));
            self.rotate();
        }
        let Some((_, first)) = wakes.into_iter().min() else { return Ok(false) };
        (0..first).for_each(|_| self.rotate());
        self.pass_time()?;
        Ok(true)
    }

    /// Does one thing that the acting process has to do.
    fn settle_one_here(&mut self) -> Result<bool, String> {
        let process = &self.process;
        let mut choices = Vec::new();
        for (choice, there) in [
            !process.open().is_empty(),
            !process.answerable().is_empty(),
            !process.running.is_empty(),
            !process.transit.is_empty(),
            !process.redrives.is_empty(),
            !process.skips.is_empty(),
        ]
        .into_iter()
        .enumerate()
        {
            if there {
                choices.push(choice);
            }
        }
        if !choices.is_empty() {
            match self.dice.pick(&choices) {
                0 => self.look()?,
                1 => self.answer()?,
                2 => self.finish()?,
                3 => self.arrive()?,
                4 => self.feed_redrive()?,
                _ => self.feed_skip()?,
            }
            return Ok(true);
        }
        for shard in 0..self.plan.shards {
            if self.send(shard) {
                return Ok(true);
            }
            let position = self.process.handler.position(shard);
            let sent = self.process.consumers.get(&shard).map(|consumer| consumer.sent);
            let astray = position.is_some_and(|position| {
                position.delivered < self.truth.last(shard) || Some(position.consumer_seq) != sent
            });
            if astray && self.process.handler.wants(shard) {
                self.quiet(shard)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Everything that could end has ended.
    fn judge_end(&mut self) -> Judged {
        let mut held = 0;
        for shard in 0..self.plan.shards {
            hold!(self.turn_to_owner(shard), "shard {shard} has no owner");
            held += self.judge_shard(shard)?;
        }
        let (mut lanes, mut held_lanes) = (0, 0);
        self.each_process(|world| {
            let gauges = world.process.handler.gauges();
            hold!(
                (gauges.events, gauges.bytes, gauges.running, gauges.ready_lanes, gauges.waiting_lanes)
                    == (0, 0, 0, 0, 0),
                "memory remains in use: {gauges:?}"
            );
            hold!(world.process.leaving.is_empty(), "stuck: {:?} are not given back", world.process.leaving);
            lanes += gauges.lanes;
            held_lanes += gauges.held_lanes;
            Ok(())
        })?;
        hold!(lanes == held && held_lanes == held, "{lanes} lanes, {held_lanes} held, where {held} are held");
        Ok(())
    }

    /// Judges what is in the store of one shard; answers how many lanes are held.
    fn judge_shard(&self, shard: Shard) -> Result<u64, String> {
        let store = &self.stores[usize::from(shard)];
        let progress = &store.progress;
        let last = self.truth.last(shard);
        hold!(progress.floor == last, "stuck: the floor of {shard} is {} of {last}", progress.floor);
        hold!(progress.ranges.is_empty(), "stuck: ranges above the last sequence");
        for (key, seq) in store.parked.keys() {
            let waits = store.lanes.get(key).is_some_and(Option::is_none);
            hold!(waits, "stuck: {seq} is parked in lane {key}, which is not held");
        }
        let holds = self.plan.rules.on_dead == OnDead::Hold;
        hold!(holds || store.lanes.is_empty(), "a lane remains in the store: {:?}", store.lanes);
        for known in self.truth.known.iter().filter(|known| known.shard == shard) {
            let state = store.state_of(&known.identity);
            // What a stream took along before it was handled is gone.
            if known.seqs.is_empty() && state.is_none() {
                continue;
            }
            let fits = match known.verdict {
                Verdict::Take => state.is_some() && state != Some(State::Filtered),
                Verdict::Filtered => state == Some(State::Filtered),
                Verdict::NotSubscribed => state.is_none(),
            };
            hold!(fits, "{:?} ended as {state:?}", known);
        }
        hold!(self.process.handler.books(shard) == Some(progress), "the machine's books are not the store's");
        Ok(store.lanes.len() as u64)
    }
}
