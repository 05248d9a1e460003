//! What is kept of which request.

use hyper::Request as HttpRequest;
use livekit::token::{Secret, sign};

use super::*;
use crate::webhook::text;

const SECRET: &str = "secretsecretsecretsecretsecretsecret";
const NOW: u64 = 1_795_429_840;
const BODY: &str = r#"{"event":"room_started","room":{"name":"r","metadata":"m"},"id":"EV_1"}"#;

fn keys() -> Keys {
    [("devkey".to_owned(), Secret::new(SECRET).unwrap())].into_iter().collect()
}

fn kept(drop: &[&str], refusal: &Refusal, key: &str, body: &str) -> (Quarantined, Bytes) {
    let token = sign(key, &Secret::new(SECRET).unwrap(), body.as_bytes(), NOW);
    let request = HttpRequest::post("/livekit?x=1").header("authorization", token).body(()).unwrap();
    let (parts, ()) = request.into_parts();
    let privacy = Privacy::new(drop.iter().map(|&name| name.to_owned()));
    let body = Bytes::copy_from_slice(body.as_bytes());
    let request = Request { parts: &parts, body: &body, peer: "127.0.0.1:40000".parse().unwrap(), at_ms: NOW * 1000 };
    let (record, left) = record(&keys(), &privacy, refusal, &request);
    assert_eq!(record.token.as_deref(), text(&parts, &AUTHORIZATION).as_deref());
    (record, left)
}

fn expired() -> Refusal {
    Refusal::Expired { by_s: 12, leeway_s: 60 }
}

#[test]
fn a_request_is_kept_whole_with_why_it_was_refused_and_what_it_says_of_itself() {
    let (record, body) = kept(&[], &expired(), "devkey", BODY);
    assert_eq!((record.class, record.reason.as_str(), record.kept), (Class::Signed, "expired", Kept::Whole));
    assert!(record.words.starts_with("the token expired 12 s ago"), "{}", record.words);
    assert_eq!((record.peer.as_str(), record.path.as_str()), ("127.0.0.1:40000", "/livekit"));
    let claimed = |text: &str| Some(text.to_owned());
    let expected =
        Claimed { id: claimed("EV_1"), kind: claimed("room_started"), key: claimed("r"), api_key: claimed("devkey") };
    assert_eq!((record.claimed, body), (expected, Bytes::from_static(BODY.as_bytes())));
}

#[test]
fn the_body_of_an_unknown_sender_is_cut_and_that_of_a_known_one_is_not() {
    let long = format!("{}{}", " ".repeat(BEGINNING), BODY);
    let refusal = Refusal::UnknownKey { key: "nobody".to_owned(), known: Vec::new() };
    let (record, body) = kept(&[], &refusal, "nobody", &long);
    let whole = long.len() as u64;
    assert_eq!((record.class, record.kept, body.len()), (Class::Unknown, Kept::Cut { bytes: Some(whole) }, BEGINNING));
    assert_eq!(record.claimed.id.as_deref(), Some("EV_1"));
    let (record, body) = kept(&[], &expired(), "devkey", &long);
    assert_eq!((record.kept, body.len()), (Kept::Whole, long.len()));
    assert_eq!(kept(&[], &refusal, "nobody", BODY).0.kept, Kept::Whole, "a short one can be judged again");
}

#[test]
fn of_a_body_that_was_too_large_the_beginning_is_kept_and_it_proves_nothing() {
    let refusal = Refusal::BodyTooLarge { bytes: Some(9_000_000), limit: 100 };
    let (record, body) = kept(&[], &refusal, "devkey", BODY);
    assert_eq!((record.class, record.kept), (Class::Named, Kept::Cut { bytes: Some(9_000_000) }));
    assert_eq!(body, BODY);
}

#[test]
fn dropped_fields_are_in_no_quarantine_and_the_hash_of_the_whole_is() {
    let (record, body) = kept(&["metadata"], &expired(), "devkey", BODY);
    assert_eq!(body, BODY.replace(r#","metadata":"m""#, ""));
    assert_eq!(record.kept, Kept::WithoutFields { sha256: livekit::token::sha256(BODY.as_bytes()) });
    assert_eq!(record.class, Class::Signed);
    assert_eq!(kept(&["streamKey"], &expired(), "devkey", BODY).0.kept, Kept::Whole);
}

#[test]
fn where_fields_are_dropped_a_body_that_cannot_be_read_is_not_kept() {
    let no_json = Refusal::BadJson { what: String::new() };
    let too_large = Refusal::BodyTooLarge { bytes: None, limit: 100 };
    for (refusal, bytes) in [(no_json, Some(17)), (too_large, None)] {
        let (record, body) = kept(&["metadata"], &refusal, "devkey", r#"{"metadata":"m",}"#);
        assert_eq!((record.kept, body), (Kept::Cut { bytes }, Bytes::new()));
    }
}
