//! Laying a death at the door of what was in flight.

use lanes::Seq;
use sqlx::{PgConnection, Row as _};

use super::claim::key;
use crate::scope::Scope;

/// The part of a statement that blames: over rows of `progress` that a death left behind. An event that ran alone did
/// so in the whole process, so if there is one, it is blamed alone in all the shards of its owner; a mark that the same
/// owner wrote after it says that the lone run was over. What is settled by now is swept out at the claim.
macro_rules! blame {
    ($left:literal) => {
        concat!(
            "bereft as (select l.*, h.name as handler from ",
            $left,
            " as l join handlers as h on h.id = l.handler_id),
            lone as (
                select distinct on (l.owner) l.owner, l.handler_id, l.run, l.shard, l.lone_seq as seq
                from bereft as l
                where l.lone_seq is not null and not exists (
                    select 1 from marks as k
                    where k.handler = l.handler and k.run = l.run and k.shard = l.shard and k.epoch = l.epoch
                        and k.number > l.lone_number
                )
                order by l.owner, l.lone_number desc
            ),
            blamed as (
                select handler_id, run, shard, seq, 1 as lone from lone
                union
                select l.handler_id, l.run, l.shard, cast(s.seq as bigint), 0
                from bereft as l
                join marks as k on k.handler = l.handler and k.run = l.run and k.shard = l.shard and k.epoch = l.epoch
                cross join lateral jsonb_array_elements_text(k.running::jsonb) as s(seq)
                where not exists (select 1 from lone where lone.owner = l.owner)
            ),
            suspected as (
                insert into suspects (handler_id, run, shard, seq, deaths, lone_deaths)
                select handler_id, run, shard, seq, 1, lone from blamed
                order by handler_id, run, shard, seq
                on conflict (handler_id, run, shard, seq) do update
                set deaths = suspects.deaths + 1, lone_deaths = suspects.lone_deaths + excluded.lone_deaths
            )
            "
        )
    };
}
pub(crate) use blame;

/// Which of these sequences are parked.
pub(crate) async fn among(conn: &mut PgConnection, scope: &Scope, seqs: &[Seq]) -> Result<Vec<Seq>, sqlx::Error> {
    const AMONG: &str = "select seq from parked where handler_id = $1 and run = $2 and shard = $3 and seq = any($4)";
    let seqs: Vec<i64> = seqs.iter().map(|seq| seq.cast_signed()).collect();
    let rows = key(sqlx::query(AMONG), scope).bind(seqs).fetch_all(conn).await?;
    rows.iter().map(|row| Ok(row.try_get::<i64, _>("seq")?.cast_unsigned())).collect()
}

/// Sweeps suspects out.
pub(crate) async fn clear(
    conn: &mut PgConnection,
    scope: &Scope,
    seqs: impl Iterator<Item = Seq>,
) -> Result<(), sqlx::Error> {
    const CLEAR: &str = "delete from suspects where handler_id = $1 and run = $2 and shard = $3 and seq = any($4)";
    let seqs: Vec<i64> = seqs.map(u64::cast_signed).collect();
    if seqs.is_empty() {
        return Ok(());
    }
    key(sqlx::query(CLEAR), scope).bind(seqs).execute(conn).await.map(drop)
}
