//! The statements of the outbox: whoever owns the shard that a message comes from sends it. Rows are looked for one by one
//! (`offset 0` keeps the planner from walking the table instead).
//!
//! They are planned once, most likely while the outbox is empty, and are right for a full one all the same.

use std::{borrow::Cow, collections::HashSet};

use lanes::Millis;
use sqlx::{PgConnection, Row as _};

use super::text::stored;
use crate::{
    OutboxSpan, Sending,
    fields::{Arg, Ask},
};

/// Messages of shards that nobody owns (their handler left the configuration) are sent by the first of the runners, of
/// those that live when the statement begins: in all of a statement it is the same one.
macro_rules! ours {
    ($me:literal) => {
        concat!(
            "((p.clean = 0 and p.owner = ",
            $me,
            ") or (p.clean = 1 and ",
            $me,
            " = (select min(name) from runners where expires_at > statement_timestamp())))"
        )
    };
}

/// Asks for a page of a list of messages, by place, that are this runner's to send.
pub(crate) fn ask(me: &str, from: OutboxSpan, limit: u32) -> Ask {
    let (me, limit) = (Arg::Text(me.to_owned()), i64::from(limit).into());
    Ask { sql: WAITING, args: vec![from.after.into(), limit, me, from.to.into()] }
}

/// Asks for messages by their places, a JSON array, that are this runner's to send.
pub(crate) fn ask_rows(me: &str, ids: String) -> Ask {
    Ask { sql: ROWS, args: vec![Arg::Text(ids), Arg::Text(me.to_owned())] }
}

macro_rules! columns {
    () => {
        "select o.id as id, w.handler as handler, o.key as key, o.subject as subject, o.msg_id as msg_id,
            o.headers as headers, o.body as body, o.queued_at as queued_at, o.sent_at as sent_at,
            o.sent_stream as sent_stream, o.sent_last_seq as sent_last_seq, o.tries as tries, o.error as error"
    };
}

/// That a row is no request is seen where its owner is: the planner takes next to nothing for a message otherwise, and
/// would then rather sort all that there are than take them by place until there are enough.
macro_rules! if_ours {
    ($me:literal) => {
        concat!(
            " cross join lateral (
                select h.name as handler from progress as p join handlers as h on h.id = p.handler_id
                where p.handler_id = o.handler_id and p.run = o.run and p.shard = o.shard and o.request is null and ",
            ours!($me),
            " offset 0
            ) as w"
        )
    };
}

/// A page looks at no more messages than these: where most are others', it would else look for its own until the statement
/// is cut off, and never get past them. How far it looked is asked only where it has less than it may.
macro_rules! looked_at {
    ($columns:literal) => {
        concat!("(select ", $columns, " from outbox where id > $1 and id <= $4 order by id limit 2048)")
    };
}

const WAITING: &str = concat!(
    "with page as materialized (",
    columns!(),
    " from ",
    looked_at!("*"),
    " as o",
    if_ours!("$3"),
    " order by o.id limit $2
    )
    select p.*, b.looked_to, b.last, b.owned from (
        select case when (select count(*) from page) < $2 then (select max(id) from ",
    looked_at!("id"),
    " as looked_at) end as looked_to, (select max(id) from outbox where id <= $4) as last, (
            select md5(string_agg(concat_ws('/', p.handler_id, p.run, p.shard, p.epoch, p.clean), ','
                order by p.handler_id, p.run, p.shard))
            from progress as p where ",
    ours!("$3"),
    ") as owned
    ) as b
    left join page as p on true order by p.id"
);

const ROWS: &str = concat!(
    columns!(),
    " from json_array_elements_text($1::json) as i(id)
    cross join lateral (select * from outbox as t where t.id = i.id::bigint offset 0) as o",
    if_ours!("$2"),
    " order by o.id"
);

