//! Attempts: one row for each that failed, and how far the retries of unsettled events are.

use lanes::{AttemptState, Progress, Seq};
use sqlx::{Row as _, SqliteConnection};

use crate::{
    Report, Row,
    parked::{attempt_fields, attempts},
    progress::is_settled,
    scope::Scope,
    sheet::{Sheet, seqs},
};

/// Adds a failed attempt.
pub(crate) fn line(sheet: &mut Sheet, row: &Row, attempt: u32, report: &Report, plugin: Option<i64>) {
    sheet
        .row()
        .text(&row.identity.project)
        .int(row.identity.created)
        .text(&row.identity.id)
        .int(attempt)
        .nat(row.seq)
        .nat(report.started_at)
        .nat(report.duration_us)
        .opt_int(plugin)
        .nat(report.peak_memory)
        .text(&report.outcome)
        .opt_text(report.error.as_deref())
        .opt_text(report.backtrace.as_deref())
        .opt_text(report.stderr.as_deref())
        .opt_text(report.logs.as_deref());
}

pub(crate) const INSERT: &str = "
    with rows (v) as materialized (select value from jsonb_each(?1))
    insert or replace into attempts (handler_id, run, shard, project, created, event_id, attempt, seq,
        started_at, duration_us, plugin_id, peak_memory, outcome, error, backtrace, stderr, logs)
    select ?3, ?4, ?5, v ->> 0, v ->> 1, v ->> 2, v ->> 3, v ->> 4, v ->> 5,
        v ->> 6, v ->> 7, v ->> 8, v ->> 9, v ->> 10, v ->> 11, v ->> 12,
        v ->> 13
    from rows";

/// A commit that is sent again after its answer was lost may bring an attempt that stands already: the same one.
pub(crate) async fn insert(sheet: Sheet, conn: &mut SqliteConnection, scope: &Scope) -> Result<(), sqlx::Error> {
    sheet.run(conn, scope, INSERT).await.map(drop)
}

/// Adds an event in the stream that is tried again.
pub(crate) fn retrying_line(sheet: &mut Sheet, row: &Row, attempts: AttemptState) {
    attempt_fields(sheet.row().nat(row.seq), attempts);
}

pub(crate) const PUT: &str = "
    with rows (v) as materialized (select value from jsonb_each(?1))
    insert or replace into retrying (handler_id, run, shard, seq, made, crashes, retries, first_at, next_at)
    select ?3, ?4, ?5, v ->> 0, v ->> 1, v ->> 2, v ->> 3, v ->> 4, v ->> 5
    from rows";

pub(crate) async fn put_retrying(sheet: Sheet, conn: &mut SqliteConnection, scope: &Scope) -> Result<(), sqlx::Error> {
    sheet.run(conn, scope, PUT).await.map(drop)
}

pub(crate) async fn remove_retrying(
    settled: &[Seq],
    conn: &mut SqliteConnection,
    scope: &Scope,
) -> Result<(), sqlx::Error> {
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
    const ALL: &str = "
        select seq, made, crashes, retries, first_at, next_at from retrying
        where handler_id = ?1 and run = ?2 and shard = ?3 order by seq";
    let rows = scope.bind(sqlx::query(ALL)).fetch_all(&mut *conn).await?;
    let (mut open, mut settled) = (Vec::new(), Vec::new());
    for row in &rows {
        let seq = row.try_get::<i64, _>("seq")?.cast_unsigned();
        if is_settled(progress, seq) {
            settled.push(seq);
        } else {
            open.push((seq, attempts(row)?));
        }
    }
    remove_retrying(&settled, conn, scope).await?;
    Ok(open)
}
