//! What must hold of everything that comes from outside: the properties that `fuzz/` looks for breaches of.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use event::{Envelope, Prefix, Project, header, subject};
use hmac::{Hmac, KeyInit as _, Mac as _};
use livekit::body::inspect;
use livekit::drop_fields::drop_fields;
use livekit::token::{self, Keys, Secret, sign, verify};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

const KEY: &str = "devkey";
const SECRET: &str = "secretsecretsecretsecretsecretsecret";
const NOW_S: u64 = 1_795_429_840;
const LEEWAY_S: u64 = 60;

fn keys() -> Keys {
    [(KEY.to_owned(), Secret::new(SECRET).unwrap())].into_iter().collect()
}

/// A token of ours, of which the header, the claims and the signature may each be anything.
fn encoded(header: &[u8], claims: &[u8], signature: Option<&[u8]>) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    let right = mac.finalize().into_bytes();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.unwrap_or(&right)))
}

/// Claims as text: each may be missing, of another type, repeated, or right for an empty body.
fn any_claims() -> impl Strategy<Value = String> {
    let hash = STANDARD.encode(Sha256::digest(b""));
    let value = prop_oneof![
        Just(format!("\"{KEY}\"")),
        Just(format!("\"{hash}\"")),
        (NOW_S - 200..NOW_S + 200).prop_map(|time| time.to_string()),
        (NOW_S - 200..NOW_S + 200).prop_map(|time| format!("{time}.5")),
        Just("1e400".to_owned()),
        Just("null".to_owned()),
        Just("[]".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        "\"[a-z]{0,9}\"",
    ];
    let right = (NOW_S - 100..NOW_S + 200, NOW_S - 200..NOW_S + 100)
        .prop_map(move |(exp, nbf)| format!(r#"{{"iss":"{KEY}","exp":{exp},"nbf":{nbf},"sha256":"{hash}"}}"#));
    let mixed = vec((prop_oneof!["iss", "exp", "nbf", "iat", "sha256", "aud"], value), 0..7).prop_map(|claims| {
        let claims: Vec<String> = claims.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", claims.join(","))
    });
    prop_oneof![right, mixed]
}

/// Something like a body: JSON with the fields that count, of any type, cut anywhere.
fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let name = prop_oneof!["id", "event", "room", "name", "participant", "identity", "createdAt", "x", "metadata"];
    let leaf = prop_oneof!["\"[ -!#-\\[\\]-~]{0,9}\"", "-?[0-9]{1,25}", "null", "\"\\\\u[0-9a-f]{4}\"", "\"\\PC{0,5}"];
    let value = leaf.prop_recursive(3, 20, 5, move |inner| {
        let fields = vec((name.clone(), inner.clone()), 0..6);
        let fields = fields.prop_map(|fields| {
            let fields: Vec<String> = fields.into_iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
            format!("{{{}}}", fields.join(", "))
        });
        prop_oneof![fields, vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(",")))]
    });
    let whole = (value.clone(), value)
        .prop_map(|(one, two)| format!(r#"{{"id":"EV_1","event":"x","room":{one},"participant":{two}}}"#).into_bytes());
    let cut = (whole.clone(), any::<prop::sample::Index>()).prop_map(|(mut body, end)| {
        body.truncate(end.index(body.len()));
        body
    });
    prop_oneof![whole, cut, vec(any::<u8>(), 0..200)]
}

fn dropped(name: &str) -> bool {
    matches!(name, "metadata" | "x")
}

proptest! {
    #[test]
    fn any_header_over_any_body_is_refused_in_words_and_tells_no_secret(
        header in prop_oneof!["\\PC{0,60}", "(?s).{0,60}", "(Bearer )?[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,40}"],
        body in vec(any::<u8>(), 0..60),
    ) {
        let refusal = verify(&keys(), Some(&header), &body, NOW_S, LEEWAY_S).unwrap_err();
        prop_assert!(!refusal.reason().is_empty() && !refusal.to_string().contains(SECRET));
        let _claimed = (token::claimed_key(&header), token::read(&header));
        let _class = token::class_of(&keys(), Some(&header), Some(&token::Body { bytes: &body, sha256: None }));
    }

    #[test]
    fn a_token_of_ours_is_good_for_its_body_and_for_no_other(body in vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>()) {
        let token = sign(KEY, &Secret::new(SECRET).unwrap(), &body, NOW_S);
        prop_assert!(verify(&keys(), Some(&token), &body, NOW_S, 0).is_ok());
        let mut other = body.clone();
        other.insert(at.index(body.len() + 1), b'x');
        prop_assert!(verify(&keys(), Some(&token), &other, NOW_S, 0).is_err());
        let mut forged = token.into_bytes();
        let place = at.index(forged.len());
        forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).unwrap();
        // The last character of a part has bits that count for nothing; the library refuses those that are not zero.
        prop_assert!(verify(&keys(), Some(&forged), &body, NOW_S, 0).is_err());
    }

    #[test]
    fn claims_that_are_accepted_satisfy_every_rule(claims in any_claims()) {
        let token = encoded(br#"{"alg":"HS256","typ":"JWT"}"#, claims.as_bytes(), None);
        if verify(&keys(), Some(&token), b"", NOW_S, LEEWAY_S).is_ok() {
            // A claim that is ignored may hold a number that Value does not.
            let Ok(claims) = serde_json::from_str::<Value>(&claims) else { return Ok(()) };
            let time = |name: &str| claims[name].as_f64();
            let (now, leeway) = (1_795_429_840.0, 60.0);
            prop_assert_eq!(&claims["iss"], KEY);
            prop_assert_eq!(&claims["sha256"], &STANDARD.encode(Sha256::digest(b"")));
            prop_assert!(time("exp").is_some_and(|exp| exp + leeway >= now), "{}", claims);
            prop_assert!(claims["nbf"].is_null() || time("nbf").is_some_and(|nbf| nbf - leeway <= now), "{}", claims);
        }
    }

    #[test]
    fn no_other_algorithm_and_no_other_signature_is_accepted(
        header in prop_oneof![r#"\{"alg":"(none|None|HS384|HS512|RS256|)"\}"#, "\\PC{0,20}"], signature in vec(any::<u8>(), 0..64),
    ) {
        let claims = format!(
            r#"{{"iss":"{KEY}","exp":{},"sha256":"{}"}}"#, NOW_S + 100, STANDARD.encode(Sha256::digest(b""))
        );
        let good = br#"{"alg":"HS256"}"#;
        prop_assert!(verify(&keys(), Some(&encoded(good, claims.as_bytes(), None)), b"", NOW_S, 0).is_ok());
        for token in [encoded(header.as_bytes(), claims.as_bytes(), None), encoded(good, claims.as_bytes(), Some(&signature))] {
            prop_assert!(verify(&keys(), Some(&token), b"", NOW_S, 0).is_err());
        }
    }

    #[test]
    fn what_is_taken_for_an_event_can_be_stored_and_found_again(body in any_body()) {
        let Ok(facts) = inspect(&body) else { return Ok(()) };
        let stored = Envelope {
            id: facts.id, kind: facts.kind, project: Project::default(), key: facts.key, created_at: facts.created_at,
            received_at_ms: 1, api_key: KEY.to_owned(), content_type: None, user_agent: None, traceparent: None,
            spooled: false, body_sha256: None,
        };
        prop_assert!(subject::validate_publish(&stored.subject(&Prefix::default(), 3)).is_ok());
        let headers: HashMap<&str, String> = stored.headers().into_iter().collect();
        let bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
        prop_assert!(bytes <= header::ROOM);
        let found = Envelope::from_headers(|name| headers.get(name).map(String::as_str)).unwrap();
        prop_assert_eq!((found.id, found.kind, found.key), (stored.id, stored.kind, stored.key));
    }

    #[test]
    fn a_second_time_there_is_nothing_to_drop_and_what_is_left_is_json(body in any_body()) {
        let Ok(left) = drop_fields(&body, &dropped) else {
            prop_assert!(serde_json::from_slice::<Value>(&body).is_err());
            return Ok(());
        };
        let left = left.unwrap_or(body.clone());
        prop_assert!(left.len() <= body.len());
        prop_assert_eq!(drop_fields(&left, &dropped), Ok(None));
        // What is left may be better than the whole: half of a surrogate pair can have stood in what was dropped.
        let reads = |json: &[u8]| serde_json::from_slice::<Value>(json).is_ok();
        prop_assert!(reads(&left) || !reads(&body));
    }
}
