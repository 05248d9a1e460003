//! The statements of keys: what must still stand, what is written, and what buckets hold with it.

use std::collections::BTreeMap;

use lanes::Conflict;
use sqlx::{Row as _, SqliteConnection};

use super::{
    Bind as _, fetch,
    sheet::JsonSheet,
    writer::{Desk, Verdict, Work},
};
use crate::{
    Row,
    error::Failure,
    keyvalue::{Current, ask_changes, ask_get, changes, found, in_vain},
    scope::Scope,
};

/// Counts those that do not stand.
pub(crate) const SEEN: &str = "
    with rows (v) as materialized (select value from jsonb_each(?1))
    select count(*) from rows left join keyvalue as k on k.handler_id = ?2 and k.run = ?3 and k.bucket = v ->> 0
        and k.space = v ->> 1 and k.key = v ->> 2
    where coalesce(k.version, 0) <> v ->> 3";

/// Counts those that do not stand.
pub(crate) const LISTED: &str = "
    with rows (v) as materialized (select value from jsonb_each(?1))
    select count(*) from rows left join buckets as b on b.handler_id = ?2 and b.run = ?3 and b.bucket = v ->> 0
        and b.shard = v ->> 1
    where coalesce(b.changes, 0) <> v ->> 2";

/// Whether everything that was read stands.
pub(crate) async fn stands(
    (seen, listed): (JsonSheet, JsonSheet),
    conn: &mut SqliteConnection,
    scope: &Scope,
) -> Result<bool, sqlx::Error> {
    for (sql, sheet) in [(SEEN, seen), (LISTED, listed)] {
        for json in sheet.into_json() {
            let row = scope.bind(sqlx::query(sql).bind(json)).fetch_one(&mut *conn).await?;
            if row.try_get::<i64, _>(0)? > 0 {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Counts what is put in, before it is.
pub(crate) const COUNT_PUT: &str = "
    with rows (v) as materialized (select value from jsonb_each(?1))
    insert into buckets (handler_id, run, bucket, shard, version, changes, keys, bytes)
    select ?3, ?4, v ->> 0, v ->> 7, 1, 1, sum(k.key is null),
        sum(length(cast(v ->> 2 as blob)) + (v ->> 4) - coalesce(length(cast(k.key as blob)) + length(k.value), 0))
    from rows left join keyvalue as k on k.handler_id = ?3 and k.run = ?4 and k.bucket = v ->> 0
        and k.space = v ->> 1 and k.key = v ->> 2
    where true group by v ->> 0, v ->> 7
    on conflict (handler_id, run, bucket, shard) do update
    set version = version + 1, changes = changes + 1, keys = keys + excluded.keys, bytes = bytes + excluded.bytes";

pub(crate) const PUT: &str = "
    with rows (v) as materialized (select value from jsonb_each(?1))
    insert into keyvalue (handler_id, run, bucket, space, key, value, version, expires_at)
    select ?3, ?4, v ->> 0, v ->> 1, v ->> 2, substr(?2, v ->> 3, v ->> 4), v ->> 5, ?6 + (v ->> 6)
    from rows where true
    on conflict (handler_id, run, bucket, space, key) do update
    set value = excluded.value, version = excluded.version, expires_at = excluded.expires_at";

/// Counts what is removed, before it is.
pub(crate) const COUNT_REMOVED: &str = "
    with rows (v) as materialized (select value from jsonb_each(?1))
    insert into buckets (handler_id, run, bucket, shard, version, changes, keys, bytes)
    select ?3, ?4, v ->> 0, v ->> 3, 1, 1, -sum(k.key is not null),
        -sum(coalesce(length(cast(k.key as blob)) + length(k.value), 0))
    from rows left join keyvalue as k on k.handler_id = ?3 and k.run = ?4 and k.bucket = v ->> 0
        and k.space = v ->> 1 and k.key = v ->> 2
    where true group by v ->> 0, v ->> 3
    on conflict (handler_id, run, bucket, shard) do update
    set version = version + 1, changes = changes + 1, keys = keys + excluded.keys, bytes = bytes + excluded.bytes";

pub(crate) const REMOVE: &str = "
    with rows (v) as materialized (select value from jsonb_each(?1))
    delete from keyvalue where (handler_id, run, bucket, space, key) in (
        select k.handler_id, k.run, k.bucket, k.space, k.key from rows cross join keyvalue as k
        where k.handler_id = ?3 and k.run = ?4 and k.bucket = v ->> 0 and k.space = v ->> 1 and k.key = v ->> 2
    )";

pub(crate) async fn change(
    (put, removed): (JsonSheet, JsonSheet),
    conn: &mut SqliteConnection,
    scope: &Scope,
) -> Result<(), sqlx::Error> {
    put.run_each(conn, scope, &[COUNT_PUT, PUT]).await?;
    removed.run_each(conn, scope, &[COUNT_REMOVED, REMOVE]).await
}

/// Which rows have read what is another by now.
pub(crate) async fn conflicts(
    rows: &[&Row],
    conn: &mut SqliteConnection,
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

/// The work of removing keys whose time is over.
pub(crate) struct Sweeps {
    pub(crate) limit: u32,
}

impl Work for Sweeps {
    type Output = u64;
    const OPERATION: &'static str = "remove keys whose time is over";

    async fn carry_out(&mut self, desk: &mut Desk) -> Result<Verdict<u64>, Failure> {
        // Both statements find the same keys: nothing comes between them.
        const COUNT: &str = "
            with over as materialized (
                select handler_id, run, bucket, length(cast(key as blob)) + length(value) as size from keyvalue
                where expires_at <= ?1 order by expires_at, handler_id, run, bucket, space, key limit ?2
            )
            insert into buckets (handler_id, run, bucket, shard, version, changes, keys, bytes)
            select handler_id, run, bucket, -1, 1, 1, -count(*), -sum(size) from over where true
            group by handler_id, run, bucket
            on conflict (handler_id, run, bucket, shard) do update
            set version = version + 1, changes = changes + 1, keys = keys + excluded.keys, bytes = bytes + excluded.bytes";
        const REMOVE: &str = "
            delete from keyvalue where (handler_id, run, bucket, space, key) in (
                select handler_id, run, bucket, space, key from keyvalue
                where expires_at <= ?1 order by expires_at, handler_id, run, bucket, space, key limit ?2
            )";
        let (now, limit) = (desk.now.cast_signed(), i64::from(self.limit));
        sqlx::query(COUNT).bind(now).bind(limit).execute(&mut desk.conn).await?;
        let removed = sqlx::query(REMOVE).bind(now).bind(limit).execute(&mut desk.conn).await?;
        Ok(Verdict::Keep(removed.rows_affected()))
    }
}
