//! One world: streams, the store, a process that may die, and a clock.

use std::collections::VecDeque;
use std::sync::Arc;

use lanes::{Command, CommitReply, Handler, Identity, Input, Mark, Millis, Shard, Verdict};

use super::dice::Dice;
use super::oracle::{self, Judged, hold};
use super::plan::{Plan, Sabotage};
use super::process::{Consumer, Process, Question};
use super::starts::{Claim, Running, judge_start};
use super::store::{ShardStore, SimCommit};
use super::truth::{Event, Exec, Known, Report, Truth};

/// What a schedule saw, to know that it saw something.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) execs: u64,
    pub(crate) commits: u64,
    pub(crate) refused: u64,
    pub(crate) changed: u64,
    pub(crate) parked: u64,
    pub(crate) redriven: u64,
    pub(crate) skipped: u64,
    pub(crate) deaths: u64,
    pub(crate) lone: u64,
    pub(crate) given_back: u64,
    pub(crate) resets: u64,
}

impl Seen {
    pub(crate) fn add(&mut self, other: &Self) {
        self.execs += other.execs;
        self.commits += other.commits;
        self.refused += other.refused;
        self.changed += other.changed;
        self.parked += other.parked;
        self.redriven += other.redriven;
        self.skipped += other.skipped;
        self.deaths += other.deaths;
        self.lone += other.lone;
        self.given_back += other.given_back;
        self.resets += other.resets;
    }
}

pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) dice: Dice,
    pub(crate) now: Millis,
    /// Counts everything that happens.
    pub(crate) moment: u64,
    pub(crate) truth: Truth,
    pub(crate) stores: Vec<ShardStore>,
    pub(crate) process: Process,
    /// Other runners, each with what it takes for its own. Which one acts changes all the time.
    pub(crate) others: VecDeque<Process>,
    /// Since when the handler is paused.
    pub(crate) paused_since: Option<Millis>,
    /// When it was.
    pub(crate) pauses: Vec<(Millis, Millis)>,
    /// Commits that were on their way when their process died.
    pub(crate) strays: Vec<SimCommit>,
    /// Times of which the machine told that nothing was tried in them.
    pub(crate) stops: Vec<(Millis, Millis)>,
    /// No more faults, and every handler succeeds.
    pub(crate) calm: bool,
    pub(crate) seen: Seen,
    pub(crate) trace: bool,
}

impl World {
    pub(crate) fn new(plan: Plan, seed: u64, trace: bool) -> Self {
        let mut dice = Dice::new(seed);
        let shards = usize::from(plan.shards);
        let mut process = || Process::new(Handler::new(plan.rules.clone(), dice.next()));
        let (first, others) = (process(), (1..plan.processes).map(|_| process()).collect());
        Self {
            truth: Truth {
                streams: vec![vec![None; usize::try_from(plan.base).unwrap()]; shards],
                lives: vec![0; shards],
                ..Truth::default()
            },
            stores: vec![ShardStore::new(plan.base); shards],
            process: first,
            others,
            paused_since: None,
            pauses: Vec::new(),
            strays: Vec::new(),
            stops: Vec::new(),
            now: 1_000_000,
            moment: 0,
            calm: false,
            seen: Seen::default(),
            plan,
            dice,
            trace,
        }
    }

    pub(crate) fn say(&self, words: impl FnOnce() -> String) {
        if self.trace {
            println!("{:>6} t={} {}", self.moment, self.now, words());
        }
    }

    pub(crate) fn store(&mut self, shard: Shard) -> &mut ShardStore {
        &mut self.stores[usize::from(shard)]
    }

    pub(crate) fn feed(&mut self, input: Input<Event, Report>) -> Judged {
        self.feed_all(vec![input])
    }

    pub(crate) fn feed_all(&mut self, inputs: Vec<Input<Event, Report>>) -> Judged {
        self.moment += 1;
        self.say(|| format!("> {inputs:?}"));
        let commands = self.process.handler.handle_all(self.now, inputs);
        for command in commands {
            self.say(|| format!("  < {command:?}"));
            self.carry_out(command)?;
        }
        self.judge_memory()
    }

