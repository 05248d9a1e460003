//! What is to be committed, and the commit that is on its way: at most one of a shard.

use std::sync::Arc;

use super::{Core, Owned};
use crate::lane::{Failed, Item, Saved};
use crate::{AttemptState, Change, Command, Commit, Identity, Millis, Origin, Progress, Row, Seq};

/// A commit that has so many rows waits for no more.
const GATHER_ROWS: usize = 128;

/// What runs and began no longer ago than this is taken to be about to end.
const FRESH_MS: Millis = 2;

/// What the store has said of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nothing: it is to be written.
    Open,
    /// It has it already: only counted.
    Written,
    /// It has the identity under another sequence: only counted, as a duplicate.
    Duplicate,
}

/// A row that no answered commit has.
#[derive(Clone, Debug)]
pub(crate) struct Pending<E, R> {
    pub(super) seq: Seq,
    pub(super) identity: Identity,
    pub(super) key: Arc<str>,
    pub(super) origin: Origin,
    pub(super) change: Change<R>,
    pub(super) event: E,
    /// The attempts before it, for when it is taken back.
    pub(super) before: AttemptState,
    pub(super) bytes: u64,
    /// An item of a lane stands for it in memory; otherwise it does so itself.
    pub(super) in_lane: bool,
    pub(super) fate: Fate,
    /// Its lane waits for an operator from here on.
    pub(super) holds: bool,
}

impl<E: Clone, R> Pending<E, R> {
    /// A row of an event in a lane.
    pub(super) fn of(item: &Item<E>, key: &Arc<str>, origin: Origin, change: Change<R>) -> Self {
        Self {
            seq: item.seq,
            identity: item.identity.clone(),
            key: key.clone(),
            origin,
            change,
            event: item.event.clone(),
            before: item.attempts,
            bytes: item.bytes,
            in_lane: true,
            fate: Fate::Open,
            holds: false,
        }
    }
}

impl<E, R> Pending<E, R> {
    /// What it does to the number of stored events of its lane.
    pub(super) fn stores(&self) -> i64 {
        if self.fate == Fate::Duplicate {
            return 0;
        }
        match (self.origin, &self.change) {
            (Origin::Stream | Origin::Dead, Change::Parked { .. }) => 1,
            (Origin::Parked, Change::Settled { .. } | Change::Dead { .. }) => -1,
            _ => 0,
        }
    }

    /// What it does to the hold of its lane, if anything.
    pub(super) fn hold(&self) -> Option<bool> {
        match (self.origin, &self.change) {
            _ if self.fate == Fate::Duplicate => None,
            (Origin::Dead, _) => Some(false),
            (_, Change::Dead { .. }) if self.holds => Some(true),
            _ => None,
        }
    }

    /// The ledger would refuse it if it came twice. (A redrive is left out: it is refused too if another one came first.)
    pub(super) fn is_written_once(&self) -> bool {
        match self.origin {
            Origin::Stream => !self.is_failure(),
            Origin::Parked => self.stores() < 0,
            Origin::Dead => false,
        }
    }

    /// Another attempt follows: the event stays where it is.
    pub(super) fn is_failure(&self) -> bool {
        matches!(self.change, Change::Failed { .. }) && self.fate != Fate::Duplicate
    }
}

/// Sequences that are settled without a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Count {
    pub(super) low: Seq,
    pub(super) high: Seq,
    pub(super) kind: Counted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    Filtered,
    Duplicate,
}

/// The commit that is on its way.
#[derive(Clone, Debug)]
pub(crate) struct Unanswered<E, R> {
    pub(super) number: u64,
    pub(super) rows: Vec<Pending<E, R>>,
    pub(super) counted: Vec<Count>,
    /// The progress that it brings.
    pub(super) progress: Progress,
    /// What the store has of each lane of it afterwards.
    pub(super) saved: Vec<(Arc<str>, Saved)>,
    /// It failed and is sent again at this time.
    pub(super) again_at: Option<Millis>,
    /// How long the next failure makes it wait.
    pub(super) wait: Millis,
    /// When it failed first.
    pub(super) failing_since: Option<Millis>,
}

