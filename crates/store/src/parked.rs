//! Parked events: body included, so that a lane can wait in the store for as long as it must.

use std::sync::Arc;

use bytes::Bytes;
use lanes::{AttemptState, Identity, Seq, Shard, StoredEvent};

use crate::{
    Event, Headers, Row,
    fields::{Ask, Fields},
    sheet::{Line, Sheet},
};

/// Adds an event that is parked.
pub(crate) fn line(sheet: &mut impl Sheet, row: &Row, attempts: AttemptState, redriven: bool) {
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
    attempt_fields(fields, attempts).int(redriven).text(&event.headers.to_json()).bytes(&event.body);
}

/// Adds a parked event whose attempts change.
pub(crate) fn changed_line(sheet: &mut impl Sheet, row: &Row, attempts: AttemptState) {
    attempt_fields(sheet.row().text(&row.key).nat(row.seq), attempts);
}

/// Adds a parked event that leaves.
pub(crate) fn gone_line(sheet: &mut impl Sheet, row: &Row) {
    sheet.row().text(&row.key).nat(row.seq);
}

pub(crate) fn attempt_fields<L: Line>(fields: L, attempts: AttemptState) -> L {
    let AttemptState { made, crashes, retries, first_at, next_at } = attempts;
    fields.int(made).int(crashes).int(retries).nat(first_at).nat(next_at)
}

/// Asks for events of a lane by sequence.
pub(crate) fn ask((handler_id, run, shard): (i64, &str, Shard), lane: &str, from: Seq, limit: u32) -> Ask {
    let args = vec![
        handler_id.into(),
        run.into(),
        shard.into(),
        lane.into(),
        from.cast_signed().into(),
        i64::from(limit).into(),
    ];
    Ask { sql: LOAD, args }
}

pub(crate) const LOAD: &str = "
    select seq, project, created, event_id, kind, key, received_at, made, crashes, retries, first_at, next_at,
        redriven, headers, body
    from parked
    where handler_id = $1 and run = $2 and shard = $3 and lane = $4 and seq >= $5
    order by seq limit $6";

/// A row of [`ask`].
pub(crate) fn stored_event(row: &dyn Fields) -> Result<StoredEvent<Arc<Event>>, sqlx::Error> {
    let event = event(row)?;
    Ok(StoredEvent {
        seq: event.seq,
        identity: event.identity.clone(),
        bytes: event.occupies(),
        attempts: attempts(row)?,
        redriven: row.flag("redriven")?,
        event: Arc::new(event),
    })
}

/// The event of a row of `parked` or `dead`.
pub(crate) fn event(row: &dyn Fields) -> Result<Event, sqlx::Error> {
    let project: Arc<str> = row.text("project")?.into();
    Ok(Event {
        seq: row.nat("seq")?,
        project: Arc::clone(&project),
        kind: row.text("kind")?.into(),
        headers: Headers::from_json(&row.text("headers")?),
        body: Bytes::from(row.bytes("body")?),
        identity: Identity { project, created: row.int("created")?, id: row.text("event_id")?.into() },
        key: row.text("key")?.into(),
        received_at_ms: row.nat("received_at")?,
    })
}

/// The attempts of a row of `parked` or `retrying`.
pub(crate) fn attempts(row: &dyn Fields) -> Result<AttemptState, sqlx::Error> {
    Ok(AttemptState {
        made: row.small("made")?,
        crashes: row.small("crashes")?,
        retries: row.small("retries")?,
        first_at: row.nat("first_at")?,
        next_at: row.nat("next_at")?,
    })
}
