//! Tokens accepted and refused, each refusal with its reason.

use ::hmac::{Hmac, KeyInit as _, Mac as _};
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use event::quarantine::Class;
use serde_json::json;
use sha2::Sha512;

use super::*;

const NOW: u64 = 1_795_429_840;
const BODY: &[u8] = br#"{"event":"room_started","id":"EV_1"}"#;
const SECRET: &str = "secretsecretsecretsecretsecretsecret";

fn keys() -> Keys {
    [("devkey", SECRET), ("second", "anothersecretanothersecretanothersecret")]
        .map(|(name, secret)| (name.to_owned(), Secret::new(secret).unwrap()))
        .into_iter()
        .collect()
}

fn hash(body: &[u8]) -> String {
    STANDARD.encode(Sha256::digest(body))
}

/// A token with any header and claims, whether a library would write them or not.
fn forge(header: &serde_json::Value, claims: &serde_json::Value, secret: &str) -> String {
    let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let mac = if header["alg"] == "HS512" {
        Hmac::<Sha512>::new_from_slice(secret.as_bytes())
            .unwrap()
            .chain_update(&message)
            .finalize()
            .into_bytes()
            .to_vec()
    } else {
        Hmac::<Sha256>::new_from_slice(secret.as_bytes())
            .unwrap()
            .chain_update(&message)
            .finalize()
            .into_bytes()
            .to_vec()
    };
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(mac))
}

fn claims(change: &serde_json::Value) -> String {
    let mut claims = json!({"iss": "devkey", "nbf": NOW, "exp": NOW + 300, "iat": NOW, "sha256": hash(BODY)});
    for (name, value) in change.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    forge(&json!({"alg": "HS256", "typ": "JWT"}), &claims, SECRET)
}

fn reason(token: &str, now_s: u64) -> &'static str {
    match verify(&keys(), Some(token), BODY, now_s, 60) {
        Ok(_) => "accepted",
        Err(refusal) => refusal.reason(),
    }
}

#[test]
fn what_is_signed_here_is_accepted_by_the_key_that_signed_it() {
    for name in ["devkey", "second"] {
        let token = sign(name, keys().get(name).unwrap(), BODY, NOW);
        assert_eq!(verify(&keys(), Some(&token), BODY, NOW, 0), Ok(Verified { api_key: name.to_owned() }));
    }
}

#[test]
fn each_claim_follows_its_rule() {
    for (change, expected) in [
        (json!({}), "accepted"),
        (json!({"iat": null}), "accepted"),
        (json!({"iat": NOW + 9999}), "accepted"),
        (json!({"iat": "yesterday"}), "accepted"),
        (json!({"aud": "somebody"}), "accepted"),
        (json!({"aud": ["a", "b"]}), "accepted"),
        (json!({"nbf": null}), "accepted"),
        (json!({"nbf": NOW + 15}), "accepted"),
        (json!({"nbf": NOW + 60}), "accepted"),
        (json!({"nbf": NOW + 61}), "not_yet_valid"),
        (json!({"exp": 1_795_430_140.5}), "accepted"),
        (json!({"exp": NOW - 15}), "accepted"),
        (json!({"exp": NOW - 60}), "accepted"),
        (json!({"exp": NOW - 61}), "expired"),
        (json!({"exp": -1}), "expired"),
        (json!({"exp": null}), "malformed"),
        (json!({"exp": "later"}), "malformed"),
        (json!({"iss": null}), "malformed"),
        (json!({"iss": 7}), "malformed"),
        (json!({"iss": ""}), "unknown_key"),
        (json!({"iss": "nobody"}), "unknown_key"),
        (json!({"iss": "second"}), "bad_signature"),
        (json!({"sha256": null}), "malformed"),
        (json!({"sha256": hash(b"another body")}), "hash_mismatch"),
        (json!({"sha256": format!("{}\n", hash(BODY))}), "malformed"),
        (json!({"sha256": URL_SAFE.encode(Sha256::digest(b"\x01\x02"))}), "malformed"),
        (json!({"sha256": STANDARD_NO_PAD.encode(Sha256::digest(BODY))}), "malformed"),
        (json!({"sha256": format!("{:x}", 7)}), "malformed"),
        (json!({"sha256": STANDARD.encode("short")}), "malformed"),
        (json!({"sha256": ""}), "malformed"),
    ] {
        assert_eq!(reason(&claims(&change), NOW), expected, "{change}");
    }
}

