//! What the headers of a refused request say, and that they can be read back.

use proptest::prelude::*;

use super::*;

fn refused() -> Quarantined {
    Quarantined {
        class: Class::Named,
        reason: "bad_signature".to_owned(),
        words: "bad signature for API key \"devkey\"".to_owned(),
        received_at_ms: 1_795_429_840_138,
        peer: "127.0.0.1:40000".to_owned(),
        path: "/livekit".to_owned(),
        token: Some("a.b.c".to_owned()),
        content_type: Some("application/webhook+json".to_owned()),
        user_agent: None,
        traceparent: None,
        claimed: Claimed { id: Some("EV_1".to_owned()), ..Claimed::default() },
        kept: Kept::Whole,
    }
}

fn read(headers: &[(&'static str, String)]) -> Result<Quarantined, DecodeError> {
    Quarantined::from_headers(|name| headers.iter().find(|(have, _)| *have == name).map(|(_, value)| value.as_str()))
}

#[test]
fn the_headers_are_those_of_the_documentation() {
    let headers = refused().headers();
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let expected = [
        ("Rw-Class", "named"),
        ("Rw-Received-At", "2026-11-23T10:30:40.138Z"),
        ("Rw-Reason", "bad_signature"),
        ("Rw-Reason-Text", "bad%20signature%20for%20API%20key%20\"devkey\""),
        ("Rw-Peer", "127.0.0.1:40000"),
        ("Rw-Path", "/livekit"),
        ("Rw-Authorization", "a.b.c"),
        ("Rw-Content-Type", "application/webhook+json"),
        ("Rw-Claimed-Id", "EV_1"),
    ];
    assert_eq!(headers, expected);
}

#[test]
fn subjects_say_class_and_reason() {
    let prefix = Prefix::default();
    assert_eq!(refused().subject(&prefix), "rw.quarantine.named.bad_signature");
    assert_eq!(of_class(&prefix, Class::Unknown), "rw.quarantine.unknown.>");
}

#[test]
fn the_same_request_has_the_same_id_and_another_token_or_body_another() {
    let id = refused().message_id(b"body");
    assert_eq!(id, Quarantined { received_at_ms: 1, ..refused() }.message_id(b"body"));
    assert_ne!(id, refused().message_id(b"bod"));
    assert_ne!(id, Quarantined { token: Some("a.b.cbody".to_owned()), ..refused() }.message_id(b""));
    let without = |byte| Quarantined { kept: Kept::WithoutFields { sha256: BodyHash([byte; 32]) }, ..refused() };
    assert_ne!(without(1).message_id(b"body"), without(2).message_id(b"body"));
}

#[test]
fn the_largest_headers_fit_the_room_that_is_kept_for_them() {
    let long = || "\u{1}".repeat(99_999);
    let largest = Quarantined {
        reason: long(),
        words: long(),
        peer: long(),
        path: long(),
        token: Some(long()),
        content_type: Some(long()),
        user_agent: Some(long()),
        traceparent: Some(long()),
        claimed: Claimed { id: Some(long()), kind: Some(long()), key: Some(long()), api_key: Some(long()) },
        kept: Kept::Cut { bytes: Some(u64::MAX) },
        ..refused()
    };
    let bytes: usize = largest.headers().iter().map(|(name, value)| name.len() + value.len() + 4).sum();
    assert!(bytes < header::ROOM, "{bytes}");
}

#[test]
fn a_message_that_no_receiver_wrote_is_refused_with_the_header_that_is_wrong() {
    for name in [RW_CLASS, RW_REASON, RW_REASON_TEXT, RW_PEER, RW_PATH, header::RW_RECEIVED_AT] {
        let without: Vec<_> = refused().headers().into_iter().filter(|(have, _)| *have != name).collect();
        assert_eq!(read(&without), Err(DecodeError::Missing { name }));
    }
    assert_eq!(
        "known".parse::<Class>().unwrap_err().to_string(),
        "`known` is no class of refused requests: write signed, named or unknown"
    );
}

#[test]
fn the_shares_of_the_classes_are_all_that_there_is() {
    let shares: Vec<u64> = Class::ALL.into_iter().map(|class| class.share(256 << 20)).collect();
    assert_eq!(shares, [64 << 20, 128 << 20, 64 << 20]);
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z_]{1,20}", "\\PC{0,40}", "(?s).{0,40}"]
}

fn maybe_text() -> impl Strategy<Value = Option<String>> {
    proptest::option::of(any_text())
}

fn any_kept() -> impl Strategy<Value = Kept> {
    prop_oneof![
        Just(Kept::Whole),
        any::<[u8; 32]>().prop_map(|hash| Kept::WithoutFields { sha256: BodyHash(hash) }),
        any::<Option<u64>>().prop_map(|bytes| Kept::Cut { bytes }),
    ]
}

proptest! {
    #[test]
    fn every_refused_request_survives_its_headers(
        class in 0..3_usize, texts in [any_text(), any_text(), any_text(), any_text()],
        maybe in [maybe_text(), maybe_text(), maybe_text(), maybe_text()],
        claimed in [maybe_text(), maybe_text(), maybe_text(), maybe_text()],
        received_at_ms in 0..4_000_000_000_000_u64, kept in any_kept(),
    ) {
        let [reason, words, peer, path] = texts;
        let [token, content_type, user_agent, traceparent] = maybe;
        let [id, kind, key, api_key] = claimed;
        let refused = Quarantined {
            class: Class::ALL[class], reason, words, received_at_ms, peer, path, token, content_type, user_agent, traceparent,
            claimed: Claimed { id, kind, key, api_key }, kept,
        };
        let headers = refused.headers();
        prop_assert!(headers.iter().all(|(_, value)| value.bytes().all(|b| (0x21..=0x7e).contains(&b))));
        prop_assert_eq!(read(&headers).unwrap(), refused);
    }
}
