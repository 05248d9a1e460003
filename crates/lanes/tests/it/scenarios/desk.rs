//! A machine on a desk: inputs by hand, look-ups answered by a small ledger, commands sorted into trays.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use lanes::{
    AttemptState, Bounds, Change, Claimed, Command, Commit, CommitReply, Delivery, Handler, Identity, Input,
    Invocation, Known, LaneChange, Mark, Millis, OnDead, Order, Outcome, Progress, Retry, Row, Rules, Seq, Settled,
    Shard, StoredEvent, StoredLane, Verdict,
};

pub(crate) type Report = &'static str;

/// Quick retries without jitter, wide bounds.
pub(crate) fn rules() -> Rules {
    Rules {
        order: Order::Room,
        on_dead: OnDead::Continue,
        concurrency: NonZeroU32::new(4).unwrap(),
        retry: Retry {
            for_ms: 3_600_000,
            initial_ms: 500,
            max_ms: 300_000,
            jitter: 0.0,
            crash_attempts: NonZeroU32::new(3).unwrap(),
        },
        breaker: None,
        rate: None,
        bounds: Bounds::default(),
        gather_ms: 0,
    }
}

pub(crate) const RETRY: Outcome = Outcome::Retry { after_ms: None };

pub(crate) fn wish(after_ms: u32) -> Outcome {
    Outcome::Retry { after_ms: Some(after_ms) }
}

/// The event with this sequence; every sequence has its own id.
pub(crate) fn identity(seq: Seq) -> Identity {
    Identity { project: "default".into(), created: 7, id: format!("EV_{seq}").into() }
}

/// An event to be delivered.
pub(crate) fn event(seq: Seq, key: &str) -> Delivery<Seq> {
    Delivery {
        seq,
        consumer_seq: 0,
        identity: identity(seq),
        key: key.into(),
        bytes: 10,
        verdict: Verdict::Take,
        event: seq,
    }
}

/// A parked event.
pub(crate) fn stored(seq: Seq) -> StoredEvent<Seq> {
    StoredEvent {
        seq,
        identity: identity(seq),
        bytes: 10,
        attempts: AttemptState::default(),
        redriven: false,
        event: seq,
    }
}

/// A lane in the store.
pub(crate) fn lane(key: &str, events: u32, due: Millis, held: bool) -> StoredLane {
    StoredLane { key: key.into(), events, due, held }
}

/// A claim of shard 0 without anything special.
pub(crate) fn fresh(floor: Seq) -> Claimed {
    let mut progress = Progress { floor, ..Progress::default() };
    progress.books.base = floor;
    Claimed { shard: 0, epoch: 3, progress, lanes: Vec::new(), attempts: Vec::new(), suspects: Vec::new() }
}

#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) handler: Handler<Seq, Report>,
    pub(crate) now: Millis,
    pub(crate) started: Vec<Invocation<Seq>>,
    pub(crate) marks: Vec<Mark>,
    pub(crate) commits: Vec<Commit<Seq, Report>>,
    /// Number, key, first sequence and limit.
    pub(crate) loads: Vec<(u64, String, Seq, u32)>,
    /// Incarnation and first sequence.
    pub(crate) consumers: Vec<(u32, Seq)>,
    pub(crate) released: Vec<Shard>,
    /// Times in which the breaker was open, as they are to be kept.
    pub(crate) stopped: Vec<(Millis, Millis)>,
    /// Look-ups that nobody answers by themselves.
    pub(crate) lookups: Option<Vec<(u64, Vec<Seq>)>>,
    pub(crate) ledger: BTreeMap<Identity, Seq>,
    incarnations: BTreeMap<Shard, (u32, u64)>,
}

impl Desk {
    /// A machine with shard 0 claimed and an empty store.
    pub(crate) fn new(rules: Rules) -> Self {
        let mut desk = Self::unclaimed(rules);
        desk.feed(Input::Claimed(fresh(0)));
        desk.consumers.clear();
        desk
    }

    pub(crate) fn unclaimed(rules: Rules) -> Self {
        Self {
            handler: Handler::new(rules, 1),
            now: 1_000_000,
            started: Vec::new(),
            marks: Vec::new(),
            commits: Vec::new(),
            loads: Vec::new(),
            consumers: Vec::new(),
            released: Vec::new(),
            stopped: Vec::new(),
            lookups: None,
            ledger: BTreeMap::new(),
            incarnations: BTreeMap::new(),
        }
    }

    pub(crate) fn feed(&mut self, input: Input<Seq, Report>) {
        for command in self.handler.handle(self.now, input) {
            match command {
                Command::Consume { shard, incarnation, start, .. } => {
                    self.incarnations.insert(shard, (incarnation, 0));
                    self.consumers.push((incarnation, start));
                }
                Command::LookUp { shard, lookup, events } => match &mut self.lookups {
                    Some(waiting) => waiting.push((lookup, events.iter().map(|(seq, _)| *seq).collect())),
                    None => {
                        let known = events.iter().filter_map(|(asked, identity)| {
                            self.ledger.get(identity).map(|&seq| Known { asked: *asked, seq })
                        });
                        let known = known.collect();
                        self.feed(Input::LookedUp { shard, lookup, known });
                    }
                },
                Command::Start { mark, invocations, .. } => {
                    self.marks.push(mark);
                    self.started.extend(invocations);
                }
                Command::Commit(commit) => self.commits.push(commit),
                Command::Load { load, key, from, limit, .. } => self.loads.push((load, key.to_string(), from, limit)),
                Command::Release { shard } => self.released.push(shard),
                Command::Stopped { from, until } => self.stopped.push((from, until)),
            }
        }
    }