#[test]
fn only_hs256_counts() {
    let good = json!({"iss": "devkey", "exp": NOW + 300, "sha256": hash(BODY)});
    for (alg, expected) in [
        ("HS256", "accepted"),
        ("HS384", "malformed"),
        ("HS512", "malformed"),
        ("none", "malformed"),
        ("RS256", "malformed"),
    ] {
        assert_eq!(reason(&forge(&json!({"alg": alg}), &good, SECRET), NOW), expected, "{alg}");
    }
    let (unsigned, _) = claims(&json!({})).rsplit_once('.').map(|(a, b)| (format!("{a}."), b.to_owned())).unwrap();
    assert_eq!(reason(&unsigned, NOW), "bad_signature");
}

#[test]
fn the_token_may_stand_after_bearer_and_between_spaces() {
    let token = claims(&json!({}));
    for header in [token.clone(), format!("Bearer {token}"), format!("bearer  {token}"), format!(" {token} ")] {
        assert_eq!(reason(&header, NOW), "accepted", "{header}");
    }
    assert_eq!(reason(&format!("Basic {token}"), NOW), "malformed");
}

#[test]
fn what_is_no_token_is_told_from_none_at_all() {
    assert_eq!(verify(&keys(), None, BODY, NOW, 60), Err(Refusal::NoHeader));
    let token = claims(&json!({}));
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    for (text, expected) in [
        ("", "no_header"),
        ("  ", "no_header"),
        ("Bearer ", "malformed"),
        ("x", "malformed"),
        ("a.b.c", "malformed"),
        ("Bäärer x.y.z", "malformed"),
        (&format!("{header}.{payload}"), "malformed"),
        (&format!("{token}.x"), "malformed"),
        (&format!("{header}.{payload}.!"), "malformed"),
        (&format!("{header}.{payload}.{}", "A".repeat(43)), "bad_signature"),
        (&format!("{header}.{payload}.{}", signature.to_lowercase()), "bad_signature"),
    ] {
        assert_eq!(reason(text, NOW), expected, "{text:?}");
    }
}

#[test]
fn a_secret_is_never_empty_and_never_shown() {
    assert_eq!(Secret::new("").unwrap_err(), EmptySecret);
    assert!(!format!("{:?}", keys()).contains("secretsecret"));
    let empty = forge(&json!({"alg": "HS256"}), &json!({"iss": "devkey", "exp": NOW, "sha256": hash(BODY)}), "");
    assert_eq!(reason(&empty, NOW), "bad_signature");
}

#[test]
fn a_refusal_tells_by_how_much() {
    let words =
        |change: serde_json::Value| verify(&keys(), Some(&claims(&change)), BODY, NOW, 60).unwrap_err().to_string();
    assert!(words(json!({"exp": NOW - 312})).starts_with("the token expired 312 s ago, with a leeway of 60 s: "));
    assert!(words(json!({"nbf": NOW + 100})).starts_with("the token is valid in 100 s only, with a leeway of 60 s: "));
    assert!(
        words(json!({"iss": "nobody"}))
            .starts_with("unknown API key \"nobody\", known keys are devkey, second: add it")
    );
}

