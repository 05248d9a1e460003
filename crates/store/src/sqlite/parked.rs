//! The statements of parked events.

use lanes::Seq;
use sqlx::SqliteConnection;

use super::{Bind as _, sheet::JsonSheet};
use crate::{fields::Fields as _, scope::Scope};

pub(crate) const INSERT: &str = "
    with rows (v) as materialized (select value from jsonb_each(?1))
    insert into parked (handler_id, run, shard, parked_at, lane, seq, project, created, event_id, kind, key,
        received_at, made, crashes, retries, first_at, next_at, redriven, headers, body)
    select ?3, ?4, ?5, ?6, v ->> 0, v ->> 1, v ->> 2, v ->> 3, v ->> 4, v ->> 5,
        v ->> 6, v ->> 7, v ->> 8, v ->> 9, v ->> 10, v ->> 11, v ->> 12,
        v ->> 13, v ->> 14, substr(?2, v ->> 15, v ->> 16)
    from rows";

pub(crate) async fn insert(sheet: JsonSheet, conn: &mut SqliteConnection, scope: &Scope) -> Result<(), sqlx::Error> {
    sheet.run(conn, scope, INSERT).await.map(drop)
}

pub(crate) const CHANGE: &str = "
    with rows (v) as materialized (select value from jsonb_each(?1))
    update parked
    set made = v.made, crashes = v.crashes, retries = v.retries, first_at = v.first_at, next_at = v.next_at
    from (
        select v ->> 0 as lane, v ->> 1 as seq, v ->> 2 as made, v ->> 3 as crashes,
            v ->> 4 as retries, v ->> 5 as first_at, v ->> 6 as next_at
        from rows
    ) as v
    where parked.handler_id = ?3 and parked.run = ?4 and parked.shard = ?5 and parked.lane = v.lane
        and parked.seq = v.seq";

/// Changes attempts of parked events; says whether all of them are parked.
pub(crate) async fn change(sheet: JsonSheet, conn: &mut SqliteConnection, scope: &Scope) -> Result<bool, sqlx::Error> {
    let rows = sheet.rows();
    Ok(sheet.run(conn, scope, CHANGE).await? == rows)
}

pub(crate) const REMOVE: &str = "
    with rows (v) as materialized (select value from jsonb_each(?1))
    delete from parked where id in (
        select p.id from rows cross join parked as p
        where p.handler_id = ?3 and p.run = ?4 and p.shard = ?5 and p.lane = v ->> 0
            and p.seq = v ->> 1
    )";

/// Removes parked events; says whether all of them were parked.
pub(crate) async fn remove(sheet: JsonSheet, conn: &mut SqliteConnection, scope: &Scope) -> Result<bool, sqlx::Error> {
    let rows = sheet.rows();
    Ok(sheet.run(conn, scope, REMOVE).await? == rows)
}

/// Which of these sequences (a JSON array) are parked.
pub(crate) async fn among(conn: &mut SqliteConnection, scope: &Scope, seqs: String) -> Result<Vec<Seq>, sqlx::Error> {
    const AMONG: &str = "
        select seq from parked
        where handler_id = ?2 and run = ?3 and shard = ?4 and seq in (select value from json_each(?1))";
    let rows = scope.bind(sqlx::query(AMONG).bind(seqs)).fetch_all(conn).await?;
    rows.iter().map(|row| row.nat("seq")).collect()
}
