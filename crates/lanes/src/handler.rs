//! The machine itself: inputs in, commands out.

use std::collections::BTreeMap;

use crate::owned::{Core, Letter, Owned};
use crate::{Command, CommitReply, GateState, Gauges, Input, Invocation, Millis, Position, Progress, Rules, Shard};

/// Stored events are read back in windows of at most so many.
const WINDOW: u32 = 32;

/// What one runner knows of one handler, and decides for it.
///
/// The caller carries out the commands of each answer in order, answers every [`Command::LookUp`] and
/// [`Command::Load`] as long as the shard is its own (a read that fails is repeated), and calls again at
/// [`Handler::next_wake`].
#[derive(Debug)]
pub struct Handler<E, R> {
    core: Core<E, R>,
    shards: BTreeMap<Shard, Owned<E, R>>,
    /// The shard that started last: the next one has the next turn.
    turn: Shard,
    /// Nothing was decided by the new rules yet.
    new_rules: bool,
}

impl<E: Clone, R: Clone> Handler<E, R> {
    /// A handler without shards; `seed` is for the jitter of its waits.
    #[must_use]
    pub fn new(rules: Rules, seed: u64) -> Self {
        Self { core: Core::new(rules, seed), shards: BTreeMap::new(), turn: 0, new_rules: false }
    }

    /// Tell it what happened; carry out what it answers, in order.
    #[must_use]
    pub fn handle(&mut self, now: Millis, input: Input<E, R>) -> Vec<Command<E, R>> {
        self.handle_all(now, [input])
    }

    /// The same for what happened at one time: it decides once, when it knows of all of it.
    #[must_use]
    pub fn handle_all(&mut self, now: Millis, inputs: impl IntoIterator<Item = Input<E, R>>) -> Vec<Command<E, R>> {
        self.core.now = now;
        self.new_rules = false;
        for input in inputs {
            self.take(input);
        }
        self.decide();
        std::mem::take(&mut self.core.out)
    }

    fn take(&mut self, input: Input<E, R>) {
        let Self { core, shards, .. } = self;
        match input {
            Input::Claimed(claimed) => self.claimed(claimed),
            Input::Lost { shard } => self.lose(shard),
            Input::Committed { shard, commit, reply: CommitReply::Lost } => {
                // The answer to a commit of an earlier claim says nothing of this one.
                if self.shards.get(&shard).is_some_and(|owned| owned.awaits(commit)) {
                    self.lose(shard);
                }
            }
            Input::Delivered { shard, incarnation, chunk } => {
                with(shards, shard, |owned| owned.delivered(core, incarnation, chunk));
            }
            Input::LookedUp { shard, lookup, known } => {
                with(shards, shard, |owned| owned.looked_up(core, lookup, known));
            }
            Input::Finished { shard, invocation, outcome, report } => {
                with(shards, shard, |owned| owned.finished(core, invocation, outcome, report));
            }
            Input::Committed { shard, commit, reply } => {
                with(shards, shard, |owned| owned.committed_reply(core, commit, &reply));
            }
            Input::Loaded { shard, load, key, events } => {
                with(shards, shard, |owned| owned.loaded(core, load, &key, events));
            }
            Input::Redrive { shard, key, seq, identity, bytes, made, event } => {
                let letter = Letter { key, seq, identity, bytes, made, event };
                with(shards, shard, |owned| owned.redrive(letter));
            }
            Input::Skip { shard, key, seq, identity, bytes, made, event } => {
                let letter = Letter { key, seq, identity, bytes, made, event };
                with(shards, shard, |owned| owned.skip(letter));
            }
            Input::Pause { since } => core.gate.pause(since.min(core.now)),
            Input::Resume => core.gate.resume(core.now),
            Input::Stopped(times) => {
                for (from, until) in times {
                    core.gate.stopped(from, until.min(core.now));
                }
            }
            Input::Quiet { shard, incarnation, stream_last, delivered, pending } => {
                with(shards, shard, |owned| owned.quiet(core, incarnation, stream_last, delivered, pending));
            }
            Input::Reconnected { shard } => with(shards, shard, |owned| owned.reconnected(core)),
            Input::GiveBack { shard } => {
                core.lone_queue.retain(|(of, _)| *of != shard);
                with(shards, shard, Owned::leave);
            }
            Input::Drain => {
                core.draining = true;
                core.lone_queue.clear();
                shards.values_mut().for_each(Owned::still);
            }
            Input::Tick => {}
        }
    }