/// Asks for the first request of each lane after a place, by place, that is this runner's to send. Two keys of one hash
/// are a lane: the one waits for the other.
pub(crate) fn ask_heads(me: &str, after_id: i64, limit: u32) -> Ask {
    const HEADS: &str = concat!(
        "select o.id as id, w.handler as handler, o.key as key, o.subject as subject
        from (
            select min(id) as first from outbox where request is not null
            group by handler_id, hashtextextended(key, 0), subject
        ) as f
        cross join lateral (
            select t.id, t.handler_id, t.run, t.shard, t.key, t.subject from outbox as t where t.id = f.first offset 0
        ) as o
        cross join lateral (
            select h.name as handler from progress as p join handlers as h on h.id = p.handler_id
            where p.handler_id = o.handler_id and p.run = o.run and p.shard = o.shard and ",
        ours!("$3"),
        " offset 0
        ) as w
        where f.first > $1 order by f.first limit $2"
    );
    Ask { sql: HEADS, args: vec![after_id.into(), i64::from(limit).into(), Arg::Text(me.to_owned())] }
}

const FIRST: &str = concat!(
    "select o.id as id, w.handler as handler, o.key as key, o.subject as subject
    from json_array_elements($1::json) as l(lane)
    join handlers as h on h.name = l.lane ->> 0
    cross join lateral (
        select t.id, t.handler_id, t.run, t.shard, t.key, t.subject from outbox as t
        where t.handler_id = h.id and hashtextextended(t.key, 0) = hashtextextended(l.lane ->> 1, 0)
            and t.subject = l.lane ->> 2 and t.request is not null
        order by t.id limit 1
    ) as o
    cross join lateral (
        select h.name as handler from progress as p
        where p.handler_id = o.handler_id and p.run = o.run and p.shard = o.shard and ",
    ours!("$2"),
    " offset 0
    ) as w
    order by o.id"
);

/// Asks for the first request of some lanes, by place: handler, key and origin each.
pub(crate) fn ask_first(me: &str, lanes: &[[&str; 3]]) -> Ask {
    let lanes: Vec<[Cow<'_, str>; 3]> = lanes.iter().map(|lane| lane.map(stored)).collect();
    Ask { sql: FIRST, args: vec![Arg::Text(serde_json::json!(lanes).to_string()), Arg::Text(me.to_owned())] }
}

/// Asks for requests by their places: a JSON array.
pub(crate) fn ask_requests(ids: String) -> Ask {
    const REQUESTS: &str = "
        select o.id as id, h.name as handler, o.key as key, o.subject as subject, o.request as request,
            o.msg_id as msg_id, o.headers as headers, o.body as body, o.queued_at as queued_at, o.sent_at as sent_at,
            o.tries as tries, o.error as error
        from json_array_elements_text($1::json) as i(id)
        cross join lateral (select * from outbox as t where t.id = i.id::bigint offset 0) as o
        join handlers as h on h.id = o.handler_id
        where o.request is not null order by o.id";
    Ask { sql: REQUESTS, args: vec![Arg::Text(ids)] }
}

/// Notes that messages are about to be sent, and says which of them are this runner's to send.
pub(crate) async fn sending(
    conn: &mut PgConnection,
    me: &str,
    rows: &[Sending],
    now: Millis,
) -> Result<HashSet<i64>, sqlx::Error> {
    const SENDING: &str = concat!(
        "update outbox as o set sent_at = $1, sent_stream = v.stream, sent_last_seq = v.last_seq, tries = o.tries + 1
        from (
            select u.stream, u.last_seq, x.at
            from unnest($3::bigint[], $4::text[], $5::bigint[]) as u(id, stream, last_seq)
            cross join lateral (
                select t.ctid as at from outbox as t
                join progress as p on p.handler_id = t.handler_id and p.run = t.run and p.shard = t.shard
                where t.id = u.id and ",
        ours!("$2"),
        " offset 0
            ) as x
        ) as v
        where o.ctid = v.at
        returning o.id as id"
    );
    let noted = sqlx::query(SENDING)
        .bind(now.cast_signed())
        .bind(stored(me).into_owned())
        .bind(rows.iter().map(|row| row.id).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| stored(&row.stream).into_owned()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.last_seq.cast_signed()).collect::<Vec<_>>())
        .fetch_all(conn)
        .await?;
    noted.iter().map(|row| row.try_get("id")).collect()
}

