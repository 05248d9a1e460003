//! Why a commit was refused: which of its rows cannot be written, and what is wrong with each.

use std::collections::HashMap;

use event::Prefix;
use lanes::{Change, Conflict, ConflictKind, Identity, Origin, Seq};
use tracing::warn;

use crate::{
    Row,
    commit::{Unwritten, write},
    error::{Chain, Failure, is_of_database},
    ledger::{self, Standing, State},
    scope::Scope,
    writer::{Desk, execute},
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
    let mut conflicts = in_ledger(desk, scope, rows).await?;
    if conflicts.is_empty() {
        conflicts = one_by_one(desk, scope, prefix, rows).await?;
    }
    Ok(if conflicts.is_empty() { Conflicts::None } else { Conflicts::Of(conflicts) })
}

async fn in_ledger(desk: &mut Desk, scope: &Scope, rows: &[&Row]) -> Result<Vec<Conflict>, Failure> {
    let numbered = (0_u64..).zip(rows.iter().copied());
    let identities = numbered.clone().map(|(place, row)| (place, &row.identity));
    let standing = ledger::standing(&mut desk.conn, scope.handler_id, &scope.run, identities).await?;
    let standing: HashMap<u64, Standing> = standing.into_iter().map(|found| (found.asked, found)).collect();
    let mut first_of: HashMap<&Identity, Seq> = HashMap::new();
    let mut conflicts = Vec::new();
    for (place, row) in numbered {
        let kind = match standing.get(&place) {
            Some(found) => against(row, *found),
            None if is_new(row) => match first_of.insert(&row.identity, row.seq) {
                // Two copies of an event in one commit: the second one is the duplicate.
                Some(first) if first != row.seq => {
                    first_of.insert(&row.identity, first);
                    Some(ConflictKind::Duplicate { of: first })
                }
                _ => None,
            },
            None => None,
        };
        if let Some(kind) = kind {
            conflicts.push(Conflict { seq: row.seq, kind });
        }
    }
    Ok(conflicts)
}

/// Whether its entry in the ledger would be new.
fn is_new(row: &Row) -> bool {
    row.origin == Origin::Stream && !matches!(row.change, Change::Failed { .. })
}

fn against(row: &Row, found: Standing) -> Option<ConflictKind> {
    let expected = match row.origin {
        // Whatever the ledger says of it, it is settled by now.
        Origin::Stream => None,
        Origin::Parked => Some(State::Parked),
        Origin::Dead => Some(State::Dead),
    };
    if found.seq != row.seq {
        return Some(ConflictKind::Duplicate { of: found.seq });
    }
    match expected {
        Some(state) if state.code() == found.state => None,
        _ => Some(ConflictKind::AlreadyOurs),
    }
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