    fn claimed(&mut self, claimed: crate::Claimed) {
        let shard = claimed.shard;
        self.lose(shard);
        if self.core.draining {
            self.core.out.push(Command::Release { shard });
            return;
        }
        let owned = Owned::claim(&mut self.core, claimed);
        self.shards.insert(shard, owned);
        self.core.shards = self.shards.len();
    }

    fn lose(&mut self, shard: Shard) {
        self.shards.remove(&shard);
        self.core.lone_queue.retain(|(of, _)| *of != shard);
        self.core.lone = self.core.lone.filter(|(of, _)| *of != shard);
        self.core.gate.lose(shard);
        self.core.shards = self.shards.len();
    }

    /// Wakes what is due, then commits and starts until neither changes anything.
    fn decide(&mut self) {
        if self.core.draining {
            self.shards.values_mut().for_each(|owned| {
                owned.flush(&mut self.core);
            });
            let _ = self.release(|_| true);
            return;
        }
        for owned in self.shards.values_mut().filter(|owned| !owned.is_leaving()) {
            owned.wake(&mut self.core);
        }
        self.judge_breaker();
        self.settle();
        if self.release(Owned::is_leaving) {
            // What failed there says nothing of what is left.
            self.judge_breaker();
            self.settle();
        }
    }

    /// Commits and starts until neither changes anything.
    fn settle(&mut self) {
        loop {
            let mut acted = false;
            for owned in self.shards.values_mut() {
                acted |= owned.flush(&mut self.core);
            }
            acted |= self.start();
            if !acted && !self.relieve() {
                return;
            }
        }
    }

    fn judge_breaker(&mut self) {
        let Self { core, shards, .. } = self;
        let stopped = core.gate.judge(core.now, core.rules.breaker.as_ref(), |failing| {
            let mut among = shards.values().filter_map(|owned| owned.all_among(failing));
            among.next().map(|first| first && among.all(|all| all))
        });
        core.out.extend(stopped.map(|(from, until)| Command::Stopped { from, until }));
    }

    /// Starts what is ready while there is room: shards take turns, within a shard lanes do.
    fn start(&mut self) -> bool {
        let mut acted = false;
        let mut batches: BTreeMap<Shard, Vec<Invocation<E>>> = BTreeMap::new();
        while !self.is_alone() && self.has_slot() && self.core.gate.lets(self.core.now) {
            let limit = self.read_limit();
            let next = self.turn.wrapping_add(1);
            let mut order = self.shards.range_mut(next..).filter(|(_, owned)| owned.has_ready());
            let Some((&shard, owned)) = order.next() else {
                if self.turn == Shard::MAX || !self.shards.values().any(Owned::has_ready) {
                    break;
                }
                self.turn = Shard::MAX;
                continue;
            };
            self.turn = shard;
            acted |= owned.start_next(&mut self.core, limit, batches.entry(shard).or_default());
        }
        for (shard, invocations) in batches {
            if let Some(owned) = self.shards.get(&shard) {
                owned.announce(&mut self.core, invocations);
            }
        }
        acted | self.start_lone()
    }

    /// A lone run goes on or is wanted: nothing else starts.
    fn is_alone(&mut self) -> bool {
        if let Some((shard, seq)) = self.core.lone
            && !self.shards.get(&shard).is_some_and(|owned| owned.is_underway(seq))
        {
            self.core.lone = None;
        }
        self.core.lone.is_some() || !self.core.lone_queue.is_empty()
    }

    fn start_lone(&mut self) -> bool {
        let mut acted = false;
        while self.core.lone.is_none()
            && self.shards.values().all(|owned| owned.running() == 0)
            && self.core.gate.lets(self.core.now)
        {
            let Some((shard, key)) = self.core.lone_queue.pop_front() else { break };
            acted = true;
            if let Some(owned) = self.shards.get_mut(&shard) {
                owned.start_lone(&mut self.core, &key);
            }
        }
        acted
    }

    /// At the bounds with nothing to run, what waits in memory goes to the store.
    fn relieve(&mut self) -> bool {
        // What is ready and must not start yet makes room by itself, once it may.
        let idle = self.has_slot() && !self.is_alone() && !self.has_ready();
        if self.has_room() || !idle || !self.pulls() {
            return false;
        }
        let mut relieved = false;
        for owned in self.shards.values_mut().filter(|owned| !owned.is_leaving()) {
            relieved |= owned.relieve(&mut self.core);
        }
        relieved
    }

