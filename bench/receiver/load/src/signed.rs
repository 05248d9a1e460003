//! The webhooks that all receivers get: recorded bodies with ids and rooms of their own, signed before anything is measured.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::bodies::Bodies;
use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// The API key that signs.
pub const KEY: &str = "benchkey";
/// Its secret.
pub const SECRET: &str = "a secret that is known to everybody who reads this";
/// LiveKit signs for five minutes, which a long run would outlast.
const VALID_S: u64 = 3600;

/// Signed webhooks. No two have the same id.
pub struct Signed {
    /// Whole HTTP requests.
    pub requests: Vec<Bytes>,
    /// What they are made of.
    pub bodies: Vec<String>,
}

impl Signed {
    /// So many of them.
    ///
    /// # Errors
    /// When a recording is not what it was.
    pub fn make(count: usize) -> Result<Signed> {
        let recorded = Bodies::recorded()?;
        let requests = requests(recorded.copies(count))?;
        Ok(Signed { requests, bodies: recorded.plain().map(str::to_owned).collect() })
    }

    /// So many of them, of exactly so many rooms, as [`Bodies::in_rooms`] spreads them.
    ///
    /// # Errors
    /// When a recording is not what it was.
    pub fn in_rooms(count: usize, rooms: usize) -> Result<Signed> {
        let recorded = Bodies::recorded()?;
        let requests = requests(recorded.in_rooms(count, rooms))?;
        Ok(Signed { requests, bodies: recorded.plain().map(str::to_owned).collect() })
    }
}

fn requests(bodies: impl Iterator<Item = String>) -> Result<Vec<Bytes>> {
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    Ok(bodies.map(|body| request(&body, now_s)).collect())
}

fn request(body: &str, now_s: u64) -> Bytes {
    let token = token(body.as_bytes(), now_s);
    let length = body.len();
    format!(
        "POST /livekit HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: LiveKit\r\nContent-Length: {length}\r\n\
         Authorization: {token}\r\nContent-Type: application/webhook+json\r\nAccept-Encoding: gzip\r\n\r\n{body}"
    )
    .into()
}

fn token(body: &[u8], now_s: u64) -> String {
    let header = json!({"alg": "HS256", "typ": "JWT"});
    let claims = json!({
        "iss": KEY, "nbf": now_s, "exp": now_s + VALID_S, "iat": now_s, "sha256": STANDARD.encode(Sha256::digest(body)),
    });
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let signed = format!("{header}.{claims}");
    // HMAC takes a key of any length.
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).map(|mac| mac.chain_update(&signed).finalize());
    let signature = mac.map(|mac| URL_SAFE_NO_PAD.encode(mac.into_bytes())).unwrap_or_default();
    format!("{signed}.{signature}")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use livekit::token::{Keys, Secret, verify};

    use super::*;

    #[test]
    fn each_is_genuine_and_has_an_id_of_its_own_and_rooms_spread() {
        let signed = Signed::make(500).unwrap();
        let keys: Keys = [(KEY.to_owned(), Secret::new(SECRET).unwrap())].into_iter().collect();
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let (mut ids, mut rooms) = (HashSet::new(), HashSet::new());
        for request in &signed.requests {
            let (head, body) = std::str::from_utf8(request).unwrap().split_once("\r\n\r\n").unwrap();
            let token = head.lines().find_map(|line| line.strip_prefix("Authorization: "));
            verify(&keys, token, body.as_bytes(), now_s, 0).unwrap();
            let facts = livekit::body::inspect(body.as_bytes()).unwrap();
            ids.insert(facts.id);
            rooms.insert(facts.key);
        }
        assert_eq!(ids.len(), 500);
        assert!(rooms.len() > 50, "{} keys", rooms.len());
    }
}
