//! The `Idempotency-Key` of a request to which the guest gave none.

use http::Method;
use sha2::{Digest as _, Sha256};

/// A key that is the same for the same request for the same event, on each attempt and by each runner, and another one
/// for any other. `identity` names project, handler and event, and the run of a replay.
///
/// A guest that sends the same request twice for one event, and means both, gives keys of its own.
pub(super) fn of(identity: &str, method: &Method, url: &str, body: &[u8]) -> String {
    let mut hash = Sha256::new();
    for part in [identity.as_bytes(), method.as_str().as_bytes(), url.as_bytes(), Sha256::digest(body).as_slice()] {
        // With the length of each part, so that no two lists of parts look alike.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex::encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_request_never_changes() {
        // Runners of different versions must agree: a new value here repeats effects after an upgrade.
        let key = of("default/meter/EV_1", &Method::POST, "https://api.example.com/v1", b"{}");
        assert_eq!(key, "75da56b87c3c53145bf3b0a4e3bf0a8778f35ddca1f5c21c26ad9a99d8157af6");
        for other in [
            of("default/meter/EV_2", &Method::POST, "https://api.example.com/v1", b"{}"),
            of("default/other/EV_1", &Method::POST, "https://api.example.com/v1", b"{}"),
            of("default/meter/EV_1", &Method::PUT, "https://api.example.com/v1", b"{}"),
            of("default/meter/EV_1", &Method::POST, "https://api.example.com/v2", b"{}"),
            of("default/meter/EV_1", &Method::POST, "https://api.example.com/v1", b"{ }"),
        ] {
            assert_ne!(key, other);
        }
    }
}
