//! Generated events are as partial as those that a livekit-server sent.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use livekit::generate::{Names, event};
use livekit::recording::parse;
use serde_json::Value;

/// Those of a real server; the fourth recording is of generated events.
const RECORDINGS: [&str; 3] = ["meeting", "two-rooms-and-abort", "retries"];

/// What came after the server that was recorded.
const NEWER: [&str; 1] = ["roomEndReason"];

/// What nobody had given to the one recorded participant who never got in, nor to that room.
const GIVEN: [&str; 3] = ["participant.name", "participant.clientProtocol", "room.metadata"];

/// The places of all values: `room.enabledCodecs.mime`.
fn places(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let below = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
                places(value, &below, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| places(item, at, found)),
        _ => {
            found.insert(at.to_owned());
        }
    }
}

fn places_of(body: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    places(&serde_json::from_str(body).unwrap(), "", &mut found);
    found
}

/// By type: what every recorded event has, and what some have.
fn recorded() -> BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)> {
    let mut kinds = BTreeMap::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testkit/fixtures/livekit-1.11.0");
    for name in RECORDINGS {
        let text = std::fs::read_to_string(folder.join(format!("{name}.jsonl"))).unwrap();
        for request in parse(&text).unwrap() {
            let (places, kind) =
                (places_of(&request.body), livekit::body::inspect(request.body.as_bytes()).unwrap().kind);
            let (every, some) = kinds.entry(kind).or_insert_with(|| (places.clone(), BTreeSet::new()));
            every.retain(|place| places.contains(place));
            some.extend(places);
        }
    }
    kinds
}

#[test]
fn each_type_has_the_objects_that_a_real_server_sends_and_no_field_that_it_does_not_send() {
    let kinds = recorded();
    assert_eq!(kinds.len(), 7, "{:?}", kinds.keys());
    for (kind, (_, some)) in &kinds {
        let generated = places_of(&event(kind, &Names::new("room", "somebody")));
        let strange: Vec<_> = generated
            .iter()
            .filter(|place| !some.contains(*place) && !NEWER.contains(&place.as_str()))
            .filter(|place| kind != "participant_connection_aborted" || !GIVEN.contains(&place.as_str()))
            .collect();
        assert_eq!(strange, [""; 0], "{kind} has what no server sends");
    }
}

#[test]
fn rooms_are_whole_but_in_track_events_where_participants_are_just_named_too() {
    for (kind, (every, _)) in recorded() {
        let generated = places_of(&event(&kind, &Names::new("room", "somebody")));
        let of = |places: &BTreeSet<String>, object: &str| -> BTreeSet<String> {
            places.iter().filter(|place| place.starts_with(object)).cloned().collect()
        };
        // The title of a room was set in some recordings only.
        let mut room = of(&generated, "room.");
        room.remove("room.metadata");
        assert_eq!(room, of(&every, "room."), "{kind}");
        if kind.starts_with("track_") {
            assert_eq!(of(&generated, "participant."), of(&every, "participant."), "{kind}");
        }
    }
}