    fn judge_memory(&self) -> Judged {
        let gauges = self.process.handler.gauges();
        // Whoever goes on after a shard is somebody else's finds that the store is not as it was.
        let stale =
            self.process.claims.iter().any(|(&shard, claim)| claim.epoch != self.stores[usize::from(shard)].epoch);
        hold!(stale || gauges.mended_lanes == 0, "the machine lost count of what is stored: {gauges:?}");
        let bounds = &self.plan.rules.bounds;
        // One chunk more than the bound, one stored event for each slot, and what operators sent back.
        let slots = self.plan.rules.concurrency.get() as usize;
        let most = bounds.events as usize * 2 + self.plan.chunk + 32 * slots + self.plan.messages + 100;
        hold!(gauges.events as usize <= most, "{} events in memory where {most} may be", gauges.events);
        Ok(())
    }

    fn carry_out(&mut self, command: Command<Event, Report>) -> Judged {
        match command {
            Command::Consume { shard, epoch, incarnation, start } => {
                let claim = self.process.claims.get(&shard).ok_or("a consumer without a claim")?;
                hold!(claim.epoch == epoch, "a consumer of epoch {epoch} in epoch {}", claim.epoch);
                let last = self.process.consumers.get(&shard).map_or(0, |consumer| consumer.incarnation);
                hold!(incarnation > last, "incarnation {incarnation} after {last}");
                if claim.life != self.truth.lives[usize::from(shard)] {
                    // Whoever makes a consumer looks whether the stream is still the one that it claimed.
                    return Ok(());
                }
                self.process.consumers.insert(shard, Consumer { incarnation, next: start, sent: 0 });
            }
            Command::LookUp { shard, lookup, events } => {
                self.process.questions.push((shard, Question::LookUp { lookup, events, answer: None }));
            }
            Command::Load { shard, load, key, from, limit } => {
                self.process.questions.push((shard, Question::Load { load, key, from, limit, answer: None }));
            }
            Command::Commit(commit) => {
                let shard = commit.shard;
                let unanswered = self.process.questions.iter().any(|(of, question)| {
                    matches!(question, Question::Commit { commit: other, .. } if *of == shard && other.epoch == commit.epoch)
                });
                hold!(!unanswered, "two commits of shard {shard} are unanswered");
                let mut seqs: Vec<_> = commit.rows.iter().map(|row| row.seq).collect();
                seqs.sort_unstable();
                hold!(seqs.windows(2).all(|pair| pair[0] != pair[1]), "two rows of one sequence: {seqs:?}");
                let claim = self.process.claims.get_mut(&shard).ok_or("a commit without a claim")?;
                for row in &commit.rows {
                    if let lanes::Change::Failed { attempts, .. }
                    | lanes::Change::Parked { attempts, .. }
                    | lanes::Change::Dead { attempts, .. } = &row.change
                    {
                        let handed = claim.handed.entry(row.seq).or_default();
                        *handed = attempts.made.max(*handed);
                    }
                }
                self.process.questions.push((shard, Question::Commit { commit: Box::new(commit), answer: None }));
            }
            Command::Start { shard, mark, invocations } => self.start(shard, &mark, invocations)?,
            Command::Stopped { from, until } => {
                hold!(from < until && until <= self.now, "it was stopped from {from} until {until}");
                self.stops.push((from, until));
            }
            Command::Release { shard } => {
                let asked = self.process.draining || self.process.leaving.contains(&shard);
                hold!(asked, "shard {shard} is released though nobody asked for it");
                let runs = self.process.running.values().any(|run| run.shard == shard && !run.orphan);
                hold!(!runs, "shard {shard} is given back while something runs");
                let claim = self.process.claims.get(&shard).cloned();
                self.lost(shard);
                let store = self.store(shard);
                if claim.is_some_and(|claim| claim.epoch == store.epoch) {
                    store.clean = true;
                    store.mark.clear();
                    store.lone = None;
                }
            }
        }
        Ok(())
    }

