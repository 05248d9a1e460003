//! Why a commit was refused, as far as keys are concerned. What commits do to them is in [`super::tables::keyvalue`].

use std::collections::BTreeMap;

use lanes::Conflict;
use sqlx::PgConnection;

use super::fetch;
use crate::{
    Row,
    keyvalue::{Current, ask_changes, ask_get, changes, found, in_vain},
    scope::Scope,
};

/// Which rows have read what is another by now.
pub(crate) async fn conflicts(
    rows: &[&Row],
    conn: &mut PgConnection,
    scope: &Scope,
) -> Result<Vec<Conflict>, sqlx::Error> {
    let (spots, buckets) = Current::asked(rows);
    let mut current = Current { versions: BTreeMap::new(), changes: BTreeMap::new() };
    for spot in spots {
        for row in fetch(&mut *conn, ask_get(scope.handler_id, &scope.run, spot)).await? {
            current.versions.insert(spot, found(&row)?.version);
        }
    }
    for bucket in buckets {
        for row in fetch(&mut *conn, ask_changes(scope.handler_id, &scope.run, bucket)).await? {
            current.changes.insert(bucket, changes(&row)?);
        }
    }
    Ok(in_vain(rows, current))
}
