//! What the feed says of a death, and under which id.

use std::sync::Arc;

use bytes::Bytes;
use event::Prefix;
use lanes::Identity;

use super::{Death, cut, id_part};
use crate::{Event, Headers};

fn event(headers: &str) -> Event {
    Event {
        seq: 7,
        project: "default".into(),
        kind: "room_started".into(),
        headers: Headers::from_json(headers),
        body: Bytes::from_static(b"{}"),
        identity: Identity { project: "default".into(), created: 1, id: "EV_a".into() },
        key: "room".into(),
        received_at_ms: 5,
    }
}

fn death<'a>(prefix: &'a Prefix, event: &'a Event) -> Death<'a> {
    Death {
        prefix,
        handler: "billing",
        run: crate::LIVE,
        n: 1,
        event,
        cause: "trap",
        message: "broke\r\nEvil: 1",
        attempts: 3,
        digest: "sha256:abc",
        first_at: 1_700_000_000_000,
        died_at: 1_700_000_000_250,
    }
}

#[test]
fn the_feed_keeps_the_event_s_headers_but_its_message_id_and_adds_its_own() {
    let (prefix, event) = (Prefix::default(), event(r#"{"nats-msg-id":"EV_a","ce-id":"EV_a","Many":["1","2"],"n":3}"#));
    let notice = death(&prefix, &event).notice().unwrap();
    assert_eq!(
        (notice.subject.as_str(), notice.msg_id.as_str()),
        ("rw.dead.billing.room_started", "dead/billing/EV_a/1")
    );
    let headers: Vec<_> = notice.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(
        headers,
        [
            ("Many", "1"),
            ("Many", "2"),
            ("ce-id", "EV_a"),
            ("n", "3"),
            ("Rw-Handler", "billing"),
            ("Rw-Cause", "trap"),
            ("Rw-Error", "broke%0D%0AEvil:%201"),
            ("Rw-Attempts", "3"),
            ("Rw-Plugin-Digest", "sha256:abc"),
            ("Rw-First-Attempt-At", "2023-11-14T22:13:20.000Z"),
            ("Rw-Died-At", "2023-11-14T22:13:20.250Z"),
        ]
    );
}

#[test]
fn a_dead_letter_of_a_dead_letter_is_not_published() {
    let (prefix, event) = (Prefix::default(), event(r#"{"rw-died-at":"2023-11-14T22:13:20.250Z"}"#));
    assert_eq!(death(&prefix, &event).notice(), None);
}

#[test]
fn the_id_tells_projects_runs_and_deaths_apart() {
    let (prefix, mut event) = (Prefix::default(), event("{}"));
    event.project = "eu".into();
    event.identity.id = Arc::from("a/b c");
    let death = Death { run: "again", n: 2, ..death(&prefix, &event) };
    assert_eq!(death.id(), "dead/billing/eu/a%2Fb%20c/again/2");
    assert_eq!(id_part("ü"), "%C3%BC");
}

#[test]
fn broken_headers_do_not_keep_a_dead_letter_from_the_feed() {
    let (prefix, event) = (Prefix::default(), event("not json"));
    assert_eq!(death(&prefix, &event).notice().unwrap().headers.len(), 7);
}

#[test]
fn a_long_text_is_cut_between_characters() {
    assert_eq!(cut("short"), "short");
    let long = format!("x{}", "ü".repeat(2000));
    assert_eq!(cut(&long).len(), 1023);
}
