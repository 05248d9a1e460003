//! What the store says of a commit.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::commit::{Fate, Pending, Unanswered};
use super::{Core, Owned};
use crate::lane::{Failed, Item, Saved, Step};
use crate::retry::{self, Attempt, Conflicts, Verdict};
use crate::{Change, CommitReply, Conflict, ConflictKind, Crash, Millis, Origin, Outcome, Seq};

/// A commit that failed is sent again after this long, then twice as long, …
const FIRST_WAIT_MS: Millis = 100;
/// … up to this.
const LONGEST_WAIT_MS: Millis = 5_000;

impl<E: Clone, R: Clone> Owned<E, R> {
    pub(crate) fn committed_reply(&mut self, core: &mut Core<E, R>, number: u64, reply: &CommitReply) {
        if !self.awaits(number) {
            return;
        }
        match reply {
            CommitReply::Done => self.accepted(core),
            CommitReply::Refused(conflicts) => self.refused(core, conflicts),
            CommitReply::Unavailable => self.unavailable(core),
            // The handler forgets the shard before it comes here.
            CommitReply::Lost => {}
        }
    }

    /// Is this the commit whose answer is awaited?
    pub(crate) fn awaits(&self, number: u64) -> bool {
        self.unanswered.as_ref().is_some_and(|commit| commit.number == number && commit.again_at.is_none())
    }

    fn unavailable(&mut self, core: &Core<E, R>) {
        if let Some(commit) = &mut self.unanswered {
            commit.failing_since.get_or_insert(core.now);
            commit.wait = commit.wait.saturating_mul(2).clamp(FIRST_WAIT_MS, LONGEST_WAIT_MS);
            commit.again_at = Some(core.now.saturating_add(commit.wait));
        }
    }

    fn accepted(&mut self, core: &mut Core<E, R>) {
        let Some(commit) = self.unanswered.take() else { return };
        let Unanswered { rows, progress, saved, .. } = commit;
        let above = progress.floor.saturating_add(1);
        self.ids = self.ids.split_off(&above);
        self.committed = progress;
        let mut touched: BTreeSet<Arc<str>> = BTreeSet::new();
        for row in rows {
            touched.insert(row.key.clone());
            self.written(row);
        }
        for (key, saved) in saved {
            if let Some(lane) = self.lanes.get_mut(&key) {
                lane.saved = saved;
            }
            self.hold_anew(&key);
        }
        for key in touched {
            self.tend(core, &key);
        }
    }

    /// A row is durable: what it says of its event leaves memory.
    fn written(&mut self, row: Pending<E, R>) {
        if row.origin == Origin::Stream && !row.is_failure() {
            self.live.remove(&row.identity);
        }
        let Some(lane) = self.lanes.get_mut(&row.key) else {
            if !row.in_lane {
                self.forget(row.bytes);
            }
            return;
        };
        lane.stored = lane.stored.saturating_add_signed(row.stores());
        if row.is_failure() {
            self.recorded(&row.key, row.seq);
            return;
        }
        if let Change::Dead { attempts, .. } = &row.change {
            for redrive in self.pending.iter_mut().filter(|later| later.origin == Origin::Dead && later.seq == row.seq)
            {
                if let Change::Parked { attempts: later, .. } = &mut redrive.change {
                    later.made = later.made.max(attempts.made);
                }
            }
        }
        if let (Origin::Dead, Change::Parked { attempts, .. }) = (row.origin, &row.change) {
            let attempts = *attempts;
            self.redriven(row, attempts);
            return;
        }
        if !row.in_lane {
            lane.redriving.remove(&row.seq);
            self.forget(row.bytes);
            return;
        }
        if row.stores() < 0 {
            lane.redriven.remove(&row.seq);
            if let Some(load) = &mut lane.load {
                load.gone.insert(row.seq);
            }
        }
        if lane.remove(row.seq).is_some() {
            self.forget(row.bytes);
            if row.origin == Origin::Parked {
                self.read = self.read.saturating_sub(1);
            }
        }
    }

    /// The failed attempt that was sent needs no more care; a later one may wait to be sent.
    fn recorded(&mut self, key: &Arc<str>, seq: Seq) {
        if let Some(item) = self.lanes.get_mut(key).and_then(|lane| lane.find(seq))
            && item.failed == Failed::Sent
        {
            item.failed = Failed::Recorded;
        }
    }

    /// The store has nothing of the last attempt: a stored event waits here alone.
    fn unrecorded(&mut self, row: &Pending<E, R>) {
        if row.origin == Origin::Parked
            && let Some(item) = self.lanes.get_mut(&row.key).and_then(|lane| lane.find(row.seq))
            && item.failed == Failed::Sent
        {
            item.rests_until = std::mem::replace(&mut item.attempts.next_at, row.before.next_at);
        }
    }

