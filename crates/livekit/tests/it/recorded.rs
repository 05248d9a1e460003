//! Requests recorded from a real livekit-server and from LiveKit's own sender.

use std::collections::BTreeSet;
use std::path::Path;

use livekit::body;
use livekit::generate::KINDS;
use livekit::recording::{Freshener, Recorded, parse};
use livekit::token::{Keys, Secret, verify};

const RECORDINGS: [&str; 4] = [
    "livekit-1.11.0/meeting.jsonl",
    "livekit-1.11.0/two-rooms-and-abort.jsonl",
    "livekit-1.11.0/retries.jsonl",
    "livekit-sender-1.54.0-all-types.jsonl",
];

fn recorded() -> Vec<Recorded> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testkit/fixtures");
    let text = |name| std::fs::read_to_string(folder.join(name)).unwrap();
    RECORDINGS.into_iter().flat_map(|name| parse(&text(name)).unwrap()).collect()
}

fn keys() -> Keys {
    [("devkey".to_owned(), Secret::new("secretsecretsecretsecretsecretsecret").unwrap())].into_iter().collect()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the recordings are of this century")]
fn received_at(recorded: &Recorded) -> u64 {
    recorded.received_at as u64
}

#[test]
fn each_recorded_request_verifies_at_its_time_and_not_ten_minutes_later() {
    let recorded = recorded();
    assert_eq!(recorded.len(), 118);
    for request in recorded {
        let verify = |now| verify(&keys(), request.header("authorization"), request.body.as_bytes(), now, 60);
        assert_eq!(verify(received_at(&request)).unwrap().api_key, "devkey");
        assert_eq!(verify(received_at(&request) + 600).unwrap_err().reason(), "expired");
    }
}

#[test]
fn every_type_is_among_them_and_each_body_is_understood() {
    let mut kinds = BTreeSet::new();
    for request in recorded() {
        let facts = body::inspect(request.body.as_bytes()).unwrap();
        assert!(facts.id.as_str().starts_with("EV_") && facts.created_at > 1_795_000_000, "{facts:?}");
        assert!(facts.room.is_some() && facts.key.as_str() != "default", "{facts:?}");
        kinds.insert(facts.kind);
    }
    let expected: BTreeSet<String> = KINDS.into_iter().chain(["a_type_nobody_knows_yet"]).map(str::to_owned).collect();
    assert_eq!(kinds, expected);
}

#[test]
fn a_freshened_recording_differs_in_nothing_but_ids_and_times_and_keeps_its_repeats() {
    let recorded = recorded();
    let mut freshener = Freshener::new();
    let ids = |bodies: &[String]| -> Vec<String> {
        bodies.iter().map(|body| body::inspect(body.as_bytes()).unwrap().id.to_string()).collect()
    };
    let old: Vec<String> = recorded.iter().map(|request| request.body.clone()).collect();
    let fresh: Vec<String> = old.iter().map(|body| freshener.body(body, 1_900_000_000)).collect();
    let (old_ids, fresh_ids) = (ids(&old), ids(&fresh));
    for (n, body) in fresh.iter().enumerate() {
        let facts = body::inspect(body.as_bytes()).unwrap();
        assert_eq!(facts.created_at, 1_900_000_000);
        let created_at = body::inspect(old[n].as_bytes()).unwrap().created_at.to_string();
        let back = body
            .replace(&fresh_ids[n], &old_ids[n])
            .replace("\"createdAt\":\"1900000000\"", &format!("\"createdAt\":\"{created_at}\""));
        assert_eq!(back, old[n]);
        for m in 0..n {
            assert_eq!(old_ids[n] == old_ids[m], fresh_ids[n] == fresh_ids[m]);
        }
    }
}
