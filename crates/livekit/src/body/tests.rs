//! Bodies as LiveKit sends them, as it might one day, and as it never would.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn key(extra: &serde_json::Value) -> String {
    let mut body = json!({"event": "x", "id": "EV_1"});
    for (name, value) in extra.as_object().unwrap() {
        body[name] = value.clone();
    }
    inspect(body.to_string().as_bytes()).unwrap().key.to_string()
}

#[test]
fn the_key_follows_livekits_rule_then_the_agents_job() {
    let room = json!({"name": "r", "sid": "RM_1"});
    for (extra, expected) in [
        (json!({}), "default"),
        (json!({"job": {"id": "AJ_1"}}), "AJ_1"),
        (json!({"job": {"id": "AJ_1", "room": {"name": "j"}}}), "j"),
        (json!({"track": {"sid": "TR_1"}, "job": {"id": "AJ_1"}}), "TR_1"),
        (json!({"participant": {"identity": "p"}, "track": {"sid": "TR_1"}}), "p"),
        (json!({"room": room, "participant": {"identity": "p"}}), "r"),
        (json!({"room": room, "ingressInfo": {"ingressId": "IN_1"}}), "IN_1"),
        (json!({"room": room, "egressInfo": {"egressId": "EG_1"}, "ingressInfo": {"ingressId": "IN_1"}}), "EG_1"),
        (json!({"room": room, "egressInfo": {"egressId": ""}}), "r"),
        (json!({"room": {"name": ""}, "participant": {"identity": "p"}}), "p"),
        (json!({"room": "r", "participant": ["p"], "track": {"sid": 7}, "job": null}), "default"),
    ] {
        assert_eq!(key(&extra), expected, "{extra}");
    }
}

#[test]
fn the_facts_are_those_of_the_body() {
    let body = br#"{"event":"participant_joined", "room":{"sid":"RM_1", "name":"r"},
        "participant":{"identity":"p"}, "new":[1,{"id":2}], "id":"EV_1", "createdAt":"1795429840"}"#;
    let facts = inspect(body).unwrap();
    assert_eq!(
        (facts.id.as_str(), facts.kind.as_str(), facts.created_at),
        ("EV_1", "participant_joined", 1_795_429_840)
    );
    assert_eq!((facts.room.as_deref(), facts.room_sid.as_deref()), (Some("r"), Some("RM_1")));
    assert_eq!(facts.participant.as_deref(), Some("p"));
}

#[test]
fn who_and_where_it_is_about_is_read_alone_as_with_the_rest() {
    let room = json!({"name": "r", "sid": "RM_1"});
    for extra in [
        json!({}),
        json!({"room": room, "participant": {"identity": "p"}, "job": {"room": {"name": "j", "sid": "RM_2"}}}),
        json!({"job": {"id": "AJ_1", "room": {"name": "j", "sid": "RM_2"}}}),
        json!({"room": {"name": "", "sid": 7}, "participant": ["p"], "job": {"room": {"name": "j"}}}),
    ] {
        let mut body = json!({"event": "x", "id": "EV_1"});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let facts = inspect(body.to_string().as_bytes()).unwrap();
        let Subject { room, room_sid, participant } = subject(body.to_string().as_bytes());
        assert_eq!((room, room_sid, participant), (facts.room, facts.room_sid, facts.participant), "{extra}");
    }
    assert_eq!(subject(b"[1]"), Subject::default());
    assert_eq!(subject(b"{\"room\":{\"name\":\"r\"}"), Subject::default(), "cut off");
}

#[test]
fn created_at_is_read_as_text_and_number_and_is_0_otherwise() {
    for (value, expected) in
        [("\"7\"", 7), ("7", 7), ("\"-7\"", -7), ("null", 0), ("\"soon\"", 0), ("[]", 0), ("99999999999999999999", 0)]
    {
        let body = format!(r#"{{"event":"x","id":"EV_1","createdAt":{value}}}"#);
        assert_eq!(inspect(body.as_bytes()).unwrap().created_at, expected, "{value}");
    }
}

#[test]
fn what_is_no_event_is_refused_with_its_reason() {
    let long = "x".repeat(1025);
    for (body, expected) in [
        ("", "bad_json"),
        ("[]", "bad_json"),
        ("null", "bad_json"),
        ("\"text\"", "bad_json"),
        ("{\"id\":\"EV_1\",\"event\":\"x\"", "bad_json"),
        ("{\"id\":\"EV_1\",\"event\":\"x\"} x", "bad_json"),
        ("\u{feff}{\"id\":\"EV_1\",\"event\":\"x\"}", "bad_json"),
        ("{}", "no_id"),
        (r#"{"event":"x"}"#, "no_id"),
        (r#"{"id":null,"event":"x"}"#, "no_id"),
        (r#"{"id":7,"event":"x"}"#, "no_id"),
        (r#"{"id":"","event":"x"}"#, "no_id"),
        (&format!(r#"{{"id":"{long}","event":"x"}}"#), "no_id"),
        (r#"{"id":"EV_1"}"#, "no_event"),
        (r#"{"id":"EV_1","event":{}}"#, "no_event"),
        (r#"{"id":"EV_1","event":""}"#, "no_event"),
        (&format!(r#"{{"id":"EV_1","event":"{long}"}}"#), "no_event"),
    ] {
        assert_eq!(inspect(body.as_bytes()).unwrap_err().reason(), expected, "{body}");
    }
    assert_eq!(inspect(b"{\"id\":\"EV_1\",\"event\":\"\xff\"}").unwrap_err().reason(), "bad_json");
}

#[test]
fn every_reason_is_listed() {
    let listed = |refusal: &Refusal| Refusal::REASONS.contains(&refusal.reason());
    assert!(listed(&inspect(b"").unwrap_err()) && listed(&inspect(b"{}").unwrap_err()) && listed(&Refusal::NoHeader));
}

proptest! {
    #[test]
    fn no_bytes_make_it_fail_otherwise(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _either = inspect(&body);
    }

    #[test]
    fn any_texts_of_id_and_name_come_back_as_they_were(id in "(?s).{1,60}", kind in "(?s).{1,60}", room in "(?s).{1,60}") {
        let body = json!({"id": id, "event": kind, "room": {"name": room}}).to_string();
        let facts = inspect(body.as_bytes()).unwrap();
        prop_assert_eq!((facts.id.as_str(), &facts.kind, facts.key.as_str()), (id.as_str(), &kind, room.as_str()));
    }
}
