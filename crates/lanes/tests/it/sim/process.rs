//! The runner process around the machine: consumers, what is on its way to the store, what runs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use lanes::{CommitReply, Delivery, Handler, Identity, Seq, Shard, StoredEvent};

use super::gate::Gate;
use super::starts::{Claim, Running};
use super::store::SimCommit;
use super::truth::{Event, Report};

/// The server's side of a consumer.
#[derive(Clone, Debug)]
pub(crate) struct Consumer {
    pub(crate) incarnation: u32,
    /// The next sequence of the stream to look at.
    pub(crate) next: Seq,
    /// Consumer sequences given out.
    pub(crate) sent: u64,
}

/// A question to the store that is not answered yet.
#[derive(Clone, Debug)]
pub(crate) enum Question {
    LookUp { lookup: u64, events: Vec<(Seq, Identity)>, answer: Option<Vec<lanes::Known>> },
    Load { load: u64, key: Arc<str>, from: Seq, limit: u32, answer: Option<Vec<StoredEvent<Event>>> },
    Commit { commit: Box<SimCommit>, answer: Option<CommitReply> },
}

impl Question {
    pub(crate) fn is_looked_at(&self) -> bool {
        match self {
            Self::LookUp { answer, .. } => answer.is_some(),
            Self::Load { answer, .. } => answer.is_some(),
            Self::Commit { answer, .. } => answer.is_some(),
        }
    }
}

/// Messages between the server and the machine.
#[derive(Clone, Debug)]
pub(crate) struct Transit {
    pub(crate) shard: Shard,
    pub(crate) incarnation: u32,
    pub(crate) chunk: Vec<Delivery<Event>>,
}

#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) handler: Handler<Event, Report>,
    pub(crate) claims: BTreeMap<Shard, Claim>,
    pub(crate) consumers: BTreeMap<Shard, Consumer>,
    pub(crate) transit: VecDeque<Transit>,
    pub(crate) questions: Vec<(Shard, Question)>,
    pub(crate) running: BTreeMap<u64, Running>,
    pub(crate) redrives: Vec<(Shard, Seq, super::store::DeadRow)>,
    pub(crate) skips: Vec<(Shard, Seq, super::store::DeadRow)>,
    pub(crate) gate: Gate,
    pub(crate) draining: bool,
    /// Shards that are to be given back.
    pub(crate) leaving: BTreeSet<Shard>,
}

impl Process {
    pub(crate) fn new(handler: Handler<Event, Report>) -> Self {
        Self {
            handler,
            claims: BTreeMap::new(),
            consumers: BTreeMap::new(),
            transit: VecDeque::new(),
            questions: Vec::new(),
            running: BTreeMap::new(),
            redrives: Vec::new(),
            skips: Vec::new(),
            gate: Gate::default(),
            draining: false,
            leaving: BTreeSet::new(),
        }
    }

    /// The lease of a shard is gone, or is taken anew: nobody waits for what runs.
    pub(crate) fn lose(&mut self, shard: Shard) {
        self.claims.remove(&shard);
        self.consumers.remove(&shard);
        self.leaving.remove(&shard);
        for run in self.running.values_mut().filter(|run| run.shard == shard) {
            run.orphan = true;
        }
    }

    /// Questions that may be answered now: look-ups of a shard in order.
    pub(crate) fn answerable(&self) -> Vec<usize> {
        let mut asked: Vec<Shard> = Vec::new();
        let mut answerable = Vec::new();
        for (at, (shard, question)) in self.questions.iter().enumerate() {
            if let Question::LookUp { .. } = question {
                if asked.contains(shard) {
                    continue;
                }
                asked.push(*shard);
            }
            if question.is_looked_at() {
                answerable.push(at);
            }
        }
        answerable
    }

    /// Questions that the store has not looked at yet; commits of a shard in order.
    pub(crate) fn open(&self) -> Vec<usize> {
        let open = self.questions.iter().enumerate().filter(|(_, (_, question))| !question.is_looked_at());
        open.map(|(at, _)| at).collect()
    }
}
