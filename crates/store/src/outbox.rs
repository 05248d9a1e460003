//! The outbox: messages and requests that wait to be sent after their commit, in its order.

use std::sync::Arc;

use bytes::Bytes;
use lanes::{Millis, Seq};
use serde::Serialize;
use tokio::sync::Notify;

use crate::{
    error::Failure,
    feed::id_part,
    fields::{Arg, Ask, Fields},
    scope::Scope,
    sheet::{Line as _, Sheet},
};

/// Tells those who send that something came into the outbox.
#[derive(Debug, Default)]
pub(crate) struct Posted {
    /// Whoever sends messages.
    pub(crate) messages: Arc<Notify>,
    /// Whoever sends requests.
    pub(crate) requests: Arc<Notify>,
}

impl Posted {
    pub(crate) fn notify(&self) {
        self.messages.notify_one();
        self.requests.notify_one();
    }
}

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

/// Where a page of the outbox begins, and where the list ends that it is a part of.
///
/// A place is taken when a commit writes, and seen when it is through: of several shards a later place may be seen first.
/// Of one shard it may not, as its commits come one after the other. So a list has nothing behind what was seen when it
/// began: whoever went on would send what a shard committed now, and had gone past what it committed before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxSpan {
    /// The place that it begins after; 0 is before all.
    pub after: i64,
    /// The last place of the list.
    pub to: i64,
}

/// A list that begins now, after a place.
impl From<i64> for OutboxSpan {
    fn from(after: i64) -> Self {
        Self { after, to: i64::MAX }
    }
}

/// Messages that wait, by place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutboxPage {
    /// The messages, maybe none: of many that are others' a page looks at a part.
    pub rows: Vec<OutboxRow>,
    /// The next page of the list; nothing if this is its last.
    pub next: Option<OutboxSpan>,
    /// What this runner owned when the page was read, in a shared store. Pages that were read while it owned something else
    /// are no one list: of a shard that changed hands in between, the first of them lacks the older rows.
    pub owned: Option<String>,
}

/// The first waiting request of a lane, which is handler, key and origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// Its place.
    pub id: i64,
    /// The handler that it comes from.
    pub handler: Arc<str>,
    /// The ordering key of the event that it comes from.
    pub key: Arc<str>,
    /// Scheme, host and port.
    pub origin: Arc<str>,
}

/// A request that waits to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRow {
    /// Its place.
    pub id: i64,
    /// The handler that it comes from.
    pub handler: Arc<str>,
    /// The ordering key of the event that it comes from.
    pub key: Arc<str>,
    /// Scheme, host and port.
    pub origin: Arc<str>,
    /// The method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// What tells it from every other: visible ASCII, and the same however often it is sent.
    pub id_key: String,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Bytes,
    /// When it was committed.
    pub queued_at: Millis,
    /// When it was sent last, where no answer came.
    pub sent_at: Option<Millis>,
    /// How often it was sent.
    pub tries: u32,
    /// What went wrong the last time.
    pub error: Option<String>,
}

/// What waits in the outbox, as operators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OutboxSummary {
    /// Its place.
    pub id: i64,
    /// The handler that it comes from.
    pub handler: String,
    /// The ordering key of the event that it comes from.
    pub key: String,
    /// The subject of a message, or method and URL of a request.
    pub to: String,
    /// Its message id.
    pub msg_id: String,
    /// When it was committed.
    pub queued_at: Millis,
    /// When it was sent last, where no answer came.
    pub sent_at: Option<Millis>,
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

/// A message or a request as a commit leaves it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    pub(crate) key: &'a str,
    /// The subject, or a request's scheme, host and port.
    pub(crate) target: &'a str,
    /// A request's method and path.
    pub(crate) request: Option<&'a str>,
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
        .text(message.target)
        .opt_text(message.request)
        .text(message.msg_id)
        .text(&headers.to_string())
        .bytes(message.body);
}

