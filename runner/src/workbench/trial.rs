//! An event for a plugin that is tried: from the body of a webhook, without the way through receiver and stream.

use std::time::Duration;

use livekit::Refusal;
use livekit::body::{self, Facts};

use crate::bindings::roomwire::plugin::event_types as wit;

/// The project that a trial's events are of.
const PROJECT: &str = "default";

/// The text is no body of an event.
#[derive(Debug, thiserror::Error)]
#[error("this is no event: {0}")]
pub struct TrialError(Refusal);

/// An event, and the number of its attempt.
#[derive(Clone, Debug)]
pub struct Trial {
    facts: Facts,
    body: String,
    attempt: u32,
    attributes: Vec<(String, String)>,
    keys: Vec<(String, String, Vec<u8>)>,
}

impl Trial {
    /// Takes a body as LiveKit sends it.
    ///
    /// # Errors
    /// If the receiver would refuse it: it is no JSON object, or has no `id` or `event`.
    pub fn new(body: impl Into<String>) -> Result<Self, TrialError> {
        let body = body.into();
        let facts = body::inspect(body.as_bytes()).map_err(TrialError)?;
        Ok(Self { facts, body, attempt: 1, attributes: Vec::new(), keys: Vec::new() })
    }

    /// As the n-th attempt.
    #[must_use]
    pub fn attempt(self, attempt: u32) -> Self {
        Self { attempt, ..self }
    }

    /// With one more attribute.
    #[must_use]
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.push((name.into(), value.into()));
        self
    }

    /// With a key that is there before: the bucket, the key, its value.
    #[must_use]
    pub fn key(mut self, bucket: impl Into<String>, key: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.keys.push((bucket.into(), key.into(), value.into()));
        self
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = (&str, &str, &[u8])> {
        self.keys.iter().map(|(bucket, key, value)| (bucket.as_str(), key.as_str(), value.as_slice()))
    }

    /// Whose private keys it sees.
    pub(super) fn space(&self) -> String {
        format!("{PROJECT}/{}", self.facts.key)
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> String {
        self.facts.id.to_string()
    }

    /// Its type.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.facts.kind
    }

    pub(super) fn event(&self, handler: &str, timeout: Duration) -> wit::Event {
        let Facts { id, kind, created_at, key, room, participant, room_sid } = self.facts.clone();
        let mut attributes = vec![
            ("ordering-key".to_owned(), key.to_string()),
            ("idempotency-key".to_owned(), format!("{PROJECT}/{handler}/{id}")),
        ];
        attributes.extend(room_sid.map(|sid| ("room-sid".to_owned(), sid)));
        attributes.extend(self.attributes.iter().cloned());
        let created = jiff::Timestamp::from_second(created_at).ok().filter(|_| created_at != 0);
        wit::Event {
            id: id.to_string(),
            kind,
            project: PROJECT.to_owned(),
            room,
            participant,
            created_at: created.map(|time| time.to_string()).unwrap_or_default(),
            attempt: self.attempt,
            deadline_ms: u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX),
            json: self.body.clone(),
            attributes,
        }
    }
}
