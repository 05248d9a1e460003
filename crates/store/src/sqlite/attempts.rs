//! The statements of attempts.

use lanes::{AttemptState, Progress, Seq};
use sqlx::SqliteConnection;

use super::{Bind as _, fetch, sheet::JsonSheet};
use crate::{
    attempts::{ask, open_ones},
    fields::Fields,
    progress::seqs,
    scope::Scope,
};

pub(crate) const INSERT: &str = "
    with rows (v) as materialized (select value from jsonb_each(?1))
    insert or replace into attempts (handler_id, run, shard, project, created, event_id, attempt, seq,
        started_at, duration_us, plugin_id, peak_memory, outcome, error, backtrace, stderr, logs)
    select ?3, ?4, ?5, v ->> 0, v ->> 1, v ->> 2, v ->> 3, v ->> 4, v ->> 5,
        v ->> 6, v ->> 7, v ->> 8, v ->> 9, v ->> 10, v ->> 11, v ->> 12,
        v ->> 13
    from rows";

/// A commit that is sent again after its answer was lost may bring an attempt that stands already: the same one.
pub(crate) async fn insert(sheet: JsonSheet, conn: &mut SqliteConnection, scope: &Scope) -> Result<(), sqlx::Error> {
    sheet.run(conn, scope, INSERT).await.map(drop)
}

pub(crate) const PUT: &str = "
    with rows (v) as materialized (select value from jsonb_each(?1))
    insert or replace into retrying (handler_id, run, shard, seq, made, crashes, retries, first_at, next_at)
    select ?3, ?4, ?5, v ->> 0, v ->> 1, v ->> 2, v ->> 3, v ->> 4, v ->> 5
    from rows";

pub(crate) async fn put_retrying(
    sheet: JsonSheet,
    conn: &mut SqliteConnection,
    scope: &Scope,
) -> Result<(), sqlx::Error> {
    sheet.run(conn, scope, PUT).await.map(drop)
}

/// Removes what a commit settles.
pub(crate) async fn remove_retrying_rows(
    sheet: JsonSheet,
    conn: &mut SqliteConnection,
    scope: &Scope,
) -> Result<(), sqlx::Error> {
    const REMOVE: &str = "
        delete from retrying
        where handler_id = ?3 and run = ?4 and shard = ?5 and seq in (select value ->> 0 from json_each(?1))";
    sheet.run(conn, scope, REMOVE).await.map(drop)
}

async fn remove_retrying(settled: &[Seq], conn: &mut SqliteConnection, scope: &Scope) -> Result<(), sqlx::Error> {
    const REMOVE: &str = "
        delete from retrying
        where handler_id = ?2 and run = ?3 and shard = ?4 and seq in (select value from json_each(?1))";
    if settled.is_empty() {
        return Ok(());
    }
    scope.bind(sqlx::query(REMOVE).bind(seqs(settled.iter().copied()))).execute(conn).await.map(drop)
}

/// The attempts of a shard's events that are neither settled nor parked; what is left of settled ones is swept out.
pub(crate) async fn retrying(
    conn: &mut SqliteConnection,
    scope: &Scope,
    progress: &Progress,
) -> Result<Vec<(Seq, AttemptState)>, sqlx::Error> {
    let rows = fetch(conn, ask(scope)).await?;
    let (open, settled) = open_ones(rows.iter().map(|row| row as &dyn Fields), progress)?;
    remove_retrying(&settled, conn, scope).await?;
    Ok(open)
}
