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

pub(crate) async fn insert(sheet: Sheet, conn: &mut SqliteConnection, scope: &Scope) -> Result<(), sqlx::Error> {
    const INSERT: &str = "
        insert into parked (handler_id, run, shard, parked_at, lane, seq, project, created, event_id, kind, key,
            received_at, made, crashes, retries, first_at, next_at, redriven, headers, body)
        select ?3, ?4, ?5, ?6, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
            value ->> 6, value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12,
            value ->> 13, value ->> 14, substr(?2, value ->> 15, value ->> 16)
        from json_each(?1)";
    sheet.run(conn, scope, INSERT).await.map(drop)
}

/// Changes attempts of parked events; says whether all of them are parked.
pub(crate) async fn change(sheet: Sheet, conn: &mut SqliteConnection, scope: &Scope) -> Result<bool, sqlx::Error> {
    const CHANGE: &str = "
        update parked
        set made = v.made, crashes = v.crashes, retries = v.retries, first_at = v.first_at, next_at = v.next_at
        from (
            select value ->> 0 as lane, value ->> 1 as seq, value ->> 2 as made, value ->> 3 as crashes,
                value ->> 4 as retries, value ->> 5 as first_at, value ->> 6 as next_at
            from json_each(?1)
        ) as v
        where parked.handler_id = ?3 and parked.run = ?4 and parked.shard = ?5 and parked.lane = v.lane
            and parked.seq = v.seq";
    let rows = sheet.rows();
    Ok(sheet.run(conn, scope, CHANGE).await? == rows)
}

/// Removes parked events; says whether all of them were parked.
pub(crate) async fn remove(sheet: Sheet, conn: &mut SqliteConnection, scope: &Scope) -> Result<bool, sqlx::Error> {
    const REMOVE: &str = "
        delete from parked where id in (
            select p.id from json_each(?1) as v cross join parked as p
            where p.handler_id = ?3 and p.run = ?4 and p.shard = ?5 and p.lane = v.value ->> 0
                and p.seq = v.value ->> 1
        )";
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

/// Events of a lane by sequence.
pub(crate) async fn load(
    conn: &mut SqliteConnection,
    (handler_id, run, shard): (i64, &str, Shard),
    lane: &str,
    from: Seq,
    limit: u32,
) -> Result<Vec<StoredEvent<Arc<Event>>>, sqlx::Error> {
    const LOAD: &str = "
        select seq, project, created, event_id, kind, key, received_at, made, crashes, retries, first_at, next_at,
            redriven, headers, body
        from parked
        where handler_id = ?1 and run = ?2 and shard = ?3 and lane = ?4 and seq >= ?5
        order by seq limit ?6";
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