    fn start(&mut self, shard: Shard, mark: &Mark, invocations: Vec<lanes::Invocation<Event>>) -> Judged {
        hold!(!self.process.draining, "something starts during a drain");
        hold!(!self.process.leaving.contains(&shard), "something starts in shard {shard}, which is to be given back");
        hold!(self.paused_since.is_none(), "something starts during a pause");
        hold!(!invocations.is_empty(), "a start of nothing");
        let claim = self.process.claims.get(&shard).ok_or("a start without a claim")?.clone();
        let store = &self.stores[usize::from(shard)];
        let told = (mark, invocations.as_slice());
        judge_start(store, &self.truth, &self.plan.rules, &self.process.running, (shard, &claim), told)?;
        let started: Vec<(Shard, u64)> = invocations.iter().map(|start| (shard, start.invocation)).collect();
        self.process.gate.start(self.now, &self.plan.rules, self.plan.shards, &started)?;
        let current = claim.epoch == store.epoch;
        let forgets = self.plan.sabotage == Sabotage::ForgetsLoneMark;
        // A process has one lone run at a time: a later mark of any of its shards says that it is over.
        for (shard, claim) in &self.process.claims {
            let store = &mut self.stores[usize::from(*shard)];
            store.lone = store.lone.filter(|_| claim.epoch != store.epoch);
        }
        let store = self.store(shard);
        if current {
            match mark {
                Mark::Running(seqs) => store.mark = seqs.iter().copied().collect(),
                Mark::Alone(seq) if !forgets => store.lone = Some(*seq),
                Mark::Alone(_) => {}
            }
        }
        for invocation in invocations {
            self.seen.execs += 1;
            self.seen.lone += u64::from(matches!(mark, Mark::Alone(_)));
            let claim = self.process.claims.get_mut(&shard).ok_or("a start without a claim")?;
            let epoch = claim.epoch;
            claim.began.insert(invocation.seq);
            claim.redriven.remove(&invocation.seq);
            let exec = self.truth.execs.len();
            self.truth.execs.push(Exec {
                shard,
                epoch,
                seq: invocation.seq,
                start: self.moment,
                first_at: invocation.first_at,
                stopped: self.stopped_since(invocation.first_at),
                ended_at: self.now,
                end: None,
            });
            let run = Running {
                shard,
                key: invocation.key,
                seq: invocation.seq,
                of: invocation.event.of,
                exec,
                alone: matches!(mark, Mark::Alone(_)),
                orphan: false,
            };
            hold!(self.process.running.insert(invocation.invocation, run).is_none(), "an invocation's number twice");
        }
        Ok(())
    }

    pub(crate) fn claim(&mut self, shard: Shard) -> Judged {
        let sabotage = self.plan.sabotage;
        let claimed = self.store(shard).claim(shard, sabotage);
        let store = &self.stores[usize::from(shard)];
        let redriven = store.parked.values().filter(|event| event.redriven).map(|event| event.seq).collect();
        self.lost(shard);
        let life = self.truth.lives[usize::from(shard)];
        self.process.claims.insert(shard, Claim { epoch: claimed.epoch, life, redriven, ..Claim::default() });
        if sabotage != Sabotage::ForgetsPauses {
            let stops = self.pauses.iter().chain(&self.stops).copied().collect();
            self.feed(Input::Stopped(stops))?;
        }
        self.feed(Input::Claimed(claimed))
    }

    /// The lease of a shard is gone, and the machine is about to learn it.
    pub(crate) fn lost(&mut self, shard: Shard) {
        self.process.lose(shard);
        self.process.gate.lose(self.now, &self.plan.rules, shard);
    }

    /// For how long since then the handler was paused.
    fn stopped_since(&self, since: Millis) -> Millis {
        let now = self.now;
        let pauses = self.pauses.iter().copied().chain(self.paused_since.map(|since| (since, now)));
        pauses.map(|(start, end)| end.saturating_sub(start.max(since))).sum()
    }

    /// The next process acts.
    pub(crate) fn rotate(&mut self) {
        if let Some(next) = self.others.pop_front() {
            self.others.push_back(std::mem::replace(&mut self.process, next));
        }
    }

    /// Does each process's part, one after the other.
    pub(crate) fn each_process(&mut self, mut part: impl FnMut(&mut Self) -> Judged) -> Judged {
        for _ in 0..=self.others.len() {
            part(self)?;
            self.rotate();
        }
        Ok(())
    }

    /// Has the acting process the lease?
    pub(crate) fn owns(&self, shard: Shard) -> bool {
        let epoch = self.process.claims.get(&shard).map(|claim| claim.epoch);
        epoch == Some(self.stores[usize::from(shard)].epoch)
    }

