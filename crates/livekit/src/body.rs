//! The few fields of an event's body that Roomwire itself needs; everything else passes unseen.

use std::collections::BTreeMap;

use event::ordering_key::KeyFields;
use event::{EventId, OrderingKey, envelope};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::Refusal;

/// What Roomwire knows of an event from its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// `id`
    pub id: EventId,
    /// `event`, exactly as sent.
    pub kind: String,
    /// `createdAt` in Unix seconds; 0 when there is none.
    pub created_at: i64,
    /// What the event is ordered by.
    pub key: OrderingKey,
    /// `room.name`, else `job.room.name`.
    pub room: Option<String>,
    /// `participant.identity`
    pub participant: Option<String>,
    /// `room.sid`, else `job.room.sid`.
    pub room_sid: Option<String>,
}

/// An object's fields as text. Nothing behind them is parsed until it is asked for.
pub(crate) type Fields<'a> = BTreeMap<String, &'a RawValue>;

/// Reads the fields that count. Only `id` and `event` are required; an optional field of another type counts as absent,
/// unknown fields pass, of a repeated field the last one counts.
///
/// # Errors
/// When the body is not a JSON object, or `id` or `event` is not a text of sensible length.
pub fn inspect(body: &[u8]) -> Result<Facts, Refusal> {
    let fields: Fields<'_> =
        serde_json::from_slice(body).map_err(|error| Refusal::BadJson { what: error.to_string() })?;
    let id = required(&fields, "id").and_then(|text| EventId::try_from(text.as_str()).map_err(|_| long(&text)));
    let kind = required(&fields, "event")
        .and_then(|text| if text.len() <= envelope::MAX_KIND_BYTES { Ok(text) } else { Err(long(&text)) });
    let id = id.map_err(|what| Refusal::NoId { what })?;
    let kind = kind.map_err(|what| Refusal::NoEvent { what })?;

    let (egress, ingress) = (object(&fields, "egressInfo"), object(&fields, "ingressInfo"));
    let (room, participant) = (object(&fields, "room"), object(&fields, "participant"));
    let (track, job) = (object(&fields, "track"), object(&fields, "job"));
    let job_room = object(&job, "room");

    let (egress_id, ingress_id) = (text(&egress, "egressId"), text(&ingress, "ingressId"));
    let (room_name, identity) = (text(&room, "name"), text(&participant, "identity"));
    let (track_sid, job_id, job_room_name) = (text(&track, "sid"), text(&job, "id"), text(&job_room, "name"));
    let key = OrderingKey::of(&KeyFields {
        egress_id: egress_id.as_deref(),
        ingress_id: ingress_id.as_deref(),
        room_name: room_name.as_deref(),
        identity: identity.as_deref(),
        track_sid: track_sid.as_deref(),
        job_room_name: job_room_name.as_deref(),
        job_id: job_id.as_deref(),
    });
    Ok(Facts {
        id,
        kind,
        created_at: seconds(&fields, "createdAt"),
        key,
        room: room_name.or(job_room_name),
        participant: identity,
        room_sid: text(&room, "sid").or_else(|| text(&job_room, "sid")),
    })
}

fn required(fields: &Fields<'_>, name: &str) -> Result<String, String> {
    let raw = fields.get(name).ok_or("is missing")?;
    let text: String = serde_json::from_str(raw.get()).map_err(|_| "is not a text")?;
    if text.is_empty() { Err("is empty".to_owned()) } else { Ok(text) }
}

fn long(text: &str) -> String {
    format!("has {} bytes", text.len())
}

fn value<'a, T: Deserialize<'a>>(fields: &Fields<'a>, name: &str) -> Option<T> {
    fields.get(name).and_then(|raw| serde_json::from_str(raw.get()).ok())
}

fn object<'a>(fields: &Fields<'a>, name: &str) -> Fields<'a> {
    value(fields, name).unwrap_or_default()
}

fn text(fields: &Fields<'_>, name: &str) -> Option<String> {
    value(fields, name).filter(|text: &String| !text.is_empty())
}

/// LiveKit writes 64-bit numbers as texts; a plain number is understood as well.
fn seconds(fields: &Fields<'_>, name: &str) -> i64 {
    value::<i64>(fields, name).or_else(|| text(fields, name)?.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
