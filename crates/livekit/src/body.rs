//! The few fields of an event's body that Roomwire itself needs; everything else passes unseen.

mod members;

use std::borrow::Cow;
use std::collections::BTreeMap;

use event::ordering_key::KeyFields;
use event::{EventId, OrderingKey, envelope};
use serde_json::value::RawValue;

use crate::Refusal;
use members::{members, text};

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

/// What counts of a room, and of a participant.
const OF_ROOM: [&str; 2] = ["name", "sid"];
const OF_PARTICIPANT: [&str; 1] = ["identity"];

/// An object's fields as text. Nothing behind them is parsed until it is asked for.
pub(crate) type Fields<'a> = BTreeMap<String, &'a RawValue>;

/// Reads the fields that count. Only `id` and `event` are required; an optional field of another type counts as absent,
/// unknown fields pass, of a repeated field the last one counts.
///
/// # Errors
/// When the body is not a JSON object, or `id` or `event` is not a text of sensible length.
pub fn inspect(body: &[u8]) -> Result<Facts, Refusal> {
    let json = std::str::from_utf8(body).map_err(|error| Refusal::BadJson { what: error.to_string() })?;
    let names = ["id", "event", "createdAt", "egressInfo", "ingressInfo", "room", "participant", "track", "job"];
    let [id, kind, created_at, egress, ingress, room, participant, track, job] =
        members(json, names).map_err(|error| Refusal::BadJson { what: error.to_string() })?;
    let id = required(id).and_then(|text| EventId::try_from(&*text).map_err(|_| long(&text)));
    let kind = required(kind)
        .and_then(|text| if text.len() <= envelope::MAX_KIND_BYTES { Ok(text.into_owned()) } else { Err(long(&text)) });
    let id = id.map_err(|what| Refusal::NoId { what })?;
    let kind = kind.map_err(|what| Refusal::NoEvent { what })?;

    let ([egress_id], [ingress_id]) = (texts_of(egress, ["egressId"]), texts_of(ingress, ["ingressId"]));
    let ([room_name, room_sid], [identity]) = (texts_of(room, OF_ROOM), texts_of(participant, OF_PARTICIPANT));
    let ([track_sid], [job_id, job_room]) = (texts_of(track, ["sid"]), object(job, ["id", "room"]));
    let (job_id, [job_room_name, job_room_sid]) = (filled(job_id), texts_of(job_room, OF_ROOM));
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
        created_at: created_at.map(seconds).unwrap_or_default(),
        key,
        room: room_name.or(job_room_name).map(Cow::into_owned),
        participant: identity.map(Cow::into_owned),
        room_sid: room_sid.or(job_room_sid).map(Cow::into_owned),
    })
}

/// Who and where an event is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    /// `room.name`, else `job.room.name`.
    pub room: Option<String>,
    /// `room.sid`, else `job.room.sid`.
    pub room_sid: Option<String>,
    /// `participant.identity`
    pub participant: Option<String>,
}

/// Reads that alone, as [`inspect`] does. Nothing of a body that is not a JSON object.
#[must_use]
pub fn subject(body: &[u8]) -> Subject {
    let json = std::str::from_utf8(body).ok();
    let found = json.and_then(|json| members(json, ["room", "participant", "job"]).ok());
    let [room, participant, job] = found.unwrap_or_default();
    let ([room, room_sid], [identity]) = (texts_of(room, OF_ROOM), texts_of(participant, OF_PARTICIPANT));
    let [job_room] = object(job, ["room"]);
    let [job_room, job_room_sid] = texts_of(job_room, OF_ROOM);
    Subject {
        room: room.or(job_room).map(Cow::into_owned),
        room_sid: room_sid.or(job_room_sid).map(Cow::into_owned),
        participant: identity.map(Cow::into_owned),
    }
}

fn required(value: Option<&RawValue>) -> Result<Cow<'_, str>, String> {
    let text = text(value.ok_or("is missing")?).ok_or("is not a text")?;
    if text.is_empty() { Err("is empty".to_owned()) } else { Ok(text) }
}

fn long(text: &str) -> String {
    format!("has {} bytes", text.len())
}

/// Members of a value; none where it is no object.
fn object<'a, const N: usize>(value: Option<&'a RawValue>, names: [&'static str; N]) -> [Option<&'a RawValue>; N] {
    value.and_then(|value| members(value.get(), names).ok()).unwrap_or([None; N])
}

/// Members of a value that are texts, as far as they are and are not empty.
fn texts_of<'a, const N: usize>(value: Option<&'a RawValue>, names: [&'static str; N]) -> [Option<Cow<'a, str>>; N] {
    object(value, names).map(filled)
}

fn filled(value: Option<&RawValue>) -> Option<Cow<'_, str>> {
    value.and_then(text).filter(|text| !text.is_empty())
}

/// LiveKit writes 64-bit numbers as texts; a plain number is understood as well.
fn seconds(value: &RawValue) -> i64 {
    value.get().parse().ok().or_else(|| text(value)?.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