    fn refused(&mut self, core: &mut Core<E, R>, conflicts: &[Conflict]) {
        let was_written = self.was_written(conflicts);
        let mut heeded = false;
        let mut touched: BTreeSet<Arc<str>> = BTreeSet::new();
        for conflict in conflicts {
            let Some(commit) = &mut self.unanswered else { return };
            let Some(at) = commit.rows.iter().position(|row| row.seq == conflict.seq && row.fate == Fate::Open) else {
                continue;
            };
            let Some(row) = commit.rows.get_mut(at) else { continue };
            touched.insert(row.key.clone());
            heeded |= match conflict.kind {
                ConflictKind::Duplicate { .. } if row.origin == Origin::Stream => {
                    row.fate = Fate::Duplicate;
                    self.became_duplicate(at);
                    true
                }
                ConflictKind::Duplicate { .. } | ConflictKind::AlreadyOurs => {
                    if row.origin == Origin::Dead && !was_written {
                        // Not an earlier commit of ours: somebody has redriven it before.
                        self.take_back_redrive(at);
                    } else {
                        row.fate = Fate::Written;
                    }
                    true
                }
                ConflictKind::Unstorable => self.unstorable(core, at),
                ConflictKind::Changed => self.in_vain(core, at),
            };
        }
        if heeded {
            self.send(core);
        } else {
            // Nothing of it can be helped here: perhaps later.
            self.unavailable(core);
        }
        for key in touched {
            self.tend(core, &key);
        }
    }

    /// Was the unanswered commit written when it was sent before, its answer lost? Then every row of it that can be
    /// written only once is refused; the store names all of them at once.
    fn was_written(&self, conflicts: &[Conflict]) -> bool {
        let Some(commit) = self.unanswered.as_ref().filter(|commit| commit.failing_since.is_some()) else {
            return false;
        };
        let once = commit.rows.iter().filter(|row| row.fate == Fate::Open && row.is_written_once());
        let refused =
            |seq| conflicts.iter().any(|conflict| conflict.seq == seq && conflict.kind == ConflictKind::AlreadyOurs);
        once.map(|row| row.seq).all(refused)
    }

    /// The item of a row that turned out to be a duplicate does nothing any more.
    fn became_duplicate(&mut self, at: usize) {
        let Some((key, seq)) = self.sent_row(at).map(|row| (row.key.clone(), row.seq)) else { return };
        self.pending.retain(|row| !(row.key == key && row.seq == seq && row.in_lane));
        self.hold_anew(&key);
        if let Some(run) = self.running.values_mut().find(|run| run.key == key && run.seq == seq) {
            run.discard = true;
        }
        if let Some(item) = self.lanes.get_mut(&key).and_then(|lane| lane.find(seq)) {
            item.step = Step::Settling;
        }
    }

    fn take_back_redrive(&mut self, at: usize) {
        let Some(commit) = &mut self.unanswered else { return };
        let row = commit.rows.remove(at);
        self.forget(row.bytes);
        if let Some(lane) = self.lanes.get_mut(&row.key) {
            lane.redriving.remove(&row.seq);
        }
    }

    /// The store cannot take a row, whoever asks. Answers whether the commit changed.
    fn unstorable(&mut self, core: &mut Core<E, R>, at: usize) -> bool {
        let Some(commit) = &mut self.unanswered else { return false };
        let Some(row) = commit.rows.get_mut(at) else { return false };
        match &mut row.change {
            Change::Parked { report, .. } | Change::Dead { report, .. } => report.take().is_some(),
            Change::Settled { report: None, .. } => false,
            Change::Failed { .. } => {
                // What is known of the attempt goes on counting in memory.
                let row = commit.rows.remove(at);
                self.unrecorded(&row);
                self.recorded(&row.key, row.seq);
                true
            }
            Change::Settled { report: Some(report), .. } => {
                let report = report.clone();
                self.take_back_later(at);
                self.broke(core, at, report);
                true
            }
        }
    }

    /// An invocation that left what cannot be stored counts as one that broke a limit.
    fn broke(&mut self, core: &mut Core<E, R>, at: usize, report: R) {
        let draw = core.chance.draw();
        let hold = core.rules.holds();
        let Some(row) = self.unanswered.as_mut().and_then(|commit| commit.rows.get_mut(at)) else { return };
        let conflicts = Conflicts::default();
        let attempt =
            Attempt { before: row.before, started: core.now, ended: core.now, is_final: false, stopped: 0, conflicts };
        let verdict = retry::judge(Outcome::Crash(Crash::HostLimit), &attempt, &core.rules.retry, draw);
        let Some(lane) = self.lanes.get_mut(&row.key) else { return };
        let item = lane.find(row.seq);
        match verdict {
            Verdict::Dead(attempts, cause) => {
                row.change = Change::Dead { attempts, cause, report: Some(report) };
                row.holds = hold;
                set(item, |item| item.attempts = attempts);
                lane.held |= hold;
            }
            Verdict::Again(attempts) => {
                row.change = Change::Failed { attempts, report };
                set(item, |item| {
                    item.attempts = attempts;
                    item.step = Step::Waiting;
                    item.failed = Failed::Sent;
                });
            }
            Verdict::Settled(_) | Verdict::HostAgain(_) | Verdict::InVain(..) => {}
        }
    }

