//! A store that is exact: what it accepted is kept, what it refused is not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lanes::{
    AttemptState, BYGONE, Books, Cause, Change, Claimed, Commit, CommitReply, Conflict, ConflictKind, Identity, Known,
    LaneChange, Millis, Origin, Progress, Row, Seq, Settled, StoredEvent, StoredLane, Suspect,
};

use super::plan::Sabotage;
use super::truth::{Event, Poison, Report};

pub(crate) type SimCommit = Commit<Event, Report>;
pub(crate) type SimRow = Row<Event, Report>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Done,
    Skipped,
    Filtered,
    Parked,
    Dead(Cause),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct LedgerRow {
    pub(crate) seq: Seq,
    pub(crate) state: State,
}

#[derive(Clone, Debug)]
pub(crate) struct DeadRow {
    pub(crate) key: Arc<str>,
    pub(crate) identity: Identity,
    pub(crate) made: u32,
    pub(crate) event: Event,
}

/// What one shard has in the store.
#[derive(Clone, Debug, Default)]
pub(crate) struct ShardStore {
    pub(crate) epoch: u64,
    pub(crate) clean: bool,
    pub(crate) progress: Progress,
    pub(crate) ledger: BTreeMap<Identity, LedgerRow>,
    /// By lane and place in it.
    pub(crate) parked: BTreeMap<(Arc<str>, i64), StoredEvent<Event>>,
    /// Due; `None` where it is held.
    pub(crate) lanes: BTreeMap<Arc<str>, Option<Millis>>,
    pub(crate) attempts: BTreeMap<Seq, AttemptState>,
    pub(crate) history: BTreeMap<(Seq, u32), usize>,
    pub(crate) dead: BTreeMap<Seq, DeadRow>,
    /// Identities that were dead once.
    pub(crate) was_dead: BTreeSet<usize>,
    pub(crate) suspects: BTreeMap<Seq, Suspect>,
    pub(crate) mark: BTreeSet<Seq>,
    pub(crate) lone: Option<Seq>,
    /// By identity: the invocations whose effects were taken.
    pub(crate) effects: BTreeMap<usize, Vec<usize>>,
    /// By identity: the invocation that settled it.
    pub(crate) settled_by: BTreeMap<usize, usize>,
    /// What streams that are gone have left in the books: filtered, duplicates, and all of it.
    pub(crate) carried: (u64, u64, u64),
}

impl ShardStore {
    pub(crate) fn new(base: Seq) -> Self {
        let books = Books { base, ..Books::default() };
        Self { clean: true, progress: Progress { floor: base, books, ..Progress::default() }, ..Self::default() }
    }

    pub(crate) fn state_of(&self, identity: &Identity) -> Option<State> {
        self.ledger.get(identity).map(|row| row.state)
    }

    fn seq_is_open(&self, seq: Seq) -> bool {
        !self.progress.covers(seq) && seq < BYGONE || self.parked.values().any(|event| event.seq == seq)
    }

    /// The lease changes hands. Whoever had it and did not give it back is taken for dead.
    pub(crate) fn take_over(&mut self) {
        self.epoch += 1;
        if !self.clean {
            if let Some(seq) = self.lone {
                let suspect = self.suspects.entry(seq).or_insert(Suspect { seq, deaths: 0, lone_deaths: 0 });
                suspect.deaths += 1;
                suspect.lone_deaths += 1;
            } else {
                for seq in self.mark.clone() {
                    if self.seq_is_open(seq) {
                        self.suspects.entry(seq).or_insert(Suspect { seq, deaths: 0, lone_deaths: 0 }).deaths += 1;
                    }
                }
            }
        }
        self.clean = false;
        self.mark.clear();
        self.lone = None;
    }

    pub(crate) fn claim(&mut self, shard: u16, sabotage: Sabotage) -> Claimed {
        self.take_over();
        let lanes = self.lanes.iter().map(|(key, due)| StoredLane {
            key: key.clone(),
            events: u32::try_from(self.parked.range((key.clone(), i64::MIN)..=(key.clone(), i64::MAX)).count())
                .unwrap(),
            due: due.unwrap_or(0),
            held: due.is_none(),
        });
        Claimed {
            shard,
            epoch: self.epoch,
            progress: self.progress.clone(),
            lanes: if sabotage == Sabotage::ForgetsLanes { Vec::new() } else { lanes.collect() },
            attempts: if sabotage == Sabotage::ForgetsAttempts {
                Vec::new()
            } else {
                self.attempts
                    .iter()
                    .filter(|(seq, _)| !self.progress.covers(**seq))
                    .map(|(&seq, &state)| (seq, state))
                    .collect()
            },
            suspects: self.suspects.values().copied().collect(),
        }
    }

    pub(crate) fn look_up(&self, events: &[(Seq, Identity)]) -> Vec<Known> {
        let known = |(asked, identity): &(Seq, Identity)| {
            self.ledger.get(identity).map(|row| Known { asked: *asked, seq: row.seq })
        };
        events.iter().filter_map(known).collect()
    }

    pub(crate) fn load(&self, key: &Arc<str>, from: Seq, limit: u32) -> Vec<StoredEvent<Event>> {
        let rows = self.parked.range((key.clone(), from.cast_signed())..=(key.clone(), i64::MAX));
        rows.take(limit as usize).map(|(_, event)| event.clone()).collect()
    }

