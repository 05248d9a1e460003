//! Why a commit was refused: which of its rows cannot be written, and what is wrong with each.

use event::Prefix;
use lanes::{Conflict, ConflictKind};
use tracing::warn;

use super::{
    commit::{Unwritten, write},
    keyvalue, ledger,
    writer::{Desk, execute},
};
use crate::{
    Row,
    conflicts::{against_ledger, numbered},
    error::{Chain, Failure, is_of_database},
    scope::Scope,
};

/// What was found.
#[derive(Debug)]
pub(crate) enum Conflicts {
    /// Rows that must not come again as they are.
    Of(Vec<Conflict>),
    /// Each row alone could be written.
    None,
}

/// Takes the commit back and finds the rows that it failed for.
pub(crate) async fn find(desk: &mut Desk, scope: &Scope, prefix: &Prefix, rows: &[&Row]) -> Result<Conflicts, Failure> {
    // What was written of the commit must not be taken for what stood in its way.
    execute(&mut desk.conn, "rollback to work").await?;
    desk.names.forget();
    let standing = ledger::standing(&mut desk.conn, scope.handler_id, &scope.run, numbered(rows)).await?;
    let mut conflicts = against_ledger(rows, standing);
    if conflicts.is_empty() {
        conflicts = keyvalue::conflicts(rows, &mut desk.conn, scope).await?;
    }
    if conflicts.is_empty() {
        conflicts = one_by_one(desk, scope, prefix, rows).await?;
    }
    Ok(if conflicts.is_empty() { Conflicts::None } else { Conflicts::Of(conflicts) })
}

/// Nothing stands in the way, so a row is wrong in itself: each one is tried alone.
async fn one_by_one(desk: &mut Desk, scope: &Scope, prefix: &Prefix, rows: &[&Row]) -> Result<Vec<Conflict>, Failure> {
    let mut conflicts = Vec::new();
    for row in rows {
        execute(&mut desk.conn, "savepoint probe").await?;
        let posted = desk.posted;
        let written = write(desk, scope, prefix, &[row]).await;
        desk.posted = posted;
        match written {
            Ok(()) => {}
            Err(Unwritten::Database(error)) if is_of_database(&error) => return Err(error.into()),
            Err(unwritten) => {
                let why: &dyn std::fmt::Display = match &unwritten {
                    Unwritten::Database(error) => &Chain(error),
                    Unwritten::Gone => &"it is not parked, though its entry in the ledger says so",
                    Unwritten::Changed => &"keys that were read for it are others by now",
                };
                warn!(
                    handler = %scope.handler, shard = scope.shard, seq = row.seq, event = %row.identity.id, %why,
                    "the store cannot take what became of an event"
                );
                conflicts.push(Conflict { seq: row.seq, kind: ConflictKind::Unstorable });
            }
        }
        execute(&mut desk.conn, "rollback to probe").await?;
        execute(&mut desk.conn, "release probe").await?;
        desk.names.forget();
    }
    Ok(conflicts)
}
