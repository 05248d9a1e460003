//! The webhooks that all receivers get: recorded bodies with ids and rooms of their own, signed before anything is measured.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::{Digest as _, Sha256};

pub(crate) const KEY: &str = "benchkey";
pub(crate) const SECRET: &str = "a secret that is known to everybody who reads this";
/// LiveKit signs for five minutes, which a long run would outlast.
const VALID_S: u64 = 3600;
/// The recordings, of a server and of LiveKit's own sender.
const RECORDINGS: [&str; 3] = [
    include_str!("../../../../crates/testkit/fixtures/livekit-1.11.0/meeting.jsonl"),
    include_str!("../../../../crates/testkit/fixtures/livekit-1.11.0/two-rooms-and-abort.jsonl"),
    include_str!("../../../../crates/testkit/fixtures/livekit-sender-1.54.0-all-types.jsonl"),
];

/// Signed webhooks. No two have the same id.
pub(crate) struct Signed {
    /// Whole HTTP requests.
    pub(crate) requests: Vec<Bytes>,
    /// What they are made of.
    pub(crate) bodies: Vec<String>,
}

/// A body taken apart at what each copy has of its own.
struct Template {
    body: String,
    id: String,
    key: String,
}

impl Signed {
    /// So many of them: the recordings over and over, each time with rooms of its own, as if all these meetings took place
    /// at a time.
    pub(crate) fn make(count: usize) -> Result<Signed> {
        let templates = templates()?;
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let meetings = count / templates.len() + 1;
        let requests = (0..count).filter_map(|n| {
            let meeting = n % meetings;
            let template = templates.get((n / meetings + meeting) % templates.len())?;
            Some(request(&template.copy(n, meeting), now_s))
        });
        let requests = requests.collect();
        Ok(Signed { requests, bodies: templates.into_iter().map(|template| template.body).collect() })
    }
}

fn templates() -> Result<Vec<Template>> {
    let mut templates = Vec::new();
    for recording in RECORDINGS {
        for recorded in livekit::recording::parse(recording)? {
            let facts = livekit::body::inspect(recorded.body.as_bytes()).context("a recorded body is refused")?;
            // One event of a type that LiveKit does not have, which its SDK for Go takes for none.
            if !livekit::generate::KINDS.contains(&facts.kind.as_str()) {
                continue;
            }
            let quoted = |text: &str| format!("\"{text}\"");
            let (id, key) = (quoted(facts.id.as_str()), quoted(facts.key.as_str()));
            templates.push(Template { body: recorded.body, id, key });
        }
    }
    ensure!(!templates.is_empty(), "the recordings are empty");
    Ok(templates)
}

impl Template {
    fn copy(&self, n: usize, room: usize) -> String {
        let own = |quoted: &str| format!("{}-{room}\"", quoted.trim_end_matches('"'));
        self.body.replace(&self.id, &format!("\"EV_{n:012}\"")).replace(&self.key, &own(&self.key))
    }
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
