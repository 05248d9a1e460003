//! A shard that is ours: what arrived, what waits, what runs, what is to be committed.

mod books;
mod claim;
mod commit;
mod deliver;
mod finish;
mod load;
mod measure;
mod park;
mod queue;
mod redrive;
mod reply;
mod standing;
mod start;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use foldhash::HashMap;

pub(crate) use self::redrive::Letter;

use self::commit::{Count, Pending, Unanswered};
use self::deliver::Asked;
use crate::chance::Chance;
use crate::gate::{Gate, Key};
use crate::lane::Lane;
use crate::{AttemptState, Command, Identity, Millis, Progress, Rules, Seq, Shard, Suspect};

/// What all shards of a handler share.
#[derive(Debug)]
pub(crate) struct Core<E, R> {
    pub(crate) rules: Rules,
    pub(crate) now: Millis,
    pub(crate) draining: bool,
    pub(crate) chance: Chance,
    pub(crate) gate: Gate,
    /// The shards that are owned.
    pub(crate) shards: usize,
    /// Lanes whose next event may only run alone.
    pub(crate) lone_queue: VecDeque<(Shard, Arc<str>)>,
    /// The event that runs alone, until what became of it is committed.
    pub(crate) lone: Option<(Shard, Seq)>,
    /// The last incarnation of each shard's consumer: a new claim goes on counting, so that what an old one asked for
    /// cannot be taken for its own.
    incarnations: BTreeMap<Shard, u32>,
    pub(crate) out: Vec<Command<E, R>>,
    last_number: u64,
}

impl<E, R> Core<E, R> {
    pub(crate) fn new(rules: Rules, seed: u64) -> Self {
        Self {
            rules,
            now: 0,
            draining: false,
            chance: Chance::new(seed),
            gate: Gate::default(),
            shards: 0,
            lone_queue: VecDeque::new(),
            lone: None,
            incarnations: BTreeMap::new(),
            out: Vec::new(),
            last_number: 0,
        }
    }

    /// A number that was never used.
    fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }
}

/// An invocation that was started and has not ended.
#[derive(Clone, Debug)]
struct Run {
    key: Arc<str>,
    seq: Seq,
    started: Millis,
    is_final: bool,
    /// An event before it in its lane must run again first: whatever it brings is dropped.
    discard: bool,
}

/// A claimed shard.
#[derive(Debug)]
pub(crate) struct Owned<E, R> {
    shard: Shard,
    epoch: u64,
    /// The progress by the answered commits.
    committed: Progress,

    /// It is to be given back: nothing of it starts any more.
    leaving: bool,

    incarnation: u32,
    consumer_seq: u64,
    /// Everything up to here arrived or is no business of ours.
    delivered: Seq,
    /// The stream's last known sequence.
    seen: Seq,
    /// Quiet inputs in a row by which the server delivered something else than what arrived.
    astray: u32,

    /// Chunks that are being looked up, in order.
    asked: VecDeque<Asked<E>>,
    /// Identities in memory whose ledger row is not committed yet.
    live: HashMap<Identity, Seq>,
    /// Ids that arrived and are above the committed floor: the next anchors.
    ids: BTreeMap<Seq, Arc<str>>,

    lanes: HashMap<Arc<str>, Lane<E>>,
    ready: VecDeque<Arc<str>>,
    waits_in_memory: BTreeSet<(Millis, Arc<str>)>,
    waits_in_store: BTreeSet<(Millis, Arc<str>)>,
    running: BTreeMap<u64, Run>,
    loading: usize,
    attempts: BTreeMap<Seq, AttemptState>,
    suspects: BTreeMap<Seq, Suspect>,

    pending: Vec<Pending<E, R>>,
    counted: Vec<Count>,
    unanswered: Option<Unanswered<E, R>>,
    /// Since when there is something to commit that waits for more.
    gathering_since: Option<Millis>,

    events: u64,
    bytes: u64,
    read: u64,
    mended: u64,
}

impl<E: Clone, R: Clone> Owned<E, R> {
    /// Starts nothing more, so that it can be given back once it is quiet.
    pub(crate) fn leave(&mut self) {
        self.leaving = true;
        self.still();
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving
    }

    fn is_stopping(&self, core: &Core<E, R>) -> bool {
        core.draining || self.leaving
    }

    pub(crate) fn events(&self) -> u64 {
        self.events
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Stored events that were read back and are in memory.
    pub(crate) fn read(&self) -> u64 {
        self.read
    }

    pub(crate) fn running(&self) -> usize {
        self.running.len()
    }

    /// Slots in use: running invocations and lanes that are being read for one.
    pub(crate) fn slots(&self) -> usize {
        self.running.len() + self.loading
    }

    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Nothing that is in memory could tell soon whether things are well again.
    pub(crate) fn has_no_probe(&self) -> bool {
        self.running.is_empty() && self.loading == 0 && self.waits_in_memory.is_empty() && self.asked.is_empty()
    }

    pub(crate) fn committed(&self) -> &Progress {
        &self.committed
    }

    /// Does every lane with something to do stand among these keys? `None` if there is no such lane.
    pub(crate) fn all_among(&self, keys: &BTreeSet<Key>) -> Option<bool> {
        let mut active = self.lanes.iter().filter(|(_, lane)| lane.is_active());
        let first = active.next()?;
        let among = |key: &Arc<str>| keys.contains(&(self.shard, key.clone()));
        Some(among(first.0) && active.all(|(key, _)| among(key)))
    }

    /// Nothing runs and nothing is to be committed.
    pub(crate) fn is_quiet(&self) -> bool {
        self.running.is_empty() && self.unanswered.is_none() && self.pending.is_empty() && self.counted.is_empty()
    }

    /// Does this event run, or is a row of it not answered yet?
    pub(crate) fn is_underway(&self, seq: Seq) -> bool {
        self.running.values().any(|run| run.seq == seq)
            || self.pending.iter().any(|row| row.seq == seq)
            || self.unanswered.iter().any(|commit| commit.rows.iter().any(|row| row.seq == seq))
    }

    fn remember(&mut self, bytes: u64) {
        self.events += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }

    fn forget(&mut self, bytes: u64) {
        self.events = self.events.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}
