//! Commits: everything that one shard settles, with what follows from it, or nothing.

use std::collections::HashMap;

use event::Prefix;
use lanes::{Change, CommitReply};
use tracing::{debug, error};

use super::{
    attempts,
    conflicts::{self, Conflicts},
    dead, keyvalue, lane, ledger, outbox, parked, progress,
    sheet::JsonSheet,
    suspects,
    writer::{Desk, Verdict, Work},
};
use crate::{
    Commit, Row,
    error::{Chain, Failure, is_of_database},
    keyvalue::Net,
    progress::seqs,
    scope::{Owner, Scope},
    sheet::Sheet as _,
    sorting::{Sheets, Sorting, ended, report_of},
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

    const OPENS: bool = true;

    async fn carry_out(&mut self, desk: &mut Desk) -> Result<Verdict<CommitReply>, Failure> {
        let Some(scope) = desk.scope(&self.owner).await? else { return Ok(Verdict::Undo(CommitReply::Lost)) };
        if self.commit.epoch != self.owner.epoch || self.commit.shard != self.owner.shard {
            return Ok(Verdict::Undo(CommitReply::Lost));
        }
        let rows: Vec<&Row> = self.commit.rows.iter().collect();
        let written = match self.write(desk, &scope, &rows).await {
            Ok(true) => return Ok(Verdict::Keep(CommitReply::Done)),
            Ok(false) => return Ok(Verdict::Undo(CommitReply::Lost)),
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
                    Unwritten::Changed => &"keys that were read for it are others by now",
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

    fn commit(&self) -> Option<(&Commits, CommitReply)> {
        Some((self, CommitReply::Done))
    }
}

impl Commits {
    /// Writes it if the keys that were read for it still stand; false where the shard is not its owner's any more.
    async fn write(&self, desk: &mut Desk, scope: &Scope, rows: &[&Row]) -> Result<bool, Unwritten> {
        let ended = seqs(ended(&self.commit.rows));
        let Some(net) = Net::of(rows.iter().copied()) else {
            return self.fenced(desk, scope, &ended, Unwritten::Changed).await;
        };
        let mut sheets = sort(desk, scope, &self.prefix, rows, &net).await?;
        let entries = ledger::entries(std::mem::take(&mut sheets.ledger), desk, scope).await;
        let advanced = match entries {
            Ok(entries) => progress::advance(desk, scope, &self.commit, &ended, entries).await,
            Err(error) => Err(error),
        };
        match advanced {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(error) => return self.fenced(desk, scope, &ended, error.into()).await,
        }
        write_sheets(sheets, desk, scope).await?;
        if desk.has_suspects(&(scope.handler_id, scope.run.clone(), scope.shard)) {
            suspects::clear(ended, &mut desk.conn, scope).await?;
        }
        lane::change(&self.commit.lanes, &mut desk.conn, scope).await?;
        Ok(true)
    }

    /// It cannot be written; but where the shard is not its owner's any more, that is all there is to say of it.
    async fn fenced(
        &self,
        desk: &mut Desk,
        scope: &Scope,
        ended: &str,
        unwritten: Unwritten,
    ) -> Result<bool, Unwritten> {
        match unwritten {
            Unwritten::Database(error) if is_of_database(&error) => Err(error.into()),
            unwritten if progress::advance(desk, scope, &self.commit, ended, None).await? => Err(unwritten),
            _ => Ok(false),
        }
    }
}

/// Why rows were not written.
#[derive(Debug)]
pub(crate) enum Unwritten {
    /// The database said no.
    Database(sqlx::Error),
    /// A row that should be parked, or dead, is not: the same commit was written before.
    Gone,
    /// Keys that were read are others by now.
    Changed,
}

impl From<sqlx::Error> for Unwritten {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

/// Writes rows, whatever was read for them.
pub(crate) async fn write(desk: &mut Desk, scope: &Scope, prefix: &Prefix, rows: &[&Row]) -> Result<(), Unwritten> {
    let net = Net::unchecked(rows.iter().copied());
    let mut sheets = sort(desk, scope, prefix, rows, &net).await?;
    ledger::insert(std::mem::take(&mut sheets.ledger), &mut desk.conn, scope).await?;
    write_sheets(sheets, desk, scope).await
}

/// Sorts rows, and what follows from them, by the statements that write them: their number does not grow with that of
/// the rows.
async fn sort(
    desk: &mut Desk,
    scope: &Scope,
    prefix: &Prefix,
    rows: &[&Row],
    net: &Net<'_>,
) -> Result<Sheets<JsonSheet>, sqlx::Error> {
    for row in rows {
        if let Some(report) = report_of(row) {
            desk.plugin(&report.digest).await?;
        }
    }
    let dying: Vec<(u64, &Row)> =
        (0..).zip(rows.iter().copied()).filter(|(_, row)| matches!(row.change, Change::Dead { .. })).collect();
    let deaths = if dying.is_empty() {
        HashMap::new()
    } else {
        desk.open().await?;
        dead::deaths(&dying, &mut desk.conn, scope).await?
    };
    let mut sheets = sheets();
    for (place, row) in (0_u64..).zip(rows.iter().copied()) {
        let plugin = report_of(row).and_then(|report| desk.names.known_plugin(&report.digest));
        let n = deaths.get(&place).map_or(1, |n| n.saturating_add(1));
        sheets.add(&Sorting { scope, prefix, row, plugin, n });
    }
    net.add_to(&mut sheets, scope.shard);
    desk.posted |= !sheets.outbox.is_empty();
    Ok(sheets)
}

fn sheets() -> Sheets<JsonSheet> {
    Sheets {
        ledger: JsonSheet::default(),
        ledger_changed: JsonSheet::default(),
        parked: JsonSheet::default(),
        parked_changed: JsonSheet::default(),
        parked_gone: JsonSheet::default(),
        retrying: JsonSheet::default(),
        retrying_gone: JsonSheet::default(),
        attempts: JsonSheet::default(),
        dead: JsonSheet::default(),
        redriven: JsonSheet::default(),
        outbox: JsonSheet::default(),
        touched: JsonSheet::default(),
        seen: JsonSheet::default(),
        listed: JsonSheet::default(),
        put: JsonSheet::default(),
        removed: JsonSheet::default(),
    }
}

/// Writes all but what is new in the ledger.
async fn write_sheets(sheets: Sheets<JsonSheet>, desk: &mut Desk, scope: &Scope) -> Result<(), Unwritten> {
    let conn = &mut desk.conn;
    let mut there = ledger::change(sheets.ledger_changed, conn, scope).await?;
    there &= parked::change(sheets.parked_changed, conn, scope).await?;
    there &= parked::remove(sheets.parked_gone, conn, scope).await?;
    if !there {
        return Err(Unwritten::Gone);
    }
    parked::insert(sheets.parked, conn, scope).await?;
    attempts::put_retrying(sheets.retrying, conn, scope).await?;
    attempts::remove_retrying_rows(sheets.retrying_gone, conn, scope).await?;
    attempts::insert(sheets.attempts, conn, scope).await?;
    dead::redrive(sheets.redriven, conn, scope).await?;
    dead::insert(sheets.dead, conn, scope).await?;
    outbox::insert(sheets.outbox, conn, scope).await?;
    if !keyvalue::stands((sheets.seen, sheets.listed), conn, scope).await? {
        return Err(Unwritten::Changed);
    }
    keyvalue::change((sheets.put, sheets.removed), conn, scope).await?;
    Ok(())
}
