//! What the headers of an event say, and that they can be read back.

use proptest::prelude::*;

use super::*;

fn envelope() -> Envelope {
    Envelope {
        id: EventId::try_from("EV_i7CSVVhQvf2A").unwrap(),
        kind: "room_started".to_owned(),
        project: Project::default(),
        key: OrderingKey::try_from("lk room/0 ü").unwrap(),
        created_at: 1_795_429_840,
        received_at_ms: 1_795_429_840_138,
        api_key: "devkey".to_owned(),
        content_type: Some("application/webhook+json".to_owned()),
        user_agent: Some("LiveKit".to_owned()),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        spooled: false,
        body_sha256: None,
    }
}

fn read(headers: &[(&'static str, String)]) -> Result<Envelope, DecodeError> {
    Envelope::from_headers(|name| headers.iter().find(|(have, _)| *have == name).map(|(_, value)| value.as_str()))
}

#[test]
fn the_headers_are_those_of_the_documentation() {
    let expected = [
        ("Nats-Msg-Id", "EV_i7CSVVhQvf2A"),
        ("ce-specversion", "1.0"),
        ("ce-id", "EV_i7CSVVhQvf2A"),
        ("ce-type", "room_started"),
        ("ce-source", "livekit/default"),
        ("ce-subject", "lk%20room/0%20%C3%BC"),
        ("Rw-Project", "default"),
        ("Rw-Key", "lk%20room/0%20%C3%BC"),
        ("Rw-Received-At", "2026-11-23T10:30:40.138Z"),
        ("Rw-Api-Key", "devkey"),
        ("ce-time", "2026-11-23T10:30:40Z"),
        ("Rw-Content-Type", "application/webhook+json"),
        ("Rw-User-Agent", "LiveKit"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ];
    let headers = envelope().headers();
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(headers, expected);
}

#[test]
fn what_an_event_does_not_have_has_no_header() {
    let bare = Envelope { created_at: 0, content_type: None, user_agent: None, traceparent: None, ..envelope() };
    let names: Vec<_> = bare.headers().into_iter().map(|(name, _)| name).collect();
    for absent in [
        header::CE_TIME,
        header::RW_CONTENT_TYPE,
        header::RW_USER_AGENT,
        header::TRACEPARENT,
        header::RW_SPOOLED,
        header::RW_BODY_SHA256,
    ] {
        assert!(!names.contains(&absent), "{absent}");
    }
    assert_eq!(read(&bare.headers()).unwrap(), bare);
}

#[test]
fn a_time_that_is_no_date_is_left_out_rather_than_refused() {
    for created_at in [-1, i64::MIN, i64::MAX] {
        let headers = Envelope { created_at, ..envelope() }.headers();
        assert_eq!(read(&headers).unwrap().created_at, 0);
    }
}

#[test]
fn no_id_of_one_project_can_look_like_one_of_another() {
    let message_id = |project: &str, id: &str| {
        let (id, project) = (EventId::try_from(id).unwrap(), Project::try_from(project).unwrap());
        Envelope { id, project, ..envelope() }.message_id()
    };
    assert_eq!(message_id("default", "EV_1"), "EV_1");
    assert_eq!(message_id("acme", "EV_1"), "acme/EV_1");
    assert_eq!(message_id("default", "acme/EV_1"), "acme%2FEV_1");
    assert_eq!(message_id("acme", "b/EV_1"), "acme/b%2FEV_1");
}

#[test]
fn the_largest_event_fits_the_room_that_is_kept_for_headers() {
    let largest = Envelope {
        id: EventId::try_from("\u{1}".repeat(512)).unwrap(),
        kind: "\u{1}".repeat(MAX_KIND_BYTES),
        project: Project::try_from("p".repeat(64)).unwrap(),
        key: OrderingKey::try_from("\u{1}".repeat(OrderingKey::MAX_BYTES)).unwrap(),
        api_key: "\u{1}".repeat(256),
        content_type: Some("\u{1}".repeat(9999)),
        user_agent: Some("ü".repeat(9999)),
        traceparent: Some("\u{1}".repeat(9999)),
        spooled: true,
        body_sha256: Some(BodyHash([0xff; 32])),
        ..envelope()
    };
    let bytes: usize = largest.headers().iter().map(|(name, value)| name.len() + value.len() + 4).sum();
    assert!(bytes < header::ROOM, "{bytes}");
}

#[test]
fn a_message_that_no_receiver_wrote_is_refused_with_the_header_that_is_wrong() {
    let without =
        |name: &str| read(&envelope().headers().into_iter().filter(|(have, _)| *have != name).collect::<Vec<_>>());
    for name in [header::CE_ID, header::CE_TYPE, header::RW_PROJECT, header::RW_KEY, header::RW_RECEIVED_AT] {
        assert_eq!(without(name), Err(DecodeError::Missing { name }));
    }
    let with = |name: &'static str, value: &str| {
        let mut headers = envelope().headers();
        headers.retain(|(have, _)| *have != name);
        headers.push((name, value.to_owned()));
        read(&headers).unwrap_err().to_string()
    };
    assert_eq!(with(header::CE_ID, ""), "the header ce-id has a bad value");
    assert_eq!(with(header::RW_PROJECT, "Not A Project"), "the header Rw-Project has a bad value");
    assert_eq!(with(header::RW_KEY, "%ff"), "the header Rw-Key is not percent-encoded UTF-8: \"%ff\"");
    assert_eq!(
        with(header::RW_BODY_SHA256, "7"),
        "the header Rw-Body-Sha256 is not a SHA-256 of 64 lower-case hex digits: \"7\""
    );
    assert_eq!(with(header::CE_TIME, "soon"), "the header ce-time is not a time of RFC 3339: \"soon\"");
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z_]{1,20}", "\\PC{1,40}", "(?s).{1,40}"]
}

proptest! {
    #[test]
    fn every_envelope_survives_its_headers(
        id in any_text(), kind in any_text(), key in any_text(), api_key in any_text(), project in "[a-z0-9_-]{1,64}",
        created_at in 0..4_000_000_000_i64, received_at_ms in 0..4_000_000_000_000_u64,
        content_type in proptest::option::of(any_text()), user_agent in proptest::option::of(any_text()), spooled: bool,
        hash: Option<[u8; 32]>,
    ) {
        let envelope = Envelope {
            id: EventId::try_from(id).unwrap(),
            kind,
            project: Project::try_from(project).unwrap(),
            key: OrderingKey::try_from(key).unwrap(),
            created_at, received_at_ms, api_key, content_type, user_agent, traceparent: None, spooled,
            body_sha256: hash.map(BodyHash),
        };
        let headers = envelope.headers();
        prop_assert!(headers.iter().all(|(_, value)| value.bytes().all(|b| (0x21..=0x7e).contains(&b))));
        prop_assert_eq!(read(&headers).unwrap(), envelope);
    }

    #[test]
    fn any_headers_of_somebody_else_are_an_event_or_an_error_of_one_line(
        values in proptest::collection::vec(proptest::option::of(prop_oneof![
            any_text(), "[ -~]{0,30}", "(%[0-9a-fA-F]{2}|%){1,9}", "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", "default",
        ]), 11),
    ) {
        const NAMES: [&str; 11] = [
            header::CE_ID, header::CE_TYPE, header::CE_TIME, header::RW_PROJECT, header::RW_KEY, header::RW_RECEIVED_AT,
            header::RW_API_KEY, header::RW_USER_AGENT, header::TRACEPARENT, header::RW_SPOOLED, header::RW_BODY_SHA256,
        ];
        let get = |name: &str| NAMES.iter().position(|known| *known == name).and_then(|at| values[at].as_deref());
        match Envelope::from_headers(get) {
            Ok(envelope) => prop_assert!(read(&envelope.headers()).is_ok()),
            Err(error) => prop_assert!(!error.to_string().contains(['\r', '\n'])),
        }
        if let Err(error) = crate::quarantine::Quarantined::from_headers(get) {
            prop_assert!(!error.to_string().contains(['\r', '\n']));
        }
    }
}
