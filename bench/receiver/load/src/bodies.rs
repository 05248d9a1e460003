//! The bodies that are sent: recorded ones, each with an id and a room of its own.

use anyhow::{Context as _, Result, ensure};

/// The recordings, of a server and of LiveKit's own sender.
const RECORDINGS: [&str; 3] = [
    include_str!("../../../../crates/testkit/fixtures/livekit-1.11.0/meeting.jsonl"),
    include_str!("../../../../crates/testkit/fixtures/livekit-1.11.0/two-rooms-and-abort.jsonl"),
    include_str!("../../../../crates/testkit/fixtures/livekit-sender-1.54.0-all-types.jsonl"),
];

/// When the first copy was made, in Unix seconds, and how many were made in a second: a ledger whose key has that time, as
/// everybody's has here, is written where it ends.
const CREATED: usize = 1_795_000_000;
const PER_SECOND: usize = 1_000;

/// Recorded bodies taken apart at what each copy has of its own.
#[derive(Debug)]
pub struct Bodies(Vec<Template>);

#[derive(Debug)]
struct Template {
    body: String,
    id: String,
    key: String,
    /// When it was made, in seconds.
    created: String,
    /// It is ordered by its room.
    of_room: bool,
}

impl Bodies {
    /// Those of the recordings.
    ///
    /// # Errors
    /// When a recording is not what it was.
    pub fn recorded() -> Result<Bodies> {
        let mut templates = Vec::new();
        for recording in RECORDINGS {
            for recorded in livekit::recording::parse(recording)? {
                let facts = livekit::body::inspect(recorded.body.as_bytes()).context("a recorded body is refused")?;
                // One event of a type that LiveKit does not have, which its SDK for Go takes for none.
                if !livekit::generate::KINDS.contains(&facts.kind.as_str()) {
                    continue;
                }
                let (id, key) =
                    (written(&recorded.body, facts.id.as_str()), written(&recorded.body, facts.key.as_str()));
                let created = written(&recorded.body, &facts.created_at.to_string());
                let of_room = facts.room.as_deref() == Some(facts.key.as_str()) && recorded.body.contains(&key);
                templates.push(Template { body: recorded.body, id, key, created, of_room });
            }
        }
        ensure!(!templates.is_empty(), "the recordings are empty");
        Ok(Bodies(templates))
    }

    /// So many copies: the recordings over and over, each time with rooms of its own, as if all these meetings took place
    /// at a time. No two have the same id.
    pub fn copies(&self, count: usize) -> impl Iterator<Item = String> {
        let meetings = count / self.0.len() + 1;
        (0..count).filter_map(move |n| {
            let meeting = n % meetings;
            let template = self.0.get((n / meetings + meeting) % self.0.len())?;
            Some(template.copy(n, meeting))
        })
    }

    /// So many copies of those that belong to a room, spread evenly over exactly so many rooms; the n-th one is of
    /// [`room`]`(n % rooms)`. No two have the same id.
    pub fn in_rooms(&self, count: usize, rooms: usize) -> impl Iterator<Item = String> {
        let templates: Vec<&Template> = self.0.iter().filter(|template| template.of_room).collect();
        (0..count).filter_map(move |n| {
            let template = templates.get((n / rooms.max(1)) % templates.len().max(1))?;
            Some(template.copy_as(n, &room(n % rooms.max(1))))
        })
    }

    /// They themselves.
    pub fn plain(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|template| template.body.as_str())
    }
}

impl Template {
    fn copy(&self, n: usize, room: usize) -> String {
        let key = self.key.strip_suffix('"').and_then(|key| key.strip_prefix('"')).unwrap_or(&self.key);
        let own = format!("{key}-{room}");
        self.copy_as(n, &own)
    }

    fn copy_as(&self, n: usize, key: &str) -> String {
        let own = self.body.replace(&self.id, &format!("\"{}\"", id(n))).replace(&self.key, &format!("\"{key}\""));
        own.replace(&self.created, &format!("\"{}\"", CREATED + n / PER_SECOND))
    }
}

/// How a text stands in a body, quotes included: with the escapes of whoever wrote it. One that is in none of its strings
/// stands as it is.
fn written(body: &str, text: &str) -> String {
    let mut rest = body;
    while let Some(string) = rest.find('"').and_then(|at| rest.get(at..)) {
        let mut strings = serde_json::Deserializer::from_str(string).into_iter::<String>();
        let value = strings.next();
        let (token, behind) = string.split_at(strings.byte_offset().max(1));
        if value.is_some_and(|value| value.is_ok_and(|value| value == text)) {
            return token.to_owned();
        }
        rest = behind;
    }
    format!("\"{text}\"")
}

/// The id of the n-th copy.
#[must_use]
pub fn id(n: usize) -> String {
    format!("EV_{n:012}")
}

/// Which copy has this id.
#[must_use]
pub fn number(id: &str) -> Option<usize> {
    id.strip_prefix("EV_")?.parse().ok()
}

/// The name of a room of [`Bodies::in_rooms`].
#[must_use]
pub fn room(number: usize) -> String {
    format!("bench-room-{number}")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn there_are_exactly_so_many_rooms_and_each_has_its_share() {
        let bodies = Bodies::recorded().unwrap();
        let mut keys = HashSet::new();
        for (n, body) in bodies.in_rooms(500, 20).enumerate() {
            let facts = livekit::body::inspect(body.as_bytes()).unwrap();
            assert_eq!((facts.key.as_str(), number(facts.id.as_str())), (room(n % 20).as_str(), Some(n)));
            keys.insert(facts.key);
        }
        assert_eq!(keys.len(), 20);
    }

    #[test]
    fn no_room_has_more_than_the_events_of_one_recording_whatever_its_name_is() {
        let bodies = Bodies::recorded().unwrap();
        let mut events = std::collections::HashMap::<_, usize>::new();
        for body in bodies.copies(2_000) {
            *events.entry(livekit::body::inspect(body.as_bytes()).unwrap().key.as_str().to_owned()).or_default() += 1;
        }
        let most = events.values().max().copied().unwrap_or_default();
        assert!(most <= bodies.0.len(), "{most} events of one room");
        assert!(events.keys().any(|key| key.contains('"')), "names with escapes are among them");
    }
}