    /// Gives back those of the shards that are to be released and are quiet. Answers whether there were any.
    fn release(&mut self, is_to_be: impl Fn(&Owned<E, R>) -> bool) -> bool {
        let Self { core, shards, .. } = self;
        let before = shards.len();
        shards.retain(|&shard, owned| {
            let released = is_to_be(owned) && owned.is_quiet();
            if released {
                core.gate.lose(shard);
                core.out.push(Command::Release { shard });
            }
            !released
        });
        core.shards = shards.len();
        shards.len() < before
    }

    fn has_slot(&self) -> bool {
        self.shards.values().map(Owned::slots).sum::<usize>() < self.core.rules.concurrency.get() as usize
    }

    fn has_ready(&self) -> bool {
        !self.core.lone_queue.is_empty() || self.shards.values().any(Owned::has_ready)
    }

    fn pulls(&self) -> bool {
        let idle = !self.has_ready() && self.shards.values().all(Owned::has_no_probe);
        self.core.gate.pulls(self.core.rules.breaker.as_ref(), idle)
    }

    /// Half of the bound is for what is read back; a lane that is at its turn can always read one.
    fn read_limit(&self) -> u32 {
        let taken: u64 = self.shards.values().map(Owned::read).sum();
        let free = u64::from(self.core.rules.bounds.events / 2).saturating_sub(taken);
        u32::try_from(free).unwrap_or(WINDOW).clamp(1, WINDOW)
    }

    fn has_room(&self) -> bool {
        let bounds = &self.core.rules.bounds;
        let events: u64 = self.shards.values().map(Owned::events).sum();
        let bytes: u64 = self.shards.values().map(Owned::bytes).sum();
        events < u64::from(bounds.events) && bytes < bounds.bytes
    }

    /// When [`Input::Tick`] is due, if nothing else comes first.
    #[must_use]
    pub fn next_wake(&self) -> Option<Millis> {
        if self.new_rules {
            return Some(self.core.now);
        }
        let gate = if self.core.draining { None } else { self.core.gate.next_wake(self.core.now, self.has_ready()) };
        let gather_ms = self.core.rules.gather_ms;
        self.shards.values().filter_map(|owned| owned.next_wake(gather_ms)).chain(gate).min()
    }

    /// May one more chunk of up to [`crate::CHUNK`] messages of this shard be handed over?
    #[must_use]
    pub fn wants(&self, shard: Shard) -> bool {
        !self.core.draining
            && self.shards.get(&shard).is_some_and(|owned| !owned.is_leaving())
            && self.has_room()
            && self.pulls()
    }

    /// New rules, from the next decision on. What is in hand stays in its lanes, and lanes that are held stay held.
    pub fn set_rules(&mut self, rules: Rules) {
        if self.core.rules.rate != rules.rate {
            self.core.gate.refill();
        }
        self.core.rules = rules;
        self.new_rules = true;
    }

    /// The shards that are claimed.
    pub fn shards(&self) -> impl Iterator<Item = Shard> {
        self.shards.keys().copied()
    }

    /// The progress of a shard as the last answered commit left it.
    #[must_use]
    pub fn books(&self, shard: Shard) -> Option<&Progress> {
        self.shards.get(&shard).map(Owned::committed)
    }

    /// Where a shard is.
    #[must_use]
    pub fn position(&self, shard: Shard) -> Option<Position> {
        self.shards.get(&shard).map(Owned::position)
    }

    /// How the gate stands that every start must pass.
    #[must_use]
    pub fn gate(&self) -> GateState {
        self.core.gate.state()
    }

    /// What the handler has in hand. Walks all lanes: for metrics, not for every input.
    #[must_use]
    pub fn gauges(&self) -> Gauges {
        let mut gauges = Gauges::default();
        self.shards.values().for_each(|owned| owned.measure(&mut gauges));
        gauges
    }

    /// [`Input::Drain`] was given and every shard is released or lost.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.core.draining && self.shards.is_empty()
    }
}

/// Inputs of a shard that is not ours (any more) are ignored.
fn with<E, R>(shards: &mut BTreeMap<Shard, Owned<E, R>>, shard: Shard, then: impl FnOnce(&mut Owned<E, R>)) {
    if let Some(owned) = shards.get_mut(&shard) {
        then(owned);
    }
}
