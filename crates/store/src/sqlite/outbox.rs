//! The statements of the outbox.

use lanes::Millis;
use sqlx::SqliteConnection;

use super::{
    sheet::JsonSheet,
    writer::{Desk, Verdict, Work},
};
use crate::{
    OutboxSpan, Sending,
    error::Failure,
    fields::{Arg, Ask},
    scope::Scope,
    sheet::{Line as _, Sheet as _},
};

pub(crate) const INSERT: &str = "
    with rows (v) as materialized (select value from jsonb_each(?1))
    insert into outbox (handler_id, run, queued_at, key, subject, request, msg_id, headers, body)
    select ?3, ?4, ?6, v ->> 0, v ->> 1, v ->> 2, v ->> 3, v ->> 4, substr(?2, v ->> 5, v ->> 6)
    from rows";

pub(crate) async fn insert(sheet: JsonSheet, conn: &mut SqliteConnection, scope: &Scope) -> Result<(), sqlx::Error> {
    sheet.run(conn, scope, INSERT).await.map(drop)
}

macro_rules! messages {
    ($which:literal) => {
        concat!(
            "select o.id as id, h.name as handler, key, subject, msg_id, headers, body, queued_at, sent_at, sent_stream,
                sent_last_seq, tries, error, null as looked_to, null as last, null as owned
            from outbox as o join handlers as h on h.id = o.handler_id
            where request is null and ",
            $which,
            " order by o.id"
        )
    };
}

pub(crate) const WAITING: &str = concat!(messages!("o.id > $1 and o.id <= $3"), " limit $2");

pub(crate) const ROWS: &str = messages!("o.id in (select value from json_each($1))");

/// Asks for a page of a list of messages, by place. There is one writer, so the places are seen in their order, and a list
/// may have what came after it began.
pub(crate) fn ask(from: OutboxSpan, limit: u32) -> Ask {
    Ask { sql: WAITING, args: vec![from.after.into(), i64::from(limit).into(), from.to.into()] }
}

/// Asks for messages by their places: a JSON array.
pub(crate) fn ask_rows(ids: String) -> Ask {
    Ask { sql: ROWS, args: vec![Arg::Text(ids)] }
}

/// The first request of each lane: found by an index of the requests alone.
pub(crate) const HEADS: &str = "
    select f.first as id, h.name as handler, f.key as key, f.subject as subject
    from (
        select min(id) as first, handler_id, key, subject from outbox where request is not null
        group by handler_id, key, subject
    ) as f join handlers as h on h.id = f.handler_id
    where f.first > $1 order by f.first limit $2";

pub(crate) const REQUESTS: &str = "
    select o.id as id, h.name as handler, key, subject, request, msg_id, headers, body, queued_at, sent_at, tries, error
    from outbox as o join handlers as h on h.id = o.handler_id
    where o.id in (select value from json_each($1)) and request is not null order by o.id";

/// Asks for the first request of each lane after a place, by place.
pub(crate) fn ask_heads(after_id: i64, limit: u32) -> Ask {
    Ask { sql: HEADS, args: vec![after_id.into(), i64::from(limit).into()] }
}

/// The first request of some lanes.
pub(crate) const FIRST: &str = "
    select * from (
        select h.name as handler, v ->> 1 as key, v ->> 2 as subject, (
            select min(id) from outbox as o
            where o.handler_id = h.id and o.key = v ->> 1 and o.subject = v ->> 2 and o.request is not null
        ) as id
        from (select value as v from json_each($1)) as l join handlers as h on h.name = v ->> 0
    ) where id is not null order by id";

/// Asks for the first request of some lanes, by place: handler, key and origin each.
pub(crate) fn ask_first(lanes: &[[&str; 3]]) -> Ask {
    Ask { sql: FIRST, args: vec![Arg::Text(serde_json::json!(lanes).to_string())] }
}

/// Asks for requests by their places: a JSON array.
pub(crate) fn ask_requests(ids: String) -> Ask {
    Ask { sql: REQUESTS, args: vec![Arg::Text(ids)] }
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
        let mut sheet = JsonSheet::default();
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
