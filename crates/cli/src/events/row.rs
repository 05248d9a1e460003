//! One stored event as it is shown.

use async_nats::jetstream::Message;
use event::Envelope;
use serde::Serialize;

use crate::output;

/// One stored event.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) id: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) room: Option<String>,
    pub(super) received_at: String,
    #[serde(skip)]
    pub(super) received_at_ms: u64,
    pub(super) created_at: i64,
    pub(super) project: String,
    pub(super) shard: u16,
    pub(super) seq: u64,
}

/// The row of a message; `None` for one that is not an event of Roomwire.
pub(super) fn of(message: &Message, shard: u16) -> Option<Row> {
    let seq = message.info().ok()?.stream_sequence;
    let headers = message.headers.as_ref()?;
    let envelope = match Envelope::from_headers(|name| headers.get(name).map(async_nats::HeaderValue::as_str)) {
        Ok(envelope) => envelope,
        Err(error) => {
            tracing::warn!(shard, seq, %error, "a message in the event streams is no event");
            return None;
        }
    };
    // Without a body (it is read only when a room is asked for) there is nothing to inspect.
    let room = livekit::body::inspect(&message.payload).ok().and_then(|facts| facts.room);
    Some(Row {
        id: envelope.id.to_string(),
        kind: envelope.kind,
        key: envelope.key.to_string(),
        room,
        received_at: output::time(envelope.received_at_ms),
        received_at_ms: envelope.received_at_ms,
        created_at: envelope.created_at,
        project: envelope.project.to_string(),
        shard,
        seq,
    })
}

impl Row {
    /// The columns for people; [`HEADINGS`] stand above them.
    pub(super) fn cells(&self) -> [String; 6] {
        [
            self.received_at.clone(),
            self.id.clone(),
            self.kind.clone(),
            self.key.clone(),
            self.shard.to_string(),
            self.seq.to_string(),
        ]
    }
}

pub(super) const HEADINGS: [&str; 6] = ["received", "id", "type", "key", "shard", "seq"];
