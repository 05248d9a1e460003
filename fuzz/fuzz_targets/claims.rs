//! Any claims, rightly signed: what is accepted must satisfy every rule, judged here by other means.
//!
//! The input is JSON of the claims, a zero byte, and the body.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use libfuzzer_sys::fuzz_target;
use livekit::token::{Keys, Secret, verify};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

const KEY: &str = "devkey";
const SECRET: &str = "secretsecretsecretsecretsecretsecret";
const NOW_S: u64 = 1_795_429_840;
const LEEWAY_S: u64 = 60;

/// The claims that count.
#[derive(serde::Deserialize)]
struct Claims {
    iss: Value,
    sha256: Value,
    exp: Value,
    #[serde(default)]
    nbf: Value,
}

fuzz_target!(|data: &[u8]| {
    let (claims, body) = match data.iter().position(|byte| *byte == 0) {
        Some(end) => (&data[..end], &data[end + 1..]),
        None => (data, &data[data.len()..]),
    };
    let encoded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let signed = format!("{}.{}", encoded(br#"{"alg":"HS256","typ":"JWT"}"#), encoded(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    let token = format!("{signed}.{}", encoded(&mac.finalize().into_bytes()));

    let keys: Keys = [(KEY.to_owned(), Secret::new(SECRET).unwrap())].into_iter().collect();
    if verify(&keys, Some(&token), body, NOW_S, LEEWAY_S).is_err() {
        return;
    }
    // A claim that means nothing here may hold any bytes, as in LiveKit's own receivers, and any number.
    let claims: Claims = serde_json::from_str(&String::from_utf8_lossy(claims)).expect("accepted claims are JSON");
    let Claims { iss, sha256, exp, nbf } = claims;
    assert_eq!(iss, KEY);
    assert_eq!(sha256, STANDARD.encode(Sha256::digest(body)));
    let (now, leeway) = (NOW_S as f64, LEEWAY_S as f64);
    assert!(exp.as_f64().is_some_and(|exp| exp + leeway >= now), "{exp}");
    assert!(nbf.is_null() || nbf.as_f64().is_some_and(|nbf| nbf - leeway <= now), "{nbf}");
});
