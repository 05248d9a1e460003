//! What may happen next.

use lanes::{
    Change, CommitReply, Conflict, ConflictKind, Crash, Delivery, Input, Origin, Outcome, Seq, Shard, Verdict,
};

use super::oracle::Judged;
use super::plan::{ACTIONS, Action, Sabotage, bounds, concurrency, rate};
use super::process::{Process, Question, Transit};
use super::starts::Running;
use super::store::{DeadRow, SimCommit, SimRow};
use super::truth::{Event, Poison, Report};
use super::world::World;

impl World {
    /// One thing happens, by the plan's weights.
    pub(crate) fn step(&mut self) -> Judged {
        self.now += self.dice.from(0, 5);
        self.restart_if_drained()?;
        for _ in 0..self.dice.below(self.others.len() + 1) {
            self.rotate();
        }
        let total: u64 = self.plan.weights.iter().sum();
        let mut at = self.dice.from(0, total - 1);
        let action = self.plan.weights.iter().position(|&weight| {
            let here = at < weight;
            at = at.saturating_sub(weight);
            here
        });
        match ACTIONS[action.unwrap()] {
            Action::Publish => {
                if self.truth.known.len() < self.plan.messages {
                    self.publish();
                }
                Ok(())
            }
            Action::Deliver => self.deliver(),
            Action::Look => self.look(),
            Action::Answer => self.answer(),
            Action::Finish => self.finish(),
            Action::Quiet => {
                let shard = self.any_shard();
                self.quiet(shard)
            }
            Action::Time => self.pass_time(),
            Action::Reconnect => {
                let shard = self.any_shard();
                self.process.transit.retain(|transit| transit.shard != shard);
                self.feed(Input::Reconnected { shard })
            }
            Action::Crash => {
                // Whoever dies during a lone run is blamed for it: here only killers do.
                if self.stores.iter().any(|store| store.lone.is_some()) { Ok(()) } else { self.crash() }
            }
            Action::Fence => self.fence(),
            Action::Redrive => self.redrive(),
            Action::Drain => {
                self.process.draining = true;
                self.feed(Input::Drain)
            }
            Action::Rules => self.new_rules(),
            Action::Pause => self.pause_or_resume(),
            Action::Skip => self.skip(),
            Action::GiveBack => {
                let shard = self.any_shard();
                if self.process.draining || !self.process.claims.contains_key(&shard) {
                    return Ok(());
                }
                self.seen.given_back += 1;
                self.process.leaving.insert(shard);
                self.feed(Input::GiveBack { shard })
            }
            Action::Reset => {
                let shard = self.any_shard();
                self.reset(shard);
                Ok(())
            }
        }
    }

    fn new_rules(&mut self) -> Judged {
        self.plan.rules.bounds = bounds(&mut self.dice);
        self.plan.rules.concurrency = concurrency(&mut self.dice);
        let rate = rate(&mut self.dice);
        let changes = self.plan.rules.rate != rate;
        self.plan.rules.rate = rate;
        self.each_process(|world| {
            world.process.handler.set_rules(world.plan.rules.clone());
            if changes {
                world.process.gate.new_rate();
            }
            Ok(())
        })
    }

    /// An operator's word, which reaches every process.
    pub(crate) fn pause_or_resume(&mut self) -> Judged {
        let since = self.now;
        if let Some(since) = self.paused_since.take() {
            self.pauses.push((since, self.now));
            self.each_process(|world| world.feed(Input::Resume))
        } else {
            self.paused_since = Some(since);
            self.each_process(|world| world.feed(Input::Pause { since }))
        }
    }

    fn any_shard(&mut self) -> Shard {
        Shard::try_from(self.dice.below(usize::from(self.plan.shards))).unwrap()
    }

    pub(crate) fn restart_if_drained(&mut self) -> Judged {
        if !self.process.draining || !self.process.handler.is_drained() {
            return Ok(());
        }
        self.say(|| "* drained, and started again".to_owned());
        self.begin()?;
        (0..self.plan.shards).try_for_each(|shard| if self.is_owned(shard) { Ok(()) } else { self.claim(shard) })
    }

    pub(crate) fn is_owned(&self, shard: Shard) -> bool {
        let epoch = self.stores[usize::from(shard)].epoch;
        let has = |process: &Process| process.claims.get(&shard).is_some_and(|claim| claim.epoch == epoch);
        has(&self.process) || self.others.iter().any(has)
    }

    pub(crate) fn pass_time(&mut self) -> Judged {
        match self.process.handler.next_wake() {
            Some(wake) if self.calm || self.dice.percent(70) => self.now = self.now.max(wake),
            _ => self.now += self.dice.pick(&[1, 100, 2_000, 20_000]),
        }
        self.feed(Input::Tick)
    }