    /// Lets the owner of a shard act. Answers whether there is one.
    pub(crate) fn turn_to_owner(&mut self, shard: Shard) -> bool {
        for _ in 0..=self.others.len() {
            if self.owns(shard) {
                return true;
            }
            self.rotate();
        }
        false
    }

    /// A process begins in the place of the acting one.
    pub(crate) fn begin(&mut self) -> Result<Process, String> {
        let handler = Handler::new(self.plan.rules.clone(), self.dice.next());
        let old = std::mem::replace(&mut self.process, Process::new(handler));
        if let Some(since) = self.paused_since {
            self.feed(Input::Pause { since })?;
        }
        Ok(old)
    }

    /// The process dies. What it sent to the store may still arrive there.
    pub(crate) fn crash(&mut self) -> Judged {
        self.seen.deaths += 1;
        self.say(|| "* the process dies".to_owned());
        let old = self.begin()?;
        for (_, question) in old.questions {
            if let Question::Commit { commit, answer: None } = question
                && self.dice.percent(50)
            {
                self.strays.push(*commit);
            }
        }
        if self.dice.percent(50) {
            self.land_strays()?;
        }
        for (shard, claim) in old.claims {
            // What others have taken stays theirs; what is left lies there until somebody takes it.
            let store = &self.stores[usize::from(shard)];
            if claim.epoch == store.epoch && (store.lone.is_some() || self.dice.percent(80)) {
                self.claim(shard)?;
            }
        }
        Ok(())
    }

    pub(crate) fn land_strays(&mut self) -> Judged {
        for commit in std::mem::take(&mut self.strays) {
            self.commit(&commit)?;
        }
        Ok(())
    }

    /// The store takes a commit, or not.
    pub(crate) fn commit(&mut self, commit: &SimCommit) -> Result<CommitReply, String> {
        self.seen.commits += 1;
        let (strict, sabotage) = (self.plan.strict_attempts, self.plan.sabotage);
        let store = &mut self.stores[usize::from(commit.shard)];
        let reply = store.judge(commit, strict, sabotage);
        match &reply {
            CommitReply::Done => {
                self.seen.parked += commit.lanes.len() as u64;
                // A lane may be due later than its first event says after a failure of the host, of which nothing is
                // kept, and after an attempt that could not be stored.
                let due_by = if self.plan.poison > 0 { Millis::MAX } else { self.now + 1_000 };
                oracle::apply(store, &self.truth, &self.plan.rules, due_by, commit)?;
            }
            CommitReply::Refused(_) => {
                self.seen.refused += 1;
                if sabotage == Sabotage::NotAtomic {
                    commit.rows.iter().for_each(|row| store.apply_row(row));
                }
            }
            _ => {}
        }
        Ok(reply)
    }

    pub(crate) fn publish(&mut self) {
        let shard = self.dice.below(usize::from(self.plan.shards));
        self.moment += 1;
        if self.dice.percent(self.plan.deleted) {
            self.truth.streams[shard].push(None);
            return;
        }
        let shard16 = Shard::try_from(shard).unwrap();
        let copies: Vec<usize> =
            (0..self.truth.known.len()).filter(|&of| self.truth.known[of].shard == shard16).collect();
        let of = if !copies.is_empty() && self.dice.percent(self.plan.duplicates) {
            self.dice.pick(&copies)
        } else {
            self.new_identity(shard16)
        };
        self.truth.streams[shard].push(Some(of));
        let seq = self.truth.last(shard16);
        self.truth.known[of].seqs.push(seq);
        self.say(|| format!("* {seq} of shard {shard} is {:?}", self.truth.known[of]));
    }

    fn new_identity(&mut self, shard: Shard) -> usize {
        let of = self.truth.known.len();
        let key: Arc<str> = format!("s{shard}k{}", self.dice.below(self.plan.keys)).into();
        let verdict = if self.dice.percent(self.plan.takes) {
            Verdict::Take
        } else {
            self.dice.pick(&[Verdict::Filtered, Verdict::NotSubscribed])
        };
        let killer = verdict == Verdict::Take && self.dice.percent(self.plan.killers);
        self.truth.known.push(Known {
            identity: Identity { project: "default".into(), created: 5, id: format!("e{of}").into() },
            shard,
            key,
            verdict,
            seqs: Vec::new(),
            handled: false,
            number: None,
            killer,
        });
        of
    }
}