/// Removes messages that their targets have.
pub(crate) async fn sent(conn: &mut PgConnection, ids: &[i64]) -> Result<(), sqlx::Error> {
    sqlx::query("delete from outbox where id = any($1)").bind(ids.to_vec()).execute(conn).await.map(drop)
}

/// Notes why messages were not sent, or not answered. `known`: their targets do not have them.
pub(crate) async fn failed(conn: &mut PgConnection, rows: &[(i64, String)], known: bool) -> Result<(), sqlx::Error> {
    const FAILED: &str = "
        update outbox as o set error = v.error,
            sent_at = case when $1 then null else o.sent_at end,
            sent_stream = case when $1 then null else o.sent_stream end,
            sent_last_seq = case when $1 then null else o.sent_last_seq end
        from (
            select u.error, x.at from unnest($2::bigint[], $3::text[]) as u(id, error)
            cross join lateral (select t.ctid as at from outbox as t where t.id = u.id offset 0) as x
        ) as v
        where o.ctid = v.at";
    sqlx::query(FAILED)
        .bind(known)
        .bind(rows.iter().map(|(id, _)| *id).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, error)| stored(error).into_owned()).collect::<Vec<_>>())
        .execute(conn)
        .await
        .map(drop)
}

#[cfg(test)]
mod tests {
    use sqlx::{AssertSqlSafe, Row as _, raw_sql};
    use testkit::PostgresServer;

    use super::super::connect::Place;

    /// The plan of a statement that is prepared while the outbox is empty.
    async fn plan(types: &str, statement: &str, values: &str) -> Vec<String> {
        let url = PostgresServer::shared().await.unwrap().database().await.unwrap();
        let place = Place::of(&url).unwrap();
        place.migrate().await.unwrap();
        let mut conn = place.connect().await.unwrap();
        let prepare = format!("prepare asked ({types}) as {statement}");
        raw_sql(AssertSqlSafe(prepare)).execute(&mut conn).await.unwrap();
        let explain = format!("explain execute asked ({values})");
        let plan = raw_sql(AssertSqlSafe(explain)).fetch_all(&mut conn).await.unwrap();
        plan.iter().map(|step| step.get(0)).collect()
    }

    #[tokio::test]
    async fn a_page_that_was_planned_for_an_empty_outbox_takes_its_rows_by_place_and_sorts_nothing() {
        let plan = plan("bigint, bigint, text, bigint", super::WAITING, "0, 512, 'me', 9").await;
        let scans: Vec<&String> = plan.iter().filter(|step| step.contains(" on outbox")).collect();
        let by_place = scans.iter().all(|step| step.contains(" using outbox_pkey on outbox"));
        // The page itself is put in order, which is short.
        let sorted = plan.iter().filter(|step| step.contains("Sort Key")).any(|step| !step.contains("Sort Key: p."));
        assert!(scans.len() == 3 && by_place && !sorted, "{plan:#?}");
    }

    #[tokio::test]
    async fn the_next_of_a_lane_that_was_planned_for_an_empty_outbox_is_found_in_the_index_of_lanes() {
        let plan = plan("text, text", super::FIRST, "'[]', 'me'").await;
        let scans: Vec<&String> = plan.iter().filter(|step| step.contains(" on outbox")).collect();
        let by_lane = scans.iter().all(|step| step.contains("Index Scan using outbox_requests on outbox"));
        // Of the lane's requests none but the first is read: what is sorted is what was found, at the top.
        let sorts = plan.iter().filter(|step| step.contains("Sort Key")).count();
        let whole = plan.iter().any(|step| step.contains("Index Cond") && step.contains("subject = "));
        assert!(scans.len() == 1 && by_lane && sorts == 1 && whole, "{plan:#?}");
    }
}
