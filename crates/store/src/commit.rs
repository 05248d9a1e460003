//! Commits: everything that one shard settles, with what follows from it, or nothing.

use std::collections::HashMap;

use event::Prefix;
use lanes::{AttemptState, Cause, Change, CommitReply, Origin, Seq};
use tracing::{debug, error};

use crate::{
    Commit, Report, Row, attempts,
    conflicts::{self, Conflicts},
    dead,
    error::{Chain, Failure, is_of_database},
    feed::Death,
    lane,
    ledger::{self, State},
    outbox::{self, effect_id},
    parked, progress,
    scope::{Owner, Scope},
    sheet::{Sheet, seqs},
    suspects,
    writer::{Desk, Verdict, Work},
};

/// The work of a commit.
pub(crate) struct Commits {
    pub(crate) owner: Owner,
    pub(crate) commit: Commit,
    pub(crate) prefix: Prefix,
}

impl Work for Commits {
    type Output = CommitReply;
    const OPERATION: &'static str = "commit";

    async fn carry_out(&mut self, desk: &mut Desk) -> Result<Verdict<CommitReply>, Failure> {
        let Some(scope) = desk.scope(&self.owner).await? else { return Ok(Verdict::Undo(CommitReply::Lost)) };
        let ended = ended(&self.commit.rows);
        let ours = self.commit.epoch == self.owner.epoch && self.commit.shard == self.owner.shard;
        if !ours || !progress::advance(&mut desk.conn, &scope, &self.commit, seqs(ended.iter().copied())).await? {
            return Ok(Verdict::Undo(CommitReply::Lost));
        }
        let rows: Vec<&Row> = self.commit.rows.iter().collect();
        let written = match write(desk, &scope, &self.prefix, &rows).await {
            Ok(()) => {
                if desk.has_suspects(&scope) {
                    suspects::clear(seqs(ended), &mut desk.conn, &scope).await?;
                }
                lane::change(&self.commit.lanes, &mut desk.conn, &scope).await?;
                return Ok(Verdict::Keep(CommitReply::Done));
            }
            Err(Unwritten::Database(error)) if is_of_database(&error) => return Err(error.into()),
            Err(unwritten) => unwritten,
        };
        match conflicts::find(desk, &scope, &self.prefix, &rows).await? {
            Conflicts::Of(conflicts) => {
                debug!(handler = %scope.handler, shard = scope.shard, ?conflicts, "a commit was refused");
                Ok(Verdict::Undo(CommitReply::Refused(conflicts)))
            }
            Conflicts::None => {
                let error: &dyn std::fmt::Display = match &written {
                    Unwritten::Database(error) => &Chain(error),
                    Unwritten::Gone => &"a row of it is not where it was",
                };
                error!(
                    handler = %scope.handler, shard = scope.shard, rows = rows.len(), %error,
                    "a commit cannot be written, though each row of it alone could be"
                );
                Ok(Verdict::Undo(CommitReply::Unavailable))
            }
        }
    }

    fn owner(&self) -> Option<&Owner> {
        Some(&self.owner)
    }
}

/// The sequences whose runs ended without a death. An event that is parked without having run is as suspect as before.
fn ended(rows: &[Row]) -> Vec<Seq> {
    rows.iter()
        .filter(|row| !matches!((&row.change, row.origin), (Change::Parked { report: None, .. }, origin) if origin != Origin::Dead))
        .map(|row| row.seq)
        .collect()
}

/// Why rows were not written.
#[derive(Debug)]
pub(crate) enum Unwritten {
    /// The database said no.
    Database(sqlx::Error),
    /// A row that should be parked, or dead, is not: the same commit was written before.
    Gone,
}

impl From<sqlx::Error> for Unwritten {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

/// Writes rows and what follows from them, with a number of statements that does not grow with theirs.
pub(crate) async fn write(desk: &mut Desk, scope: &Scope, prefix: &Prefix, rows: &[&Row]) -> Result<(), Unwritten> {
    for row in rows {
        if let Some(report) = report_of(row) {
            desk.names.plugin(&mut desk.conn, &report.digest).await?;
        }
    }
    let dying: Vec<(u64, &Row)> =
        (0..).zip(rows.iter().copied()).filter(|(_, row)| matches!(row.change, Change::Dead { .. })).collect();
    let deaths = if dying.is_empty() { HashMap::new() } else { dead::deaths(&dying, &mut desk.conn, scope).await? };
    let mut sheets = Sheets::default();
    for (place, row) in (0_u64..).zip(rows.iter().copied()) {
        let plugin = report_of(row).and_then(|report| desk.names.known_plugin(&report.digest));
        let n = deaths.get(&place).map_or(1, |n| n.saturating_add(1));
        sheets.add(&Sorting { scope, prefix, row, plugin, n });
    }
    if sheets.outbox.rows() > 0 {
        desk.posted = true;
    }
    sheets.write(desk, scope).await
}

fn report_of(row: &Row) -> Option<&Report> {
    match &row.change {
        Change::Failed { report, .. } => Some(report),
        Change::Settled { report, .. } | Change::Parked { report, .. } | Change::Dead { report, .. } => {
            report.as_deref()
        }
    }
}

/// The rows of a commit by the table they go to.
#[derive(Debug, Default)]
struct Sheets {
    ledger: Sheet,
    ledger_changed: Sheet,
    parked: Sheet,
    parked_changed: Sheet,
    parked_gone: Sheet,
    retrying: Sheet,
    retrying_gone: Vec<Seq>,
    attempts: Sheet,
    dead: Sheet,
    redriven: Sheet,
    outbox: Sheet,
}

/// One row on its way into the sheets.
struct Sorting<'a> {
    scope: &'a Scope,
    prefix: &'a Prefix,
    row: &'a Row,
    plugin: Option<i64>,
    /// The number of its death, should it die.
    n: u32,
}

