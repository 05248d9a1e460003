//! The headers: the event's `CloudEvents` attributes in binary mode.

use crate::escape::escape;
use crate::template::Facts;

/// The headers of an event's message. `created_at` is RFC 3339, `key` the ordering key; empty ones are left out.
#[must_use]
pub fn cloud_event(facts: &Facts<'_>, created_at: &str, key: &str) -> Vec<(String, String)> {
    let source = format!("livekit/{}", facts.project);
    let headers = [
        ("content-type", "application/json"),
        ("ce-specversion", "1.0"),
        ("ce-id", facts.id),
        ("ce-type", facts.kind),
        ("ce-source", &source),
        ("ce-time", created_at),
        ("ce-subject", key),
    ];
    headers
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.to_owned(), encode(value)))
        .collect()
}

/// As everywhere in Roomwire's headers: visible ASCII stays, except `%` itself.
fn encode(value: &str) -> String {
    escape(value, |byte| byte.is_ascii_graphic() && byte != b'%')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_attributes_of_the_event_are_the_headers() {
        let facts = Facts { id: "EV_1", kind: "room_started", project: "default", ..Facts::default() };
        let headers = cloud_event(&facts, "2026-11-20T10:00:00Z", "stand up é 100%");
        let get = |name: &str| headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str());
        assert_eq!(get("ce-id"), Some("EV_1"));
        assert_eq!(get("ce-type"), Some("room_started"));
        assert_eq!(get("ce-source"), Some("livekit/default"));
        assert_eq!(get("ce-time"), Some("2026-11-20T10:00:00Z"));
        assert_eq!(get("ce-subject"), Some("stand%20up%20%C3%A9%20100%25"));
        assert_eq!(get("ce-specversion"), Some("1.0"));
    }

    #[test]
    fn what_is_unknown_has_no_header() {
        let headers = cloud_event(&Facts { id: "EV_1", ..Facts::default() }, "", "");
        assert!(headers.iter().all(|(name, _)| !["ce-time", "ce-subject", "ce-type"].contains(&name.as_str())));
    }
}