    /// What stands against a commit; nothing if it may be applied.
    pub(crate) fn judge(&self, commit: &SimCommit, strict: bool, sabotage: Sabotage) -> CommitReply {
        if commit.epoch != self.epoch && sabotage != Sabotage::NoFence {
            return CommitReply::Lost;
        }
        let conflicts: Vec<Conflict> = commit
            .rows
            .iter()
            .filter_map(|row| self.conflict(row, strict, sabotage).map(|kind| Conflict { seq: row.seq, kind }))
            .collect();
        // What stands in the ledger comes first, all of it at once.
        let in_ledger: Vec<Conflict> =
            conflicts.iter().filter(|conflict| conflict.kind != ConflictKind::Unstorable).cloned().collect();
        if conflicts.is_empty() {
            CommitReply::Done
        } else {
            CommitReply::Refused(if in_ledger.is_empty() { conflicts } else { in_ledger })
        }
    }

    fn conflict(&self, row: &SimRow, strict: bool, sabotage: Sabotage) -> Option<ConflictKind> {
        let known = self.ledger.get(&row.identity);
        match (row.origin, &row.change) {
            (Origin::Stream, Change::Failed { attempts, .. }) => {
                if strict && self.history.contains_key(&(row.seq, attempts.made)) {
                    return Some(ConflictKind::AlreadyOurs);
                }
            }
            (Origin::Stream, _) => {
                if let Some(known) = known
                    && sabotage != Sabotage::NoLedger
                {
                    return Some(if known.seq == row.seq {
                        ConflictKind::AlreadyOurs
                    } else {
                        ConflictKind::Duplicate { of: known.seq }
                    });
                }
            }
            (Origin::Parked, Change::Failed { attempts, .. } | Change::Parked { attempts, report: Some(_), .. }) => {
                if strict && self.history.contains_key(&(row.seq, attempts.made)) {
                    return Some(ConflictKind::AlreadyOurs);
                }
            }
            (Origin::Parked, _) => {
                if known.is_none_or(|known| known.state != State::Parked) {
                    return Some(ConflictKind::AlreadyOurs);
                }
            }
            (Origin::Dead, _) => {
                if !known.is_some_and(|known| matches!(known.state, State::Dead(_))) {
                    return Some(ConflictKind::AlreadyOurs);
                }
            }
        }
        let effects = matches!(row.change, Change::Settled { .. });
        match report_of(row)?.poison {
            Poison::None => None,
            Poison::Effects => effects.then_some(ConflictKind::Unstorable),
            Poison::Any => Some(ConflictKind::Unstorable),
        }
    }

    pub(crate) fn apply_row(&mut self, row: &SimRow) {
        let key = (row.key.clone(), row.seq.cast_signed());
        // An event that is parked without having run is as suspect as before.
        if row.origin == Origin::Dead || !matches!(row.change, Change::Parked { report: None, .. }) {
            self.suspects.remove(&row.seq);
            if self.lone == Some(row.seq) {
                self.lone = None;
            }
        }
        if let Some(report) = report_of(row) {
            let made = match &row.change {
                Change::Settled { attempt, .. } => *attempt,
                Change::Failed { attempts, .. } | Change::Parked { attempts, .. } | Change::Dead { attempts, .. } => {
                    attempts.made
                }
            };
            self.history.insert((row.seq, made), report.exec);
        }
        match &row.change {
            Change::Settled { state, report, .. } => {
                let state = match state {
                    Settled::Done => State::Done,
                    Settled::Skipped => State::Skipped,
                    Settled::Filtered => State::Filtered,
                };
                self.attempts.remove(&row.seq);
                self.parked.remove(&key);
                self.dead.remove(&row.seq);
                self.enter(row, state);
                if let Some(report) = report {
                    self.effects.entry(row.event.of).or_default().push(report.exec);
                    self.settled_by.insert(row.event.of, report.exec);
                }
            }
            Change::Failed { attempts, .. } => match self.parked.get_mut(&key) {
                Some(parked) => parked.attempts = *attempts,
                None => {
                    self.attempts.insert(row.seq, *attempts);
                }
            },
            Change::Parked { attempts, redriven, .. } => {
                self.attempts.remove(&row.seq);
                self.dead.remove(&row.seq);
                self.enter(row, State::Parked);
                self.parked.insert(
                    key,
                    StoredEvent {
                        seq: row.seq,
                        identity: row.identity.clone(),
                        bytes: 10,
                        attempts: *attempts,
                        redriven: *redriven,
                        event: row.event,
                    },
                );
            }
            Change::Dead { attempts, cause, report } => {
                self.attempts.remove(&row.seq);
                self.parked.remove(&key);
                self.was_dead.insert(row.event.of);
                self.enter(row, State::Dead(*cause));
                let (key, identity) = (row.key.clone(), row.identity.clone());
                self.dead.insert(row.seq, DeadRow { key, identity, made: attempts.made, event: row.event });
                if let Some(report) = report {
                    self.settled_by.insert(row.event.of, report.exec);
                }
            }
        }
    }

    fn enter(&mut self, row: &SimRow, state: State) {
        self.ledger.insert(row.identity.clone(), LedgerRow { seq: row.seq, state });
    }

    pub(crate) fn apply_lanes(&mut self, lanes: &[LaneChange]) {
        for change in lanes {
            match change {
                LaneChange::Waiting { key, due } => self.lanes.insert(key.clone(), Some(*due)),
                LaneChange::Held { key } => self.lanes.insert(key.clone(), None),
                LaneChange::Gone { key } => self.lanes.remove(key),
            };
        }
    }
}

pub(crate) fn report_of(row: &SimRow) -> Option<&Report> {
    match &row.change {
        Change::Settled { report, .. } | Change::Parked { report, .. } | Change::Dead { report, .. } => report.as_ref(),
        Change::Failed { report, .. } => Some(report),
    }
}
