//! Dead letters: one row a death, with the event as it was.

use std::collections::HashMap;

use lanes::{AttemptState, Cause, Crash};
use sqlx::{Row as _, SqliteConnection};

use crate::{Report, Row, scope::Scope, sheet::Sheet};

/// The word for a cause: the same in rows, headers and metrics.
#[must_use]
pub fn cause_word(cause: Cause) -> &'static str {
    match cause {
        Cause::Permanent => "permanent",
        Cause::RetriesExhausted => "retries_exhausted",
        Cause::Crashed(Crash::Trap) => "trap",
        Cause::Crashed(Crash::Timeout) => "timeout",
        Cause::Crashed(Crash::OutOfMemory) => "out_of_memory",
        Cause::Crashed(Crash::HostLimit) => "host_limit",
        Cause::ProcessDied => "process_died",
    }
}

/// What is said where the last attempt left no error.
pub(crate) fn message(cause: Cause, report: Option<&Report>) -> &str {
    match report.and_then(|report| report.error.as_deref()) {
        Some(error) => error,
        None if cause == Cause::ProcessDied => "the runner's process died whenever this event ran",
        None => cause_word(cause),
    }
}

/// A death, as it is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) row: &'a Row,
    pub(crate) n: u32,
    pub(crate) attempts: AttemptState,
    pub(crate) cause: Cause,
    pub(crate) report: Option<&'a Report>,
    pub(crate) plugin: Option<i64>,
}

pub(crate) fn line(sheet: &mut Sheet, entry: Entry<'_>, first_at: u64) {
    let Entry { row, n, attempts, cause, report, plugin } = entry;
    let event = &row.event;
    sheet
        .row()
        .text(&row.identity.project)
        .int(row.identity.created)
        .text(&row.identity.id)
        .int(n)
        .nat(row.seq)
        .text(&row.key)
        .text(&event.kind)
        .text(&event.key)
        .text(cause_word(cause))
        .text(message(cause, report))
        .int(attempts.made)
        .nat(first_at)
        .opt_int(plugin)
        .nat(event.received_at_ms)
        .text(&event.headers)
        .bytes(&event.body);
}

pub(crate) const INSERT: &str = "
    with rows (v) as materialized (select value from jsonb_each(?1))
    insert into dead (handler_id, run, shard, died_at, project, created, event_id, n, seq, lane, kind, key, cause,
        message, made, first_at, plugin_id, received_at, headers, body)
    select ?3, ?4, ?5, ?6, v ->> 0, v ->> 1, v ->> 2, v ->> 3, v ->> 4, v ->> 5,
        v ->> 6, v ->> 7, v ->> 8, v ->> 9, v ->> 10, v ->> 11, v ->> 12,
        v ->> 13, v ->> 14, substr(?2, v ->> 15, v ->> 16)
    from rows";

pub(crate) async fn insert(sheet: Sheet, conn: &mut SqliteConnection, scope: &Scope) -> Result<(), sqlx::Error> {
    sheet.run(conn, scope, INSERT).await.map(drop)
}

/// Adds an event that was dead and is sent back.
pub(crate) fn redriven_line(sheet: &mut Sheet, row: &Row) {
    sheet.row().text(&row.identity.project).int(row.identity.created).text(&row.identity.id);
}

pub(crate) const REDRIVE: &str = "
    with rows (v) as materialized (select value from jsonb_each(?1))
    update dead set redriven_at = ?6 where redriven_at is null and id in (
        select d.id from rows cross join dead as d
        where d.handler_id = ?3 and d.run = ?4 and d.project = v ->> 0 and d.created = v ->> 1
            and d.event_id = v ->> 2
    )";

/// Notes when events were sent back; their rows stay as history.
pub(crate) async fn redrive(sheet: Sheet, conn: &mut SqliteConnection, scope: &Scope) -> Result<(), sqlx::Error> {
    sheet.run(conn, scope, REDRIVE).await.map(drop)
}

pub(crate) const DEATHS: &str = "
    with rows (v) as materialized (select value from jsonb_each(?1))
    select v ->> 0 as place, max(d.n) as n
    from rows cross join dead as d
    where d.handler_id = ?2 and d.run = ?3 and d.project = v ->> 1 and d.created = v ->> 2
        and d.event_id = v ->> 3
    group by place";

/// How often each of these rows has died before, by their place in the list; those that never did are left out.
pub(crate) async fn deaths(
    rows: &[(u64, &Row)],
    conn: &mut SqliteConnection,
    scope: &Scope,
) -> Result<HashMap<u64, u32>, sqlx::Error> {
    let mut sheet = Sheet::default();
    for (place, row) in rows {
        let identity = &row.identity;
        sheet.row().nat(*place).text(&identity.project).int(identity.created).text(&identity.id);
    }
    let mut deaths = HashMap::new();
    for json in sheet.into_json() {
        for row in scope.bind(sqlx::query(DEATHS).bind(json)).fetch_all(&mut *conn).await? {
            deaths.insert(row.try_get::<i64, _>("place")?.cast_unsigned(), row.try_get("n")?);
        }
    }
    Ok(deaths)
}
