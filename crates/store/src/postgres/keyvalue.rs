//! Why a commit was refused, as far as keys are concerned. What commits do to them is in [`super::tables::keyvalue`].

use std::collections::BTreeMap;

use lanes::Conflict;
use sqlx::{PgConnection, Row as _};

use super::fetch;
use crate::{
    Row,
    keyvalue::{Current, ask_changes, ask_get, changes, found, in_vain},
    scope::{Scope, now},
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

/// Removes keys whose time is over, at most `limit`, and says how many they were. The rows of their buckets are locked
/// first, in the order in which commits do, and go on to another version: so no commit counts a key that is gone.
pub(crate) async fn sweep(conn: &mut PgConnection, limit: u32) -> Result<u64, sqlx::Error> {
    const SWEEP: &str = "
        with due as materialized (
            select handler_id, run, bucket, ctid as at from keyvalue
            where expires_at <= $1 order by expires_at limit $2
        ),
        locked as materialized (
            select b.handler_id, b.run, b.bucket, b.shard from buckets as b
            where (b.handler_id, b.run, b.bucket) in (select handler_id, run, bucket from due)
            order by b.handler_id, b.run, b.bucket, b.shard for update
        ),
        gone as (
            delete from keyvalue as k using due as d
            where k.ctid = d.at and k.expires_at <= $1 and (select count(*) from locked) > 0
            returning k.handler_id, k.run, k.bucket, octet_length(k.key) + octet_length(k.value) as size
        ),
        sums as (
            select g.handler_id, g.run, g.bucket, count(*) as keys, sum(g.size) as bytes, (
                select min(l.shard) from locked as l
                where l.handler_id = g.handler_id and l.run = g.run and l.bucket = g.bucket
            ) as shard
            from gone as g group by g.handler_id, g.run, g.bucket
        ),
        counted as (
            update buckets as b
            set version = b.version + 1, changes = b.changes + 1,
                keys = b.keys - case when b.shard = s.shard then s.keys else 0 end,
                bytes = b.bytes - case when b.shard = s.shard then s.bytes else 0 end
            from sums as s where b.handler_id = s.handler_id and b.run = s.run and b.bucket = s.bucket
            returning 1
        )
        select (select count(*) from gone) as removed, (select count(*) from counted) as counted";
    let row = sqlx::query(SWEEP).bind(now().cast_signed()).bind(i64::from(limit)).fetch_one(conn).await?;
    Ok(u64::try_from(row.try_get::<i64, _>("removed")?).unwrap_or_default())
}
