//! The event as the one JSON document that a command reads from stdin.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;

use super::keys::Values;
use crate::bindings::roomwire::plugin::event_types as wit;

/// The kind of the document that asks a program what it thinks of its config. LiveKit's kinds have no dot.
const CHECK: &str = "roomwire.check";

#[derive(Serialize)]
struct Document<'e> {
    id: &'e str,
    kind: &'e str,
    project: &'e str,
    room: Option<&'e str>,
    participant: Option<&'e str>,
    created_at: &'e str,
    attempt: u32,
    deadline_ms: u32,
    attributes: BTreeMap<&'e str, &'e str>,
    /// The body, parsed; null if it is no JSON.
    event: Option<&'e RawValue>,
    /// The body as it was signed.
    raw: &'e str,
    kv: &'e Values,
}

/// The document of an event, with these keys.
pub(super) fn document(event: &wit::Event, kv: &Values) -> Vec<u8> {
    let document = Document {
        id: &event.id,
        kind: &event.kind,
        project: &event.project,
        room: event.room.as_deref(),
        participant: event.participant.as_deref(),
        created_at: &event.created_at,
        attempt: event.attempt,
        deadline_ms: event.deadline_ms,
        attributes: event.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
        event: serde_json::from_str(&event.json).ok(),
        raw: &event.json,
        kv,
    };
    // Texts and numbers alone: there is nothing in it that cannot be written.
    serde_json::to_vec(&document).unwrap_or_default()
}

/// The document of a check: that of an event of a kind which no LiveKit sends.
pub(in crate::invoke) fn check_document() -> Vec<u8> {
    let event = wit::Event {
        id: CHECK.to_owned(),
        kind: CHECK.to_owned(),
        project: String::new(),
        room: None,
        participant: None,
        created_at: String::new(),
        attempt: 1,
        deadline_ms: 0,
        json: "{}".to_owned(),
        attributes: Vec::new(),
    };
    document(&event, &Values::new())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::keys::Content;
    use super::*;

    #[test]
    fn the_document_has_the_body_parsed_and_as_it_was_signed() {
        let raw = r#"{"event":"room_started", "id":"EV_1", "createdAt":"1795429074", "n":12345678901234567890123}"#;
        let event = wit::Event {
            id: "EV_1".to_owned(),
            kind: "room_started".to_owned(),
            project: "default".to_owned(),
            room: Some("stand \"up\"".to_owned()),
            participant: None,
            created_at: "2026-11-23T10:17:54Z".to_owned(),
            attempt: 2,
            deadline_ms: 5_000,
            json: raw.to_owned(),
            attributes: vec![("ordering-key".to_owned(), "stand-up".to_owned())],
        };
        let of_bucket = [("n".to_owned(), Content(Some(b"7".to_vec()))), ("none".to_owned(), Content(None))];
        let kv = [("usage".to_owned(), of_bucket.into())].into();
        let text = String::from_utf8(document(&event, &kv)).unwrap();
        assert!(text.contains(&format!("\"event\":{raw}")), "digits and spaces stay: {text}");
        let mut document: Value = serde_json::from_str(&text).unwrap();
        document["event"].take();
        assert_eq!(
            document,
            json!({
                "id": "EV_1", "kind": "room_started", "project": "default", "room": "stand \"up\"", "participant": null,
                "created_at": "2026-11-23T10:17:54Z", "attempt": 2, "deadline_ms": 5_000,
                "attributes": {"ordering-key": "stand-up"}, "event": null, "raw": raw,
                "kv": {"usage": {"n": "7", "none": null}},
            })
        );
    }

    #[test]
    fn a_check_is_a_document_like_others() {
        let document: Value = serde_json::from_slice(&check_document()).unwrap();
        assert_eq!((&document["kind"], &document["event"]), (&json!("roomwire.check"), &json!({})));
    }
}