#[test]
fn a_body_that_was_parsed_and_written_anew_is_recognised() {
    let compact = r#"{"event":"x","room":{"name":"a, b: \"c\"","metadata":"{\"a\": 1}"},"id":"EV_1"}"#;
    let spaced = r#"{"event":"x", "room":{"name":"a, b: \"c\"", "metadata":"{\"a\": 1}"}, "id":"EV_1"}"#;
    let python = r#"{"event": "x", "room": {"name": "a, b: \"c\"", "metadata": "{\"a\": 1}"}, "id": "EV_1"}"#;
    let other = r#"{"event":"y","id":"EV_2"}"#;
    for (signed, received, expected) in [
        (spaced, compact, true),
        (compact, spaced, true),
        (compact, python, true),
        (compact, &format!("{compact}\n"), true),
        ("{\"event\":\"\u{fc}\"}", r#"{"event":"\u00fc"}"#, false),
        ("{\"event\":\"\u{3bb}\"}", r#"{"event":"\u03bb"}"#, true),
        (r#"{"event":"a/b"}"#, r#"{"event":"a\/b"}"#, true),
        (compact, other, false),
        (spaced, other, false),
        (compact, "", false),
        (compact, "no json", false),
    ] {
        let signed = Sha256::digest(signed.as_bytes());
        assert_eq!(reencoded::seems(received.as_bytes(), &signed), expected, "{received:?}");
    }
}

#[test]
fn only_who_signed_this_very_body_is_its_proved_sender() {
    let token = claims(&json!({}));
    let forged = forge(&json!({"alg": "HS256"}), &json!({"iss": "devkey", "exp": 1}), "another secret");
    for (what, token, body, expected) in [
        ("signed here", Some(token.clone()), Some(BODY), Class::Signed),
        ("expired, and signed here", Some(claims(&json!({"exp": 1}))), Some(BODY), Class::Signed),
        ("signed without exp", Some(claims(&json!({"exp": null}))), Some(BODY), Class::Signed),
        ("another body", Some(token.clone()), Some(&b"another"[..]), Class::Named),
        ("a participant's token", Some(claims(&json!({"sha256": null}))), Some(BODY), Class::Named),
        ("no body", Some(token.clone()), None, Class::Named),
        ("another secret", Some(forged), Some(BODY), Class::Named),
        ("another key", Some(claims(&json!({"iss": "nobody"}))), Some(BODY), Class::Unknown),
        ("no key", Some(claims(&json!({"iss": null}))), Some(BODY), Class::Unknown),
        ("no token", Some("abc".to_owned()), Some(BODY), Class::Unknown),
        ("nothing", None, Some(BODY), Class::Unknown),
    ] {
        let body = body.map(|bytes| Body { bytes, sha256: None });
        assert_eq!(class_of(&keys(), token.as_deref(), body.as_ref()), expected, "{what}");
    }
}

#[test]
fn a_body_without_some_fields_is_verified_by_the_hash_that_was_noted() {
    let (token, left) = (claims(&json!({})), br#"{"id":"EV_1"}"#);
    let check = |sha256| verify_body(&keys(), Some(&token), &Body { bytes: left, sha256 }, NOW, 60);
    assert!(check(Some(super::sha256(BODY))).is_ok());
    assert_eq!(check(Some(BodyHash([7; 32]))).unwrap_err().reason(), "hash_mismatch");
    assert_eq!(check(None).unwrap_err().reason(), "hash_mismatch");
}

#[test]
fn a_token_is_read_without_its_signature_and_without_belief() {
    let token = forge(&json!({"alg": "HS256"}), &json!({"iss": "nobody", "exp": 7}), "whatever");
    let read = read(&format!("Bearer {token}")).unwrap();
    assert_eq!((&read.header["alg"], &read.claims), (&json!("HS256"), &json!({"iss": "nobody", "exp": 7})));
    assert_eq!(claimed_key(&token).as_deref(), Some("nobody"));
    assert_eq!(super::read("abc"), None);
}

#[test]
fn keys_are_the_same_when_names_and_secrets_are() {
    assert_eq!(keys(), keys());
    let mut other = keys();
    other.insert("second", Secret::new(SECRET).unwrap());
    assert_ne!(keys(), other);
    assert_ne!(keys(), Keys::new());
}