    fn is_sent(&self, of: usize) -> bool {
        // Every other identity that is not subscribed to is filtered by the server.
        self.truth.known[of].verdict != Verdict::NotSubscribed || of % 2 == 0
    }

    /// The next message for a shard's consumer.
    fn next_message(&self, shard: Shard) -> Option<Seq> {
        let consumer = self.process.consumers.get(&shard)?;
        (consumer.next..=self.truth.last(shard))
            .find(|&seq| self.truth.at(shard, seq).is_some_and(|of| self.is_sent(of)))
    }

    pub(crate) fn deliver(&mut self) -> Judged {
        if !self.process.transit.is_empty() && self.dice.percent(60) {
            return self.arrive();
        }
        let shard = self.any_shard();
        self.send(shard);
        Ok(())
    }

    pub(crate) fn arrive(&mut self) -> Judged {
        let Some(Transit { shard, incarnation, chunk }) = self.process.transit.pop_front() else { return Ok(()) };
        self.feed(Input::Delivered { shard, incarnation, chunk })
    }

    /// The server sends a chunk, of which some may be lost or repeated. Answers whether there was anything to send.
    pub(crate) fn send(&mut self, shard: Shard) -> bool {
        if !self.process.handler.wants(shard) {
            return false;
        }
        let mut chunk = Vec::new();
        let most = self.dice.from(1, self.plan.chunk as u64);
        for _ in 0..most {
            let Some(seq) = self.next_message(shard) else { break };
            let lost = !self.calm && self.dice.percent(self.plan.lost);
            let hidden = lost && self.plan.sabotage == Sabotage::HidesLosses;
            let consumer = self.process.consumers.get_mut(&shard).unwrap();
            consumer.next = seq + 1;
            consumer.sent += u64::from(!hidden);
            if lost {
                continue;
            }
            let of = self.truth.at(shard, seq).unwrap();
            let known = &self.truth.known[of];
            let delivery = Delivery {
                seq,
                consumer_seq: consumer.sent,
                identity: known.identity.clone(),
                key: known.key.clone(),
                bytes: 10,
                verdict: known.verdict,
                event: Event { shard, seq, of },
            };
            if !self.calm && self.dice.percent(self.plan.lost / 5) {
                chunk.push(delivery.clone());
            }
            chunk.push(delivery);
        }
        let Some(consumer) = self.process.consumers.get(&shard) else { return false };
        let incarnation = consumer.incarnation;
        let sent = !chunk.is_empty();
        if sent || self.dice.percent(10) {
            self.process.transit.push_back(Transit { shard, incarnation, chunk });
        }
        sent
    }

    pub(crate) fn quiet(&mut self, shard: Shard) -> Judged {
        let stream_last = self.truth.last(shard);
        if !self.calm && self.dice.percent(30) {
            self.publish();
        }
        let Some(consumer) = self.process.consumers.get(&shard).cloned() else { return Ok(()) };
        let rest = consumer.next..=self.truth.last(shard);
        let pending = rest.filter(|&seq| self.truth.at(shard, seq).is_some_and(|of| self.is_sent(of))).count() as u64;
        let (delivered, pending) = match self.process.handler.position(shard) {
            Some(position) if self.plan.sabotage == Sabotage::QuietTooSoon => (position.consumer_seq, 0),
            _ => (consumer.sent, pending),
        };
        let incarnation = consumer.incarnation;
        self.feed(Input::Quiet { shard, incarnation, stream_last, delivered, pending })
    }

    /// The store looks at a question; its answer is on its way.
    pub(crate) fn look(&mut self) -> Judged {
        let open = self.process.open();
        if open.is_empty() {
            return Ok(());
        }
        let at = self.dice.pick(&open);
        let (shard, mut question) = self.process.questions[at].clone();
        let faults = !self.calm;
        match &mut question {
            Question::LookUp { events, answer, .. } => {
                let mut known = self.store(shard).look_up(events);
                let blind = if faults { self.plan.blind } else { 0 };
                // An answer may be older than a commit of this claim, never older than the claim.
                let handled = |known: &lanes::Known| {
                    let asked = events.iter().find(|(seq, _)| *seq == known.asked).unwrap();
                    self.truth.known.iter().any(|known| known.handled && known.identity == asked.1)
                };
                let dice = &mut self.dice;
                known.retain(|known| handled(known) || !dice.percent(blind));
                *answer = Some(known);
            }
            Question::Load { key, from, limit, answer, .. } => {
                *answer = Some(self.store(shard).load(key, *from, *limit));
            }
            Question::Commit { commit, answer } => {
                // Nobody can tell a redrive that came too late from one whose answer was lost, if nothing came with it.
                let too_late = commit.rows.iter().any(|row| {
                    row.origin == Origin::Dead && !self.stores[usize::from(shard)].dead.contains_key(&row.seq)
                });
                let told = commit.rows.iter().any(|row| match row.origin {
                    Origin::Stream => !matches!(row.change, Change::Failed { .. }),
                    Origin::Parked => matches!(row.change, Change::Settled { .. } | Change::Dead { .. }),
                    Origin::Dead => false,
                });
                let fails = faults && (told || !too_late) && self.dice.percent(self.plan.unavailable);
                let mut reply = CommitReply::Unavailable;
                if !fails || self.dice.percent(50) {
                    reply = match self.changed(commit) {
                        Some(refused) => refused,
                        None => self.commit(commit)?,
                    };
                }
                if fails {
                    reply = CommitReply::Unavailable;
                }
                if let CommitReply::Refused(conflicts) = &mut reply
                    && conflicts.iter().all(|conflict| conflict.kind == ConflictKind::Unstorable)
                    && self.dice.percent(30)
                {
                    // A store may stop at the first one.
                    let one = self.dice.below(conflicts.len());
                    *conflicts = vec![conflicts[one].clone()];
                }
                *answer = Some(reply);
            }
        }
        self.say(|| format!("* the store looks: {question:?}"));
        self.process.questions[at].1 = question;
        Ok(())
    }

