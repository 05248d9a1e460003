//! `stdin_keys`: the keys whose values a command finds in the document on its stdin.

use std::collections::BTreeMap;

use super::Allow;
use crate::config::node::{Node, Value};
use crate::config::problem::{Problems, Refused};
use crate::config::section::{list, nearest};
use crate::config::value;

/// Keys of all buckets together: each is read before each event.
const MOST: usize = 100;

/// What may stand in braces in a key.
const PLACEHOLDERS: [(&str, Part); 2] = [("room", Part::Room), ("participant", Part::Participant)];

/// A key, in which room and participant of the event may stand: `joined/{participant}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPattern(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Room,
    Participant,
}

impl KeyPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it, and what to write.
    fn parse(text: &str) -> Result<Self, Refused> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let Some((name, after)) = after.split_once('}') else {
                return Err(Refused::new(
                    format!("`{text}` opens a brace and does not close it"),
                    "write `{room}` or `{participant}`, or leave the brace out",
                ));
            };
            let Some((_, part)) = PLACEHOLDERS.iter().find(|(known, _)| *known == name) else {
                return Err(Refused::new(
                    format!("`{text}` has `{{{name}}}` in it, which no event has"),
                    "of an event there are `{room}` (its name) and `{participant}` (its identity)",
                ));
            };
            parts.extend((!before.is_empty()).then(|| Part::Text(before.to_owned())));
            parts.push(part.clone());
            rest = after;
        }
        parts.extend((!rest.is_empty()).then(|| Part::Text(rest.to_owned())));
        if parts.is_empty() || text.chars().any(char::is_control) {
            return Err(Refused::new("a key must not be empty, nor have control characters in it", "write `[count]`"));
        }
        Ok(Self(parts))
    }

    /// The key for an event; none where it names what the event has not.
    #[must_use]
    pub fn key(&self, room: Option<&str>, participant: Option<&str>) -> Option<String> {
        self.0.iter().try_fold(String::new(), |key, part| {
            Some(match part {
                Part::Text(text) => key + text,
                Part::Room => key + room?,
                Part::Participant => key + participant?,
            })
        })
    }

    /// Bytes that every key of it has.
    fn least(&self) -> usize {
        let fixed = self.0.iter().map(|part| if let Part::Text(text) = part { text.len() } else { 0 });
        fixed.sum()
    }
}

/// Decodes a map from buckets, which `allow` must grant, to lists of keys.
pub(super) fn decode(node: &Node, allow: &Allow, problems: &mut Problems) -> BTreeMap<String, Vec<KeyPattern>> {
    let Value::Map(entries) = &node.value else {
        let message = format!("`stdin_keys` is {}, not a map", node.kind());
        problems.refuse(node.place, Refused::new(message, "write bucket and keys: `stdin_keys: { usage: [count] }`"));
        return BTreeMap::new();
    };
    let mut buckets = BTreeMap::new();
    for entry in entries {
        let Some(bucket) = allow.keyvalue.iter().find(|bucket| bucket.name == entry.key) else {
            problems.refuse(entry.place, not_granted(&entry.key, allow));
            continue;
        };
        let keys = match value::items(&entry.node) {
            Ok(keys) => keys,
            Err(refused) => {
                let message = format!("`stdin_keys.{}` {}", entry.key, refused.message);
                problems.refuse(entry.node.place, Refused { message, ..refused });
                continue;
            }
        };
        let mut patterns: Vec<KeyPattern> = Vec::with_capacity(keys.len());
        for node in keys {
            match key(node, bucket.max_key.get()) {
                Ok(pattern) if patterns.contains(&pattern) => {}
                Ok(pattern) => patterns.push(pattern),
                Err(refused) => problems.refuse(node.place, refused),
            }
        }
        buckets.insert(entry.key.clone(), patterns);
    }
    let count: usize = buckets.values().map(Vec::len).sum();
    if count > MOST {
        let message = format!("`stdin_keys` has {count} keys; it may have {MOST}, as each is read before each event");
        problems.refuse(node.place, Refused::new(message, "keep what is read together in one key, as JSON"));
    }
    buckets
}

fn key(node: &Node, most: u32) -> Result<KeyPattern, Refused> {
    let text = value::text(node)?;
    let pattern = KeyPattern::parse(&text)?;
    if pattern.least() > usize::try_from(most).unwrap_or(usize::MAX) {
        let message = format!("`{text}` is longer than the bucket's `max_key`, which is {most} bytes");
        return Err(Refused::new(message, "shorten it, or raise `max_key`"));
    }
    Ok(pattern)
}

fn not_granted(bucket: &str, allow: &Allow) -> Refused {
    let granted: Vec<&str> = allow.keyvalue.iter().map(|bucket| bucket.name.as_str()).collect();
    let hint = match nearest(bucket, &granted) {
        Some(near) => format!("did you mean `{near}`? granted are {}", list(&granted)),
        None => format!("add it: `allow: {{ keyvalue: [{bucket}] }}`"),
    };
    Refused::new(format!("`stdin_keys` reads bucket `{bucket}`, which `allow.keyvalue` does not grant"), hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_room_and_participant_of_the_event_where_it_names_them() {
        for (pattern, room, participant, key) in [
            ("count", None, None, Some("count")),
            ("{participant}", None, Some("ada"), Some("ada")),
            ("in/{room}/{participant}!", Some("blue"), Some("ada"), Some("in/blue/ada!")),
            ("in/{room}/{participant}", Some("blue"), None, None),
            ("a}b", None, None, Some("a}b")),
        ] {
            let parsed = KeyPattern::parse(pattern).unwrap_or_else(|refused| panic!("{}", refused.message));
            assert_eq!(parsed.key(room, participant).as_deref(), key, "{pattern}");
        }
    }
}
