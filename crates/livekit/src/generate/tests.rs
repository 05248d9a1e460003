//! Generated bodies are read as their type's recorded ones are.

use event::OrderingKey;

use super::*;
use crate::body;

fn names() -> Names {
    Names { now_ms: 1_795_429_840_138, ..Names::new("lk \"room\" ü", "alice") }
}

#[test]
fn each_type_has_the_key_that_livekit_orders_it_by() {
    let names = names();
    for kind in KINDS {
        let facts = body::inspect(event(kind, &names).as_bytes()).unwrap();
        let key = match kind.split('_').next().unwrap() {
            "egress" => &names.egress_id,
            "ingress" => &names.ingress_id,
            _ => &names.room,
        };
        assert_eq!(facts.key, OrderingKey::try_from(key.as_str()).unwrap(), "{kind}");
        assert_eq!((facts.kind.as_str(), facts.created_at), (kind, 1_795_429_840));
        assert_eq!(facts.room.as_deref(), Some("lk \"room\" ü"), "{kind}");
    }
}

#[test]
fn each_event_has_an_id_of_its_own_in_livekits_form() {
    let (a, b) = (event("room_started", &names()), event("room_started", &names()));
    let id = |body: &str| body::inspect(body.as_bytes()).unwrap().id;
    assert_ne!(id(&a), id(&b));
    let random = id(&a).as_str().strip_prefix("EV_").unwrap().to_owned();
    assert!(
        random.len() == 12 && random.chars().all(|c| c.is_ascii_alphanumeric() && !"01IOl".contains(c)),
        "{random}"
    );
}

#[test]
fn empty_values_are_left_out_and_64_bit_numbers_are_texts() {
    let body = event("egress_started", &names());
    assert!(!body.contains("status"), "EGRESS_STARTING is the zero value: {body}");
    assert!(body.contains(r#""startedAt":"1795429840138000000""#), "{body}");
    let left_out = event("participant_joined", &Names { now_ms: 0, ..names() });
    assert!(!left_out.contains("joinedAt") && !left_out.contains("createdAt"), "{left_out}");
}

#[test]
fn both_spacings_of_commas_are_the_same_json() {
    let names = names();
    let compact = event("participant_left", &names);
    let spaced = event("participant_left", &Names { spaced: true, ..names });
    assert!(!compact.contains(", ") && spaced.contains(", ") && !spaced.contains(": "));
    let but_the_id = |body: &str| {
        let mut value: serde_json::Value = serde_json::from_str(body).unwrap();
        value["id"].take();
        value
    };
    assert_eq!(but_the_id(&compact), but_the_id(&spaced));
}

#[test]
fn a_meeting_starts_joins_publishes_leaves_and_ends_in_one_room() {
    let bodies = meeting("standup", 2);
    let kinds: Vec<_> = bodies.iter().map(|body| body::inspect(body.as_bytes()).unwrap().kind).collect();
    let expected = [
        "room_started",
        "participant_joined",
        "track_published",
        "participant_joined",
        "track_published",
        "track_unpublished",
        "participant_left",
        "track_unpublished",
        "participant_left",
        "room_finished",
    ];
    assert_eq!(kinds, expected);
}