    pub(crate) fn answer(&mut self) -> Judged {
        let answerable = self.process.answerable();
        if answerable.is_empty() {
            return Ok(());
        }
        let at = self.dice.pick(&answerable);
        let (shard, question) = self.process.questions.remove(at);
        match question {
            Question::LookUp { lookup, answer, .. } => {
                self.feed(Input::LookedUp { shard, lookup, known: answer.unwrap() })
            }
            Question::Load { load, key, answer, .. } => {
                self.feed(Input::Loaded { shard, load, key, events: answer.unwrap() })
            }
            Question::Commit { commit, answer } => {
                let reply = answer.unwrap();
                let current = self.process.claims.get(&shard).is_some_and(|claim| claim.epoch == commit.epoch);
                if current && reply == CommitReply::Done {
                    let claim = self.process.claims.get_mut(&shard).unwrap();
                    let parks = |row: &&SimRow| matches!(row.change, Change::Parked { .. });
                    let redriven = commit.rows.iter().filter(|row| row.origin == Origin::Dead).filter(parks);
                    claim.redriven.extend(redriven.map(|row| row.seq));
                }
                if let (true, CommitReply::Refused(conflicts)) = (current, &reply) {
                    let unstored = [ConflictKind::Unstorable, ConflictKind::Changed];
                    let unstored = conflicts.iter().filter(|conflict| unstored.contains(&conflict.kind));
                    let claim = self.process.claims.get_mut(&shard).unwrap();
                    claim.unstored.extend(unstored.map(|conflict| conflict.seq));
                }
                if current && reply == CommitReply::Lost {
                    self.lost(shard);
                }
                self.feed(Input::Committed { shard, commit: commit.commit, reply })
            }
        }
    }

    /// A commit that could be written, were there not rows of it that have read what is another by now.
    fn changed(&mut self, commit: &SimCommit) -> Option<CommitReply> {
        let store = &self.stores[usize::from(commit.shard)];
        let judged = store.judge(commit, self.plan.strict_attempts, Sabotage::Nothing);
        if self.calm || judged != CommitReply::Done {
            return None;
        }
        let mut changed = Vec::new();
        for row in &commit.rows {
            if matches!(row.change, Change::Settled { report: Some(_), .. }) && self.dice.percent(self.plan.changed) {
                changed.push(Conflict { seq: row.seq, kind: ConflictKind::Changed });
            }
        }
        self.seen.changed += changed.len() as u64;
        (!changed.is_empty()).then_some(CommitReply::Refused(changed))
    }

    /// Some invocations end at the same time, or one ends the process.
    pub(crate) fn finish(&mut self) -> Judged {
        let together = if self.dice.percent(30) { self.dice.from(2, 6) } else { 1 };
        let mut ended = Vec::new();
        for _ in 0..together {
            let running: Vec<u64> = self.process.running.keys().copied().collect();
            if running.is_empty() {
                break;
            }
            let invocation = self.dice.pick(&running);
            let run = self.process.running[&invocation].clone();
            let known = &self.truth.known[run.of];
            let was_dead = self.stores[usize::from(run.shard)].was_dead.contains(&run.of);
            if known.killer && !was_dead {
                if ended.is_empty() {
                    self.say(|| format!("* {} of shard {} kills", run.seq, run.shard));
                    return self.crash();
                }
                break;
            }
            ended.push(self.end(invocation, &run));
        }
        if ended.is_empty() {
            return Ok(());
        }
        self.process.gate.judge(self.now, &self.plan.rules);
        self.feed_all(ended)
    }

