//! Which rows of a refused commit the ledger stands against.

use std::collections::HashMap;

use lanes::{Change, Conflict, ConflictKind, Identity, Origin, Seq};

use crate::{
    Row,
    ledger::{Standing, State},
};

/// The identities of rows, numbered by their places, as they are looked up for [`against_ledger`].
pub(crate) fn numbered<'a>(rows: &[&'a Row]) -> impl Iterator<Item = (u64, &'a Identity)> {
    (0_u64..).zip(rows.iter().map(|row| &row.identity))
}

/// Rows that must not come again as they are, by what the ledger has of them.
pub(crate) fn against_ledger(rows: &[&Row], standing: Vec<Standing>) -> Vec<Conflict> {
    let standing: HashMap<u64, Standing> = standing.into_iter().map(|found| (found.asked, found)).collect();
    let mut first_of: HashMap<&Identity, Seq> = HashMap::new();
    let mut conflicts = Vec::new();
    for (place, row) in (0_u64..).zip(rows.iter().copied()) {
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
    conflicts
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