/// Asks for what waits, of one handler or of all, after a place, by place.
pub(crate) fn ask_list(handler: Option<&str>, after_id: i64, limit: u32) -> Ask {
    const LIST: &str = "
        select o.id as id, h.name as handler, o.key as key, o.subject as subject, o.request as request,
            o.msg_id as msg_id, o.queued_at as queued_at, o.sent_at as sent_at, o.tries as tries, o.error as error
        from outbox as o join handlers as h on h.id = o.handler_id
        where o.id > $1 and (h.name = $2 or $2 is null) order by o.id limit $3";
    let handler = Arg::OptText(handler.map(str::to_owned));
    Ask { sql: LIST, args: vec![after_id.into(), handler, i64::from(limit).into()] }
}

/// What waits.
pub(crate) fn summary(row: &dyn Fields) -> Result<OutboxSummary, Failure> {
    let target = row.text("subject")?;
    let to = match row.opt_text("request")? {
        None => target,
        Some(line) => {
            let (method, path) = line.split_once(' ').unwrap_or((&line, ""));
            format!("{method} {target}{path}")
        }
    };
    Ok(OutboxSummary {
        id: row.int("id")?,
        handler: row.text("handler")?,
        key: row.text("key")?,
        to,
        msg_id: row.text("msg_id")?,
        queued_at: row.nat("queued_at")?,
        sent_at: row.opt_nat("sent_at")?,
        tries: row.small("tries")?,
        error: row.opt_text("error")?,
    })
}

fn headers(row: &dyn Fields) -> Result<Vec<(String, String)>, Failure> {
    serde_json::from_str(&row.text("headers")?).map_err(|error| Failure::Invalid("headers", error))
}

/// The first request of a lane.
pub(crate) fn head(row: &dyn Fields) -> Result<RequestHead, Failure> {
    Ok(RequestHead {
        id: row.int("id")?,
        handler: row.text("handler")?.into(),
        key: row.text("key")?.into(),
        origin: row.text("subject")?.into(),
    })
}

/// A waiting request.
pub(crate) fn waiting_request(row: &dyn Fields) -> Result<RequestRow, Failure> {
    let line = row.text("request")?;
    let (method, path) = line.split_once(' ').unwrap_or((&line, "/"));
    Ok(RequestRow {
        id: row.int("id")?,
        handler: row.text("handler")?.into(),
        key: row.text("key")?.into(),
        origin: row.text("subject")?.into(),
        method: method.to_owned(),
        path: path.to_owned(),
        id_key: row.text("msg_id")?,
        headers: headers(row)?,
        body: Bytes::from(row.bytes("body")?),
        queued_at: row.nat("queued_at")?,
        sent_at: row.opt_nat("sent_at")?,
        tries: row.small("tries")?,
        error: row.opt_text("error")?,
    })
}

/// A waiting message.
pub(crate) fn waiting(row: &dyn Fields) -> Result<OutboxRow, Failure> {
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
        headers: headers(row)?,
        body: Bytes::from(row.bytes("body")?),
        queued_at: row.nat("queued_at")?,
        sent,
        tries: row.small("tries")?,
        error: row.opt_text("error")?,
    })
}

/// A line of a page: a message or none, how far the page looked if it has less than it may, the last place that was seen,
/// and what was owned.
pub(crate) struct PageLine {
    row: Option<OutboxRow>,
    looked_to: Option<i64>,
    last: Option<i64>,
    owned: Option<String>,
}

/// A line of a page.
pub(crate) fn page_line(row: &dyn Fields) -> Result<PageLine, Failure> {
    let message = if row.opt_int("id")?.is_some() { Some(waiting(row)?) } else { None };
    let (looked_to, last) = (row.opt_int("looked_to")?, row.opt_int("last")?);
    Ok(PageLine { row: message, looked_to, last, owned: row.opt_text("owned")? })
}

/// The page of these lines, in a list to this place.
pub(crate) fn page(lines: Vec<PageLine>, to: i64, limit: u32) -> OutboxPage {
    let (mut rows, mut looked_to, mut to, mut owned) = (Vec::with_capacity(lines.len()), None, to, None);
    for line in lines {
        rows.extend(line.row);
        looked_to = looked_to.max(line.looked_to);
        to = to.min(line.last.unwrap_or(to));
        owned = line.owned;
    }
    let full = rows.last().filter(|_| rows.len() >= limit as usize).map(|last| last.id);
    let next = full.or(looked_to).filter(|after| *after < to).map(|after| OutboxSpan { after, to });
    OutboxPage { rows, next, owned }
}
