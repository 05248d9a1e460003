//! The runners that share the database: each has a row that it renews, and one that does not is dead.
//!
//! What a runner owns hangs on its row. Whoever finds a row run out removes it, which is what ends the lease for good: a
//! runner that wakes up later finds it gone. In the same statement everything that the dead one owned is set free, and
//! its death is laid at the door of what it had in flight.

use std::{collections::BTreeMap, time::Duration};

use lanes::Shard;
use sqlx::{PgConnection, Row as _};
use tracing::warn;

use super::{suspects::blame, text};
use crate::{
    Fleet, Member,
    lease::{self, Lease},
    scope,
};

/// How long a runner is taken to live after it has told so.
pub const TTL: Duration = Duration::from_secs(5);

/// How often it tells.
pub const BEAT: Duration = Duration::from_millis(1250);

/// The channel on which runners that come or go, and shards that are released, are told of.
pub(crate) const NEWS: &str = "roomwire_fleet";

/// Renews the lease, or begins one; buries the dead; and says who there is.
pub(crate) async fn beat(conn: &mut PgConnection, me: &Member, lease: &Lease) -> Result<Fleet, sqlx::Error> {
    // Counted from before it is asked for: the server grants it later than that.
    let asked = lease::now();
    if renew(conn, me).await? {
        lease.extend(asked, TTL);
    } else {
        // Whatever was claimed before is not ours any more.
        lease.end();
        let asked = lease::now();
        join(conn, me).await?;
        lease.extend(asked, TTL);
    }
    let buried = bury(conn).await?;
    let (members, runs_out_in) = members(conn, me).await?;
    let taken = taken(conn).await?;
    Ok(Fleet { members, taken, runs_out_in, buried })
}

async fn renew(conn: &mut PgConnection, me: &Member) -> Result<bool, sqlx::Error> {
    const RENEW: &str = "
        update runners set expires_at = clock_timestamp() + $2 * interval '1 millisecond', handlers = $3
        where name = $1 and expires_at > clock_timestamp()";
    let renewed = sqlx::query(RENEW)
        .bind(text::stored(&me.name).into_owned())
        .bind(ttl())
        .bind(handlers_text(me))
        .execute(conn)
        .await?;
    Ok(renewed.rows_affected() > 0)
}

async fn join(conn: &mut PgConnection, me: &Member) -> Result<(), sqlx::Error> {
    // Where the row is still there, nobody has buried us; but what we owned is to be claimed anew all the same.
    const JOIN: &str = "
        with joined as (
            insert into runners (name, handlers, expires_at)
            values ($1, $3, clock_timestamp() + $2 * interval '1 millisecond')
            on conflict (name) do update set handlers = excluded.handlers, expires_at = excluded.expires_at
        )
        select pg_notify($4, '')";
    sqlx::query(JOIN)
        .bind(text::stored(&me.name).into_owned())
        .bind(ttl())
        .bind(handlers_text(me))
        .bind(NEWS)
        .execute(conn)
        .await
        .map(drop)
}

/// Buries the runners whose rows have run out, and sets free what no runner of this database owns.
async fn bury(conn: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    const BURY: &str = concat!(
        "with gone as (
            select name from runners where expires_at <= clock_timestamp() order by name for update skip locked
        ),
        buried as (delete from runners as r using gone as g where r.name = g.name returning r.name),
        left_behind as (
            select p.* from progress as p
            where p.clean = 0 and not exists (
                select 1 from runners as r where r.name = p.owner and r.name not in (select name from buried)
            )
            order by p.handler_id, p.run, p.shard
            for update of p
        ),
        freed as (
            update progress as p set clean = 1, lone_seq = null, lone_number = null, updated_at = $1
            from left_behind as l
            where p.handler_id = l.handler_id and p.run = l.run and p.shard = l.shard
            returning 1
        ), ",
        blame!("(select * from left_behind)"),
        "select name, pg_notify($2, '') from buried"
    );
    let rows = sqlx::query(BURY).bind(scope::now().cast_signed()).bind(NEWS).fetch_all(conn).await?;
    let names: Vec<String> = rows.iter().map(|row| row.try_get("name").map(text::read)).collect::<Result<_, _>>()?;
    for name in &names {
        warn!(runner = name, "a runner has not told that it lives for as long as its lease: what it owned is free");
    }
    Ok(names)
}

/// The runners that live, and when the first lease of the others runs out.
async fn members(conn: &mut PgConnection, me: &Member) -> Result<(Vec<Member>, Option<Duration>), sqlx::Error> {
    const MEMBERS: &str = "
        select name, handlers, cast(extract(epoch from expires_at - clock_timestamp()) as float8) as seconds
        from runners where expires_at > clock_timestamp() order by name";
    let rows = sqlx::query(MEMBERS).fetch_all(conn).await?;
    let mut members = Vec::with_capacity(rows.len());
    let mut first: Option<Duration> = None;
    for row in &rows {
        let handlers = text::read(row.try_get("handlers")?);
        let handlers = serde_json::from_str(&handlers).map_err(|error| sqlx::Error::Decode(error.into()))?;
        let member = Member { name: text::read(row.try_get("name")?), handlers };
        if member.name != me.name {
            let left = Duration::try_from_secs_f64(row.try_get("seconds")?).unwrap_or_default();
            first = Some(first.map_or(left, |first| first.min(left)));
        }
        members.push(member);
    }
    Ok((members, first))
}

async fn taken(conn: &mut PgConnection) -> Result<BTreeMap<(String, Shard), String>, sqlx::Error> {
    const TAKEN: &str = "
        select h.name as handler, p.shard as shard, p.owner as owner from progress as p join handlers as h on h.id = p.handler_id
        where p.run = $1 and p.clean = 0";
    let rows = sqlx::query(TAKEN).bind(crate::LIVE).fetch_all(conn).await?;
    rows.iter()
        .map(|row| {
            let shard: i64 = row.try_get("shard")?;
            let shard = Shard::try_from(shard).map_err(|error| sqlx::Error::Decode(error.into()))?;
            Ok(((text::read(row.try_get("handler")?), shard), text::read(row.try_get("owner")?)))
        })
        .collect()
}

/// Takes this runner's row away and tells the others.
pub(crate) async fn leave(conn: &mut PgConnection, name: &str) -> Result<(), sqlx::Error> {
    const LEAVE: &str = "
        with gone as (delete from runners where name = $1)
        select pg_notify($2, '')";
    sqlx::query(LEAVE).bind(text::stored(name).into_owned()).bind(NEWS).execute(conn).await.map(drop)
}

fn ttl() -> f64 {
    TTL.as_secs_f64() * 1000.0
}

fn handlers_text(me: &Member) -> String {
    let map: serde_json::Map<String, serde_json::Value> =
        me.handlers.iter().map(|(name, shards)| (name.clone(), (*shards).into())).collect();
    serde_json::Value::Object(map).to_string()
}