    /// Keys that an invocation had read are others by now: it runs again, and so does what came after it in its lane.
    /// Answers whether the commit changed.
    fn in_vain(&mut self, core: &mut Core<E, R>, at: usize) -> bool {
        let Some(row) = self.sent_row(at) else { return false };
        let Change::Settled { report: Some(report), .. } = &row.change else { return false };
        let (key, seq, before, report) = (row.key.clone(), row.seq, row.before, report.clone());
        let draw = core.chance.draw();
        let hold = core.rules.holds();
        self.take_back_later(at);
        let Some(lane) = self.lanes.get_mut(&key) else { return false };
        let Some(item) = lane.find(seq) else { return false };
        let since = item.conflicts.since(core.now);
        let stopped = core.gate.stopped_between(since, core.now);
        let (conflicts, now) = (item.conflicts, core.now);
        let attempt = Attempt { before, started: now, ended: now, is_final: false, stopped, conflicts };
        let Some(commit) = &mut self.unanswered else { return false };
        match retry::judge(Outcome::Conflict, &attempt, &core.rules.retry, draw) {
            Verdict::Dead(attempts, cause) => {
                item.attempts = attempts;
                lane.held |= hold;
                if let Some(row) = commit.rows.get_mut(at) {
                    row.change = Change::Dead { attempts, cause, report: Some(report) };
                    row.holds = hold;
                }
            }
            Verdict::InVain(conflicts, next_at) => {
                (item.attempts, item.rests_until) = (before, next_at);
                item.conflicts = conflicts;
                item.step = Step::Waiting;
                lane.order();
                commit.rows.remove(at);
                self.hold_anew(&key);
            }
            Verdict::Settled(_) | Verdict::Again(_) | Verdict::HostAgain(_) => {}
        }
        true
    }

    /// Takes back what was decided of a lane after the row at `at` of the unanswered commit: it runs again, in order.
    fn take_back_later(&mut self, at: usize) {
        let Some(commit) = &mut self.unanswered else { return };
        let Some((key, seq)) = commit.rows.get(at).map(|row| (row.key.clone(), row.seq)) else { return };
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        let later = |row: &Pending<E, R>| row.key == key && row.in_lane && row.fate == Fate::Open;
        let mut taken: Vec<Pending<E, R>> = Vec::new();
        let mut index = 0;
        commit.rows.retain(|row| {
            index += 1;
            let take = index > at + 1 && later(row);
            if take {
                taken.push(row.clone());
            }
            !take
        });
        taken.extend(self.pending.extract_if(.., |row| later(row)));
        if !taken.is_empty() {
            // The stored events behind them may have been dropped to wait for an attempt that is taken back.
            (lane.due, lane.rests_until) = (0, 0);
        }
        // The earliest row of an event has the attempts to go back to.
        for row in taken.into_iter().rev() {
            if let Some(item) = lane.find(row.seq) {
                item.attempts = row.before;
                item.failed = Failed::Recorded;
                if item.step != Step::Running {
                    item.step = Step::Waiting;
                }
            }
        }
        lane.order();
        for run in self.running.values_mut().filter(|run| run.key == key && run.seq != seq) {
            run.discard = true;
        }
        self.hold_anew(&key);
    }

    /// Whether a lane is held follows from what is committed and from the rows that remain.
    fn hold_anew(&mut self, key: &Arc<str>) {
        let Some(lane) = self.lanes.get_mut(key) else { return };
        let sent = self.unanswered.iter().flat_map(|commit| &commit.rows);
        let rows = sent.chain(&self.pending).filter(|row| row.key == *key);
        // A redrive lifts the hold only once it is committed.
        lane.held = rows.fold(lane.saved == Saved::Held, |held, row| held || row.hold() == Some(true));
    }

    fn sent_row(&self, at: usize) -> Option<&Pending<E, R>> {
        self.unanswered.as_ref().and_then(|commit| commit.rows.get(at))
    }
}

fn set<E>(item: Option<&mut Item<E>>, change: impl FnOnce(&mut Item<E>)) {
    if let Some(item) = item {
        change(item);
    }
}
