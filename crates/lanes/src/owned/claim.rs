//! A lease that became ours.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use foldhash::HashMap;

use super::{Core, Owned};
use crate::lane::{Lane, Saved};
use crate::{Claimed, Command};

impl<E: Clone, R: Clone> Owned<E, R> {
    /// Restores what the store knows, then asks for deliveries: stored and held lanes are known before anything runs.
    pub(crate) fn claim(core: &mut Core<E, R>, claimed: Claimed) -> Self {
        let mut committed = claimed.progress;
        committed.normalize();
        let floor = committed.floor;
        let seen = committed.ranges.last().map_or(floor, |&(_, high)| high);
        let mut owned = Self {
            shard: claimed.shard,
            epoch: claimed.epoch,
            committed,
            leaving: false,
            incarnation: 0,
            consumer_seq: 0,
            delivered: floor,
            seen,
            astray: 0,
            asked: VecDeque::new(),
            live: HashMap::default(),
            ids: BTreeMap::new(),
            lanes: HashMap::default(),
            ready: VecDeque::new(),
            waits_in_memory: BTreeSet::new(),
            waits_in_store: BTreeSet::new(),
            running: BTreeMap::new(),
            loading: 0,
            attempts: claimed.attempts.into_iter().collect(),
            suspects: claimed.suspects.into_iter().map(|suspect| (suspect.seq, suspect)).collect(),
            pending: Vec::new(),
            counted: Vec::new(),
            unanswered: None,
            gathering_since: None,
            events: 0,
            bytes: 0,
            read: 0,
            mended: 0,
        };
        for stored in claimed.lanes {
            if stored.events == 0 && !stored.held {
                continue;
            }
            let saved = if stored.held { Saved::Held } else { Saved::Waiting(stored.due) };
            let lane =
                Lane { stored: u64::from(stored.events), due: stored.due, held: stored.held, saved, ..Lane::default() };
            owned.lanes.insert(stored.key.clone(), lane);
            owned.tend(core, &stored.key);
        }
        owned.consume(core);
        owned
    }

    /// Asks for a new consumer from where the old one is known to have come.
    pub(super) fn consume(&mut self, core: &mut Core<E, R>) {
        let last = core.incarnations.entry(self.shard).or_default();
        *last = last.saturating_add(1);
        self.incarnation = *last;
        self.consumer_seq = 0;
        self.astray = 0;
        core.out.push(Command::Consume {
            shard: self.shard,
            epoch: self.epoch,
            incarnation: self.incarnation,
            start: self.delivered.saturating_add(1),
        });
    }
}
