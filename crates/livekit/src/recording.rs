//! Recorded webhooks: one JSON object a line, as they arrived; and the same bodies made new for sending again.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::body::Fields;
use crate::generate;

/// One recorded request.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Recorded {
    /// When it arrived, in Unix seconds.
    #[serde(default)]
    pub received_at: f64,
    /// Seconds since the first one of the recording.
    #[serde(default)]
    pub offset_s: f64,
    /// Its headers in order.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// Its body exactly as sent.
    pub body: String,
}

/// A line that is not a recorded request.
#[derive(Debug, thiserror::Error)]
#[error("line {line} of the recording is not a request: {what}")]
pub struct RecordingError {
    /// Its number, from 1.
    pub line: usize,
    /// What the parser says.
    pub what: String,
}

/// Reads a recording; empty lines are passed over.
///
/// # Errors
/// At the first line that is not a recorded request.
pub fn parse(text: &str) -> Result<Vec<Recorded>, RecordingError> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(n, line)| {
            serde_json::from_str(line).map_err(|error| RecordingError { line: n + 1, what: error.to_string() })
        })
        .collect()
}

impl Recorded {
    /// The first header of this name, in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// Makes recorded bodies new: fresh ids and times in place of the recorded ones, everything else byte for byte. The same
/// recorded id always becomes the same fresh id and time, so that a recorded repeat stays one.
#[derive(Debug, Clone, Default)]
pub struct Freshener {
    known: HashMap<String, (String, u64)>,
}

impl Freshener {
    /// One that knows no ids yet.
    #[must_use]
    pub fn new() -> Freshener {
        Freshener::default()
    }

    /// The body with a fresh id and `createdAt` now; a body that is not a JSON object stays as it is.
    #[must_use]
    pub fn body(&mut self, recorded: &str, now_s: u64) -> String {
        let Ok(fields) = serde_json::from_str::<Fields<'_>>(recorded) else { return recorded.to_owned() };
        let Some(old) = fields.get("id") else { return recorded.to_owned() };
        let (id, created_at) =
            self.known.entry(old.get().to_owned()).or_insert_with(|| (generate::id("EV_"), now_s)).clone();
        let mut changes = vec![(span(recorded, old), format!("\"{id}\""))];
        if let Some(old) = fields.get("createdAt") {
            let text = old.get().starts_with('"');
            changes
                .push((span(recorded, old), if text { format!("\"{created_at}\"") } else { created_at.to_string() }));
        }
        // From the end, so that the places of earlier changes stay where they are.
        changes.sort_by_key(|(place, _)| std::cmp::Reverse(place.start));
        let mut fresh = recorded.to_owned();
        for (place, value) in changes {
            fresh.replace_range(place, &value);
        }
        fresh
    }
}

/// Where a value stands in the text that it was parsed from: it borrows from there.
fn span(text: &str, value: &RawValue) -> std::ops::Range<usize> {
    let start = value.get().as_ptr().addr().saturating_sub(text.as_ptr().addr());
    start..start + value.get().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_id_and_time_of_the_event_itself_change_and_a_repeat_stays_a_repeat() {
        let recorded =
            r#"{"event":"x", "room":{"id":"EV_a","createdAt":"1"}, "id":"EV_a", "createdAt":"1", "t":"\u2028 <&>"}"#;
        let mut freshener = Freshener::new();
        let fresh = freshener.body(recorded, 77);
        let id = serde_json::from_str::<serde_json::Value>(&fresh).unwrap()["id"].as_str().unwrap().to_owned();
        assert_ne!(id, "EV_a");
        let expected = format!(
            r#"{{"event":"x", "room":{{"id":"EV_a","createdAt":"1"}}, "id":"{id}", "createdAt":"77", "t":"\u2028 <&>"}}"#
        );
        assert_eq!(fresh, expected);
        assert_eq!(freshener.body(recorded, 99), fresh);
        assert_ne!(freshener.body(&recorded.replace(r#""id":"EV_a", "#, r#""id":"EV_b", "#), 77), fresh);
    }

    #[test]
    fn what_has_no_id_or_is_no_object_stays_as_it_is() {
        for body in ["", "[]", "{}", "{\"createdAt\":1}", "no json"] {
            assert_eq!(Freshener::new().body(body, 7), body);
        }
        assert_eq!(
            Freshener::new().body(r#"{"createdAt":1,"id":7}"#, 7).len(),
            r#"{"createdAt":7,"id":"EV_xxxxxxxxxxxx"}"#.len()
        );
    }

    #[test]
    fn a_line_that_is_no_request_is_named() {
        let error = parse("{\"received_at\":1,\"body\":\"{}\"}\n\n{\"body\":1}\n").unwrap_err();
        assert!(error.to_string().starts_with("line 3 of the recording is not a request: "), "{error}");
        assert_eq!(parse("\n{\"received_at\":1.5,\"body\":\"{}\"}\n").unwrap().len(), 1);
    }
}
