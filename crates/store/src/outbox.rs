//! The outbox: messages that wait to be sent after their commit, in its order.

use std::sync::Arc;

use bytes::Bytes;
use lanes::{Millis, Seq};

use crate::{
    error::Failure,
    feed::id_part,
    fields::Fields,
    scope::Scope,
    sheet::{Line as _, Sheet},
};

/// A message that waits to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxRow {
    /// Its place: rows go out by it.
    pub id: i64,
    /// The handler that it comes from.
    pub handler: Arc<str>,
    /// The ordering key of the event that it comes from.
    pub key: Arc<str>,
    /// Where to.
    pub subject: String,
    /// Its message id: visible ASCII, ready for a header, and the same however often it is sent.
    pub msg_id: String,
    /// Its headers, without the message id.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Bytes,
    /// When it was committed.
    pub queued_at: Millis,
    /// The last time it was sent, where no answer came.
    pub sent: Option<Sent>,
    /// How often it was sent.
    pub tries: u32,
    /// What went wrong the last time.
    pub error: Option<String>,
}

/// What was noted before a message was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// When.
    pub at_ms: Millis,
    /// The stream that takes the subject.
    pub stream: String,
    /// That stream's last sequence then: the message can only stand after it.
    pub last_seq: Seq,
}

/// A message that is about to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sending {
    /// The row.
    pub id: i64,
    /// The stream that takes the subject; empty where that is not known.
    pub stream: String,
    /// That stream's last sequence.
    pub last_seq: Seq,
}

/// A message as a commit leaves it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    pub(crate) key: &'a str,
    pub(crate) subject: &'a str,
    pub(crate) msg_id: &'a str,
    pub(crate) headers: &'a [(String, String)],
    pub(crate) body: &'a [u8],
}

/// The id of an effect: the same however often the event is run.
pub(crate) fn effect_id(scope: &Scope, project: &str, event_id: &str, index: usize) -> String {
    let mut id = format!("{}/{}/{}", id_part(project), scope.handler, id_part(event_id));
    if *scope.run != *crate::LIVE {
        id.push('/');
        id.push_str(&id_part(&scope.run));
    }
    id.push('/');
    id.push_str(&index.to_string());
    id
}

pub(crate) fn line(sheet: &mut impl Sheet, message: Message<'_>) {
    let headers: serde_json::Value = message.headers.iter().map(|(name, value)| vec![&**name, &**value]).collect();
    sheet
        .row()
        .text(message.key)
        .text(message.subject)
        .text(message.msg_id)
        .text(&headers.to_string())
        .bytes(message.body);
}

/// A waiting row.
pub(crate) fn waiting(row: &dyn Fields) -> Result<OutboxRow, Failure> {
    let headers = row.text("headers")?;
    let sent = match row.opt_nat("sent_at")? {
        None => None,
        Some(at_ms) => Some(Sent {
            at_ms,
            stream: row.opt_text("sent_stream")?.unwrap_or_default(),
            last_seq: row.opt_nat("sent_last_seq")?.unwrap_or_default(),
        }),
    };
    Ok(OutboxRow {
        id: row.int("id")?,
        handler: row.text("handler")?.into(),
        key: row.text("key")?.into(),
        subject: row.text("subject")?,
        msg_id: row.text("msg_id")?,
        headers: serde_json::from_str(&headers).map_err(|error| Failure::Invalid("headers", error))?,
        body: Bytes::from(row.bytes("body")?),
        queued_at: row.nat("queued_at")?,
        sent,
        tries: row.small("tries")?,
        error: row.opt_text("error")?,
    })
}
