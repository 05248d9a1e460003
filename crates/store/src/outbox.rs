//! The outbox: messages that wait to be sent after their commit, in its order.

use std::sync::Arc;

use bytes::Bytes;
use lanes::{Millis, Seq};
use sqlx::{Row as _, SqliteConnection};

use crate::{
    error::Failure,
    feed::id_part,
    scope::Scope,
    sheet::Sheet,
    writer::{Desk, Verdict, Work},
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

pub(crate) fn line(sheet: &mut Sheet, message: Message<'_>) {
    let headers: serde_json::Value = message.headers.iter().map(|(name, value)| vec![&**name, &**value]).collect();
    sheet
        .row()
        .text(message.key)
        .text(message.subject)
        .text(message.msg_id)
        .text(&headers.to_string())
        .bytes(message.body);
}

pub(crate) const INSERT: &str = "
    with rows (v) as materialized (select value from jsonb_each(?1))
    insert into outbox (handler_id, run, queued_at, key, subject, msg_id, headers, body)
    select ?3, ?4, ?6, v ->> 0, v ->> 1, v ->> 2, v ->> 3, substr(?2, v ->> 4, v ->> 5)
    from rows";

pub(crate) async fn insert(sheet: Sheet, conn: &mut SqliteConnection, scope: &Scope) -> Result<(), sqlx::Error> {
    sheet.run(conn, scope, INSERT).await.map(drop)
}

pub(crate) const WAITING: &str = "
    select o.id as id, h.name as handler, key, subject, msg_id, headers, body, queued_at, sent_at, sent_stream,
        sent_last_seq, tries, error
    from outbox as o join handlers as h on h.id = o.handler_id
    where o.id > ?1 order by o.id limit ?2";

/// Messages after a place, by place.
pub(crate) async fn waiting(conn: &mut SqliteConnection, after_id: i64, limit: u32) -> Result<Vec<OutboxRow>, Failure> {
    let rows = sqlx::query(WAITING).bind(after_id).bind(i64::from(limit)).fetch_all(conn).await?;
    let mut waiting = Vec::with_capacity(rows.len());
    for row in &rows {
        let headers: String = row.try_get("headers")?;
        let sent_at: Option<i64> = row.try_get("sent_at")?;
        let sent = match sent_at {
            None => None,
            Some(at) => Some(Sent {
                at_ms: at.cast_unsigned(),
                stream: row.try_get::<Option<String>, _>("sent_stream")?.unwrap_or_default(),
                last_seq: row.try_get::<Option<i64>, _>("sent_last_seq")?.unwrap_or_default().cast_unsigned(),
            }),
        };
        waiting.push(OutboxRow {
            id: row.try_get("id")?,
            handler: row.try_get::<String, _>("handler")?.into(),
            key: row.try_get::<String, _>("key")?.into(),
            subject: row.try_get("subject")?,
            msg_id: row.try_get("msg_id")?,
            headers: serde_json::from_str(&headers).map_err(|error| Failure::Invalid("headers", error))?,
            body: Bytes::from(row.try_get::<Vec<u8>, _>("body")?),
            queued_at: row.try_get::<i64, _>("queued_at")?.cast_unsigned(),
            sent,
            tries: row.try_get("tries")?,
            error: row.try_get("error")?,
        });
    }
    Ok(waiting)
}

pub(crate) const SENDING: &str = "
    with rows (v) as materialized (select value from jsonb_each(?1))
    update outbox set sent_at = ?2, sent_stream = v.stream, sent_last_seq = v.last_seq, tries = tries + 1
    from (
        select v ->> 0 as id, v ->> 1 as stream, v ->> 2 as last_seq from rows
    ) as v
    where outbox.id = v.id";

pub(crate) const FAILED: &str = "
    with rows (v) as materialized (select value from jsonb_each(?1))
    update outbox set error = v.error,
        sent_at = iif(?2, null, sent_at), sent_stream = iif(?2, null, sent_stream),
        sent_last_seq = iif(?2, null, sent_last_seq)
    from (select v ->> 0 as id, v ->> 1 as error from rows) as v
    where outbox.id = v.id";

pub(crate) const SENT: &str = "delete from outbox where id in (select value ->> 0 from json_each(?1))";

/// The work of noting that messages are about to be sent, or what became of it.
pub(crate) enum Notes {
    Sending(Vec<Sending>, Millis),
    Sent(Vec<i64>),
    /// Whether the target is known not to have it.
    Failed(Vec<(i64, String)>, bool),
}

impl Work for Notes {
    type Output = ();
    const OPERATION: &'static str = "note what became of messages of the outbox";

    async fn carry_out(&mut self, desk: &mut Desk) -> Result<Verdict<()>, Failure> {
        let mut sheet = Sheet::default();
        let (sql, second) = match self {
            Self::Sending(rows, now) => {
                for row in rows {
                    sheet.row().int(row.id).text(&row.stream).nat(row.last_seq);
                }
                (SENDING, now.cast_signed())
            }
            Self::Sent(ids) => {
                for id in ids {
                    sheet.row().int(*id);
                }
                (SENT, 0)
            }
            Self::Failed(rows, known) => {
                for (id, error) in rows {
                    sheet.row().int(*id).text(error);
                }
                (FAILED, i64::from(*known))
            }
        };
        for json in sheet.into_json() {
            sqlx::query(sql).bind(json).bind(second).execute(&mut desk.conn).await?;
        }
        Ok(Verdict::Keep(()))
    }
}