impl<E: Clone, R: Clone> Owned<E, R> {
    /// Sends what is to be committed, or sends again what failed, if it is time. Answers whether it did.
    pub(crate) fn flush(&mut self, core: &mut Core<E, R>) -> bool {
        if let Some(commit) = &mut self.unanswered {
            if commit.again_at.is_some_and(|at| at <= core.now) {
                commit.again_at = None;
                self.send(core);
                return true;
            }
            return false;
        }
        if self.pending.is_empty() && self.counted.is_empty() {
            return false;
        }
        if self.gathers(core) {
            return false;
        }
        self.gathering_since = None;
        let rows = std::mem::take(&mut self.pending);
        let mut handed = Vec::new();
        for row in rows.iter().filter(|row| row.is_failure()) {
            if let Some(item) = self.lanes.get_mut(&row.key).and_then(|lane| lane.find(row.seq)) {
                item.failed = Failed::Sent;
                handed.push(row.key.clone());
            }
        }
        self.unanswered = Some(Unanswered {
            number: 0,
            rows,
            counted: std::mem::take(&mut self.counted),
            progress: Progress::default(),
            saved: Vec::new(),
            again_at: None,
            wait: 0,
            failing_since: None,
        });
        self.send(core);
        for key in handed {
            self.tend(core, &key);
        }
        true
    }

    /// Does what is to be committed wait for more? Only where more is about to come, so that nothing waits for nothing: a
    /// backlog is then written in few large commits, and a single event at once.
    fn gathers(&mut self, core: &Core<E, R>) -> bool {
        let since = *self.gathering_since.get_or_insert(core.now);
        let Some(fresh_until) = self.fresh_until() else { return false };
        !self.is_stopping(core)
            && (core.now < fresh_until || !self.ready.is_empty())
            && self.pending.len() < GATHER_ROWS
            && core.now.saturating_sub(since) < core.rules.gather_ms
    }

    /// When what is to be committed has waited long enough.
    pub(super) fn gathered_at(&self, gather_ms: Millis) -> Option<Millis> {
        let since = self.gathering_since.filter(|_| self.unanswered.is_none())?;
        let at = since.saturating_add(gather_ms);
        let fresh_until = self.fresh_until().filter(|_| self.ready.is_empty());
        Some(fresh_until.map_or(at, |fresh_until| at.min(fresh_until)))
    }

    /// Until when what began last of all that runs is taken to be about to end; nothing if nothing runs.
    fn fresh_until(&self) -> Option<Millis> {
        self.running.last_key_value().map(|(_, run)| run.started.saturating_add(FRESH_MS))
    }

    /// Sends the unanswered commit under a new number, with the progress of what it has now.
    pub(super) fn send(&mut self, core: &mut Core<E, R>) {
        let Some(mut commit) = self.unanswered.take() else { return };
        if commit.rows.is_empty() && commit.counted.is_empty() {
            return;
        }
        commit.number = core.number();
        commit.progress = self.progress_with(&commit.rows, &commit.counted);
        let (lanes, saved) = self.lanes_with(&commit.rows);
        commit.saved = saved;
        let rows = commit.rows.iter().filter(|row| row.fate == Fate::Open).map(|row| Row {
            seq: row.seq,
            identity: row.identity.clone(),
            key: row.key.clone(),
            origin: row.origin,
            change: row.change.clone(),
            event: row.event.clone(),
        });
        core.out.push(Command::Commit(Commit {
            commit: commit.number,
            shard: self.shard,
            epoch: self.epoch,
            progress: commit.progress.clone(),
            rows: rows.collect(),
            lanes,
        }));
        self.unanswered = Some(commit);
    }
}
