//! Any `Authorization` header over any body: it is refused in words, or it is a token that we signed over this very body.
//!
//! The input is the header, a zero byte, and the body.
#![no_main]

use libfuzzer_sys::fuzz_target;
use livekit::token::{self, Keys, Secret, sign, verify};

const KEY: &str = "devkey";
const SECRET: &str = "secretsecretsecretsecretsecretsecret";
/// When the seeds were recorded, about.
const NOW_S: u64 = 1_795_429_840;

fuzz_target!(|data: &[u8]| {
    let (header, body) = match data.iter().position(|byte| *byte == 0) {
        Some(end) => (&data[..end], &data[end + 1..]),
        None => (data, &data[data.len()..]),
    };
    let header = String::from_utf8_lossy(header);
    let keys: Keys = [(KEY.to_owned(), Secret::new(SECRET).unwrap())].into_iter().collect();
    // Leeway enough for every seed to be valid.
    match verify(&keys, Some(&header), body, NOW_S, 100_000_000) {
        Ok(verified) => {
            assert_eq!(verified.api_key, KEY);
            let longer = [body, b"x"].concat();
            assert!(verify(&keys, Some(&header), &longer, NOW_S, 100_000_000).is_err());
            assert!(verify(&Keys::new(), Some(&header), body, NOW_S, 100_000_000).is_err());
        }
        Err(refusal) => {
            assert!(!refusal.reason().is_empty() && !refusal.to_string().is_empty());
            assert!(!refusal.to_string().contains(SECRET));
        }
    }
    // What the quarantine asks of a token that is not proved.
    let _claimed = token::claimed_key(&header);
    let _class = token::class_of(&keys, Some(&header), Some(&token::Body { bytes: body, sha256: None }));
    let _read = token::read(&header);
    // And a token of ours over this body is good, whatever the body is.
    let own = sign(KEY, &Secret::new(SECRET).unwrap(), body, NOW_S);
    assert!(verify(&keys, Some(&own), body, NOW_S, 0).is_ok());
});