    /// Delivers events to shard 0, contiguous as the consumer numbers them.
    pub(crate) fn deliver(&mut self, events: impl IntoIterator<Item = Delivery<Seq>>) {
        self.deliver_to(0, events);
    }

    pub(crate) fn deliver_to(&mut self, shard: Shard, events: impl IntoIterator<Item = Delivery<Seq>>) {
        let (incarnation, last) = self.incarnations[&shard];
        let chunk: Vec<_> =
            (last + 1..).zip(events).map(|(consumer_seq, event)| Delivery { consumer_seq, ..event }).collect();
        self.incarnations.insert(shard, (incarnation, last + chunk.len() as u64));
        self.feed(Input::Delivered { shard, incarnation, chunk });
    }

    /// Loses so many messages on their way.
    pub(crate) fn lose(&mut self, messages: u64) {
        self.incarnations.entry(0).and_modify(|(_, last)| *last += messages);
    }

    pub(crate) fn quiet(&mut self, stream_last: Seq, delivered: u64, pending: u64) {
        let incarnation = self.incarnations[&0].0;
        self.feed(Input::Quiet { shard: 0, incarnation, stream_last, delivered, pending });
    }

    /// What was started since the last look, by sequence.
    pub(crate) fn take_started(&mut self) -> Vec<Seq> {
        self.started.iter().map(|invocation| invocation.seq).collect()
    }

    /// Ends the started invocation of this sequence.
    pub(crate) fn finish(&mut self, seq: Seq, outcome: Outcome) {
        self.finish_in(0, seq, outcome);
    }

    pub(crate) fn finish_in(&mut self, shard: Shard, seq: Seq, outcome: Outcome) {
        let at = self.started.iter().position(|invocation| invocation.seq == seq).unwrap();
        let invocation = self.started.remove(at).invocation;
        self.feed(Input::Finished { shard, invocation, outcome, report: "report" });
    }

    /// Answers the oldest commit.
    pub(crate) fn reply(&mut self, reply: CommitReply) -> Commit<Seq, Report> {
        let commit = self.commits.remove(0);
        if reply == CommitReply::Done {
            for row in commit.rows.iter().filter(|row| !matches!(row.change, Change::Failed { .. })) {
                self.ledger.insert(row.identity.clone(), row.seq);
            }
        }
        self.feed(Input::Committed { shard: commit.shard, commit: commit.commit, reply });
        commit
    }

    /// Answers commits until there are none.
    pub(crate) fn commit_all(&mut self) -> Vec<Commit<Seq, Report>> {
        let mut commits = Vec::new();
        while !self.commits.is_empty() {
            commits.push(self.reply(CommitReply::Done));
        }
        commits
    }

    /// Answers the oldest load.
    pub(crate) fn load(&mut self, events: Vec<StoredEvent<Seq>>) {
        let (load, key, ..) = self.loads.remove(0);
        self.feed(Input::Loaded { shard: 0, load, key: key.as_str().into(), events });
    }

    pub(crate) fn pass(&mut self, wait: Millis) {
        self.now += wait;
        self.feed(Input::Tick);
    }

    pub(crate) fn redrive(&mut self, seq: Seq, key: &str, made: u32) {
        self.feed(Input::Redrive {
            shard: 0,
            key: key.into(),
            seq,
            identity: identity(seq),
            bytes: 10,
            made,
            event: seq,
        });
    }

    pub(crate) fn skip(&mut self, seq: Seq, key: &str, made: u32) {
        self.feed(Input::Skip { shard: 0, key: key.into(), seq, identity: identity(seq), bytes: 10, made, event: seq });
    }

    pub(crate) fn floor(&self) -> Seq {
        self.handler.books(0).unwrap().floor
    }
}

/// The rows of a commit in short.
pub(crate) fn rows(commit: &Commit<Seq, Report>) -> Vec<(Seq, &'static str)> {
    commit.rows.iter().map(|row| (row.seq, change(row))).collect()
}

pub(crate) fn change(row: &Row<Seq, Report>) -> &'static str {
    match &row.change {
        Change::Settled { state: Settled::Done, .. } => "done",
        Change::Settled { state: Settled::Skipped, .. } => "skipped",
        Change::Settled { state: Settled::Filtered, .. } => "filtered",
        Change::Failed { .. } => "failed",
        Change::Parked { .. } => "parked",
        Change::Dead { .. } => "dead",
    }
}

pub(crate) fn waiting(key: &str, due: Millis) -> LaneChange {
    LaneChange::Waiting { key: key.into(), due }
}

pub(crate) fn held(key: &str) -> LaneChange {
    LaneChange::Held { key: key.into() }
}

pub(crate) fn gone(key: &str) -> LaneChange {
    LaneChange::Gone { key: key.into() }
}
