//! A row of the spool: an event as text and bytes, and back.

use bytes::Bytes;
use event::topology::StreamsConfig;
use event::{Envelope, OrderingKey, Project};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::backlog::ROW_OVERHEAD;
use crate::outgoing::Outgoing;

/// A row that is not there yet.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) lane: String,
    pub(crate) msg_id: String,
    pub(crate) received_at_ms: u64,
    pub(crate) headers: String,
    pub(crate) body: Bytes,
}

/// A row that is there.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) id: i64,
    pub(crate) lane: String,
    pub(crate) size: u64,
    /// Or why it cannot be read.
    pub(crate) event: Result<Outgoing, String>,
}

/// What is ordered among itself. A project's name has no line break.
pub(crate) fn lane(project: &Project, key: &OrderingKey) -> String {
    format!("{project}\n{key}")
}

impl Row {
    /// The event, marked as one that has been here.
    pub(crate) fn of(event: &Outgoing) -> Row {
        let envelope = Envelope { spooled: true, ..event.envelope.clone() };
        let headers: Vec<(&str, String)> = envelope.headers();
        Row {
            lane: lane(&envelope.project, &envelope.key),
            msg_id: envelope.message_id(),
            received_at_ms: envelope.received_at_ms,
            // Pairs of texts can always be written.
            headers: serde_json::to_string(&headers).unwrap_or_default(),
            body: event.body.clone(),
        }
    }

    /// What it takes in the spool.
    pub(crate) fn size(&self) -> u64 {
        ROW_OVERHEAD + (self.headers.len() + self.body.len()) as u64
    }
}

pub(crate) const COLUMNS: &str = "id, lane, size, headers, body";

impl Waiting {
    /// Reads the columns of [`COLUMNS`].
    pub(crate) fn read(row: &SqliteRow, streams: &StreamsConfig) -> Result<Waiting, sqlx::Error> {
        let headers: String = row.try_get("headers")?;
        let body: Vec<u8> = row.try_get("body")?;
        Ok(Waiting {
            id: row.try_get("id")?,
            lane: row.try_get("lane")?,
            size: row.try_get::<i64, _>("size")?.unsigned_abs(),
            event: envelope(&headers).map(|envelope| Outgoing::new(envelope, body.into(), streams)),
        })
    }
}

fn envelope(headers: &str) -> Result<Envelope, String> {
    let pairs: Vec<(String, String)> = serde_json::from_str(headers).map_err(|error| error.to_string())?;
    let get = |name: &str| pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    Envelope::from_headers(get).map_err(|error| service::error::Chain(&error).to_string())
}