    /// An invocation has ended.
    fn end(&mut self, invocation: u64, run: &Running) -> Input<Event, Report> {
        self.process.running.remove(&invocation);
        let outcome = self.outcome();
        self.moment += 1;
        self.truth.execs[run.exec].end = Some((self.moment, outcome));
        self.truth.execs[run.exec].ended_at = self.now;
        if !run.orphan {
            self.process.gate.end(&self.plan.rules, (run.shard, invocation), &run.key, outcome);
        }
        let poison = match self.dice.from(0, 2) {
            _ if self.calm || !self.dice.percent(self.plan.poison) => Poison::None,
            0 => Poison::Any,
            _ => Poison::Effects,
        };
        let report = Report { exec: run.exec, poison };
        if let Some(claim) = self.process.claims.get_mut(&run.shard)
            && run.alone
            && !run.orphan
            && outcome != Outcome::HostFailed
        {
            claim.cleared.insert(run.seq);
        }
        Input::Finished { shard: run.shard, invocation, outcome, report }
    }

    fn outcome(&mut self) -> Outcome {
        if self.calm {
            return Outcome::Done;
        }
        let total: u64 = self.plan.outcomes.iter().sum();
        let mut at = self.dice.from(0, total - 1);
        for (kind, &weight) in self.plan.outcomes.iter().enumerate() {
            if at >= weight {
                at -= weight;
                continue;
            }
            return match kind {
                0 => Outcome::Done,
                1 => Outcome::Skipped,
                2 => Outcome::Retry { after_ms: None },
                3 => Outcome::Retry { after_ms: Some(self.dice.pick(&[0, 200, 7_000])) },
                4 => Outcome::Permanent,
                5 => Outcome::Crash(self.dice.pick(&[Crash::Trap, Crash::Timeout])),
                6 => Outcome::HostFailed,
                _ => Outcome::Conflict,
            };
        }
        Outcome::Done
    }

    /// Another runner takes a shard, or ours learns of it, or gets it back.
    pub(crate) fn fence(&mut self) -> Judged {
        let shard = self.any_shard();
        match self.process.claims.get(&shard).map(|claim| claim.epoch) {
            _ if self.process.draining => Ok(()),
            // Whoever loses a shard during a lone run is taken for dead: here only killers die.
            _ if self.store(shard).lone.is_some() => Ok(()),
            None => self.claim(shard),
            Some(epoch) if epoch == self.store(shard).epoch => {
                self.say(|| format!("* another runner takes shard {shard}"));
                let clean = self.dice.percent(50);
                let store = self.store(shard);
                store.take_over();
                store.clean = clean;
                Ok(())
            }
            // It may go on for long as if nothing had happened; or it hears of it.
            Some(_) if self.dice.percent(50) => Ok(()),
            Some(_) => {
                self.lost(shard);
                self.feed(Input::Lost { shard })
            }
        }
    }

    fn redrive(&mut self) -> Judged {
        if !self.process.redrives.is_empty() && self.dice.percent(50) {
            return self.feed_redrive();
        }
        let shard = self.any_shard();
        let dead: Vec<Seq> = self.store(shard).dead.keys().copied().collect();
        if dead.is_empty() {
            return Ok(());
        }
        let seq = self.dice.pick(&dead);
        let row = self.store(shard).dead[&seq].clone();
        self.process.redrives.push((shard, seq, row));
        Ok(())
    }

    fn skip(&mut self) -> Judged {
        if !self.process.skips.is_empty() && self.dice.percent(50) {
            return self.feed_skip();
        }
        let shard = self.any_shard();
        let dead: Vec<Seq> = self.store(shard).dead.keys().copied().collect();
        if dead.is_empty() {
            return Ok(());
        }
        let seq = self.dice.pick(&dead);
        let row = self.store(shard).dead[&seq].clone();
        self.process.skips.push((shard, seq, row));
        Ok(())
    }

    pub(crate) fn feed_skip(&mut self) -> Judged {
        let at = self.dice.below(self.process.skips.len());
        let (shard, seq, row) = self.process.skips.swap_remove(at);
        let row = self.store(shard).dead.get(&seq).cloned().unwrap_or(row);
        self.seen.skipped += 1;
        let DeadRow { key, identity, made, event } = row;
        self.feed(Input::Skip { shard, key, seq, identity, bytes: 10, made, event })
    }

    pub(crate) fn feed_redrive(&mut self) -> Judged {
        let at = self.dice.below(self.process.redrives.len());
        let (shard, seq, row) = self.process.redrives.swap_remove(at);
        // If it is dead, it is read now; what is not dead any more may have been read too early.
        let row = self.store(shard).dead.get(&seq).cloned().unwrap_or(row);
        self.seen.redriven += 1;
        self.feed(Input::Redrive {
            shard,
            key: row.key,
            seq,
            identity: row.identity,
            bytes: 10,
            made: row.made,
            event: row.event,
        })
    }
}
