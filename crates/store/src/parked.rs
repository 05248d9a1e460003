//! Parked events: body included, so that a lane can wait in the store for as long as it must.

use std::sync::Arc;

use bytes::Bytes;
use lanes::{AttemptState, Identity, Seq, Shard, StoredEvent};
use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow};

use crate::{Event, Row, scope::Scope, sheet::Sheet};

/// Adds an event that is parked.
pub(crate) fn line(sheet: &mut Sheet, row: &Row, attempts: AttemptState, redriven: bool) {
    let event = &row.event;
    let fields = sheet
        .row()
        .text(&row.key)
        .nat(row.seq)
        .text(&row.identity.project)
        .int(row.identity.created)
        .text(&row.identity.id)
        .text(&event.kind)
        .text(&event.key)
        .nat(event.received_at_ms);
    attempt_fields(fields, attempts).int(redriven).text(&event.headers).bytes(&event.body);
}

/// Adds a parked event whose attempts change.
pub(crate) fn changed_line(sheet: &mut Sheet, row: &Row, attempts: AttemptState) {
    attempt_fields(sheet.row().text(&row.key).nat(row.seq), attempts);
}

/// Adds a parked event that leaves.
pub(crate) fn gone_line(sheet: &mut Sheet, row: &Row) {
    sheet.row().text(&row.key).nat(row.seq);
}

pub(crate) fn attempt_fields(fields: crate::sheet::Fields<'_>, attempts: AttemptState) -> crate::sheet::Fields<'_> {
    let AttemptState { made, crashes, retries, first_at, next_at } = attempts;
    fields.int(made).int(crashes).int(retries).nat(first_at).nat(next_at)
}

pub(crate) const INSERT: &str = "
    with rows (v) as materialized (select value from jsonb_each(?1))
    insert into parked (handler_id, run, shard, parked_at, lane, seq, project, created, event_id, kind, key,
        received_at, made, crashes, retries, first_at, next_at, redriven, headers, body)
    select ?3, ?4, ?5, ?6, v ->> 0, v ->> 1, v ->> 2, v ->> 3, v ->> 4, v ->> 5,
        v ->> 6, v ->> 7, v ->> 8, v ->> 9, v ->> 10, v ->> 11, v ->> 12,
        v ->> 13, v ->> 14, substr(?2, v ->> 15, v ->> 16)
    from rows";

pub(crate) async fn insert(sheet: Sheet, conn: &mut SqliteConnection, scope: &Scope) -> Result<(), sqlx::Error> {
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
pub(crate) async fn change(sheet: Sheet, conn: &mut SqliteConnection, scope: &Scope) -> Result<bool, sqlx::Error> {
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
pub(crate) async fn remove(sheet: Sheet, conn: &mut SqliteConnection, scope: &Scope) -> Result<bool, sqlx::Error> {
    let rows = sheet.rows();
    Ok(sheet.run(conn, scope, REMOVE).await? == rows)
}

/// Which of these sequences (a JSON array) are parked.
pub(crate) async fn among(conn: &mut SqliteConnection, scope: &Scope, seqs: String) -> Result<Vec<Seq>, sqlx::Error> {
    const AMONG: &str = "
        select seq from parked
        where handler_id = ?2 and run = ?3 and shard = ?4 and seq in (select value from json_each(?1))";
    let rows = scope.bind(sqlx::query(AMONG).bind(seqs)).fetch_all(conn).await?;
    rows.iter().map(|row| Ok(row.try_get::<i64, _>("seq")?.cast_unsigned())).collect()
}

pub(crate) const LOAD: &str = "
    select seq, project, created, event_id, kind, key, received_at, made, crashes, retries, first_at, next_at,
        redriven, headers, body
    from parked
    where handler_id = ?1 and run = ?2 and shard = ?3 and lane = ?4 and seq >= ?5
    order by seq limit ?6";

/// Events of a lane by sequence.
pub(crate) async fn load(
    conn: &mut SqliteConnection,
    (handler_id, run, shard): (i64, &str, Shard),
    lane: &str,
    from: Seq,
    limit: u32,
) -> Result<Vec<StoredEvent<Arc<Event>>>, sqlx::Error> {
    let rows = sqlx::query(LOAD)
        .bind(handler_id)
        .bind(run.to_owned())
        .bind(i64::from(shard))
        .bind(lane.to_owned())
        .bind(from.cast_signed())
        .bind(i64::from(limit))
        .fetch_all(conn)
        .await?;
    rows.iter().map(stored_event).collect()
}

fn stored_event(row: &SqliteRow) -> Result<StoredEvent<Arc<Event>>, sqlx::Error> {
    let event = event(row)?;
    Ok(StoredEvent {
        seq: event.seq,
        identity: event.identity.clone(),
        bytes: event.occupies(),
        attempts: attempts(row)?,
        redriven: row.try_get("redriven")?,
        event: Arc::new(event),
    })
}

/// The event of a row of `parked` or `dead`.
pub(crate) fn event(row: &SqliteRow) -> Result<Event, sqlx::Error> {
    let project: Arc<str> = row.try_get::<String, _>("project")?.into();
    Ok(Event {
        seq: row.try_get::<i64, _>("seq")?.cast_unsigned(),
        project: Arc::clone(&project),
        kind: row.try_get::<String, _>("kind")?.into(),
        headers: row.try_get::<String, _>("headers")?.into(),
        body: Bytes::from(row.try_get::<Vec<u8>, _>("body")?),
        identity: Identity {
            project,
            created: row.try_get("created")?,
            id: row.try_get::<String, _>("event_id")?.into(),
        },
        key: row.try_get::<String, _>("key")?.into(),
        received_at_ms: row.try_get::<i64, _>("received_at")?.cast_unsigned(),
    })
}

/// The attempts of a row of `parked` or `retrying`.
pub(crate) fn attempts(row: &SqliteRow) -> Result<AttemptState, sqlx::Error> {
    Ok(AttemptState {
        made: row.try_get("made")?,
        crashes: row.try_get("crashes")?,
        retries: row.try_get("retries")?,
        first_at: row.try_get::<i64, _>("first_at")?.cast_unsigned(),
        next_at: row.try_get::<i64, _>("next_at")?.cast_unsigned(),
    })
}