impl Sheets {
    fn add(&mut self, sorting: &Sorting<'_>) {
        let Sorting { row, plugin, .. } = *sorting;
        match &row.change {
            Change::Settled { state, attempt, report } => {
                self.settle(sorting, State::from(*state), *attempt, report.as_deref());
                if let Some(report) = report {
                    self.post_effects(sorting, report);
                }
            }
            Change::Failed { attempts, report } => {
                attempts::line(&mut self.attempts, row, attempts.made, report, plugin);
                match row.origin {
                    Origin::Stream => attempts::retrying_line(&mut self.retrying, row, *attempts),
                    Origin::Parked | Origin::Dead => parked::changed_line(&mut self.parked_changed, row, *attempts),
                }
            }
            Change::Parked { attempts, redriven, report } => {
                if let Some(report) = report {
                    attempts::line(&mut self.attempts, row, attempts.made, report, plugin);
                }
                if row.origin == Origin::Parked {
                    parked::changed_line(&mut self.parked_changed, row, *attempts);
                } else {
                    self.settle(sorting, State::Parked, attempts.made, None);
                    parked::line(&mut self.parked, row, *attempts, *redriven);
                }
            }
            Change::Dead { attempts, cause, report } => {
                self.settle(sorting, State::Dead, attempts.made, report.as_deref());
                if let Some(report) = report {
                    attempts::line(&mut self.attempts, row, attempts.made, report, plugin);
                }
                self.bury(sorting, *attempts, *cause, report.as_deref());
            }
        }
    }

    /// Its entry in the ledger, and its leaving where it was.
    fn settle(&mut self, sorting: &Sorting<'_>, state: State, attempt: u32, report: Option<&Report>) {
        let Sorting { row, plugin, .. } = *sorting;
        let entry = ledger::Entry { row, state, attempt, report, plugin };
        match row.origin {
            Origin::Stream => {
                ledger::line(&mut self.ledger, entry, None);
                // The first attempt leaves nothing here; what else could is swept out at the next claim.
                if attempt > 1 || matches!(state, State::Parked | State::Dead) {
                    self.retrying_gone.push(row.seq);
                }
            }
            Origin::Parked => {
                ledger::line(&mut self.ledger_changed, entry, Some(State::Parked));
                parked::gone_line(&mut self.parked_gone, row);
            }
            Origin::Dead => {
                ledger::line(&mut self.ledger_changed, entry, Some(State::Dead));
                dead::redriven_line(&mut self.redriven, row);
            }
        }
    }

    fn post_effects(&mut self, sorting: &Sorting<'_>, report: &Report) {
        let Sorting { scope, row, .. } = *sorting;
        for (index, effect) in report.effects.iter().enumerate() {
            let msg_id = effect_id(scope, &row.identity.project, &row.identity.id, index);
            let message = outbox::Message {
                key: &row.event.key,
                subject: &effect.subject,
                msg_id: &msg_id,
                headers: &effect.headers,
                body: &effect.body,
            };
            outbox::line(&mut self.outbox, message);
        }
    }

    fn bury(&mut self, sorting: &Sorting<'_>, attempts: AttemptState, cause: Cause, report: Option<&Report>) {
        let Sorting { scope, prefix, row, plugin, n } = *sorting;
        let began = report.map_or(scope.now, |report| report.started_at);
        let first_at = if attempts.first_at == 0 { began } else { attempts.first_at };
        dead::line(&mut self.dead, dead::Entry { row, n, attempts, cause, report, plugin }, first_at);
        let death = Death {
            prefix,
            handler: &scope.handler,
            run: &scope.run,
            n,
            event: &row.event,
            cause: dead::cause_word(cause),
            message: dead::message(cause, report),
            attempts: attempts.made,
            digest: report.map_or("", |report| &report.digest),
            first_at,
            died_at: scope.now,
        };
        if let Some(notice) = death.notice() {
            let message = outbox::Message {
                key: &row.event.key,
                subject: &notice.subject,
                msg_id: &notice.msg_id,
                headers: &notice.headers,
                body: &row.event.body,
            };
            outbox::line(&mut self.outbox, message);
        }
    }

    async fn write(self, desk: &mut Desk, scope: &Scope) -> Result<(), Unwritten> {
        let conn = &mut desk.conn;
        ledger::insert(self.ledger, conn, scope).await?;
        let mut there = ledger::change(self.ledger_changed, conn, scope).await?;
        there &= parked::change(self.parked_changed, conn, scope).await?;
        there &= parked::remove(self.parked_gone, conn, scope).await?;
        if !there {
            return Err(Unwritten::Gone);
        }
        parked::insert(self.parked, conn, scope).await?;
        attempts::put_retrying(self.retrying, conn, scope).await?;
        attempts::remove_retrying(&self.retrying_gone, conn, scope).await?;
        attempts::insert(self.attempts, conn, scope).await?;
        dead::redrive(self.redriven, conn, scope).await?;
        dead::insert(self.dead, conn, scope).await?;
        outbox::insert(self.outbox, conn, scope).await?;
        Ok(())
    }
}
