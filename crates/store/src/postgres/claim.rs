//! Claims, releases and resets: each of them one statement that is fenced by itself.

use lanes::{BYGONE, Books, Claimed, Progress, Seq, StoredLane, Suspect};
use sqlx::{PgConnection, postgres::PgRow};
use tracing::warn;

use super::{
    fetch,
    suspects::{among, blame, clear},
    text::stored,
};
use crate::{
    Claim, Claiming, StreamIdentity, attempts,
    claim::why_reset,
    error::Failure,
    fields::Fields,
    lane,
    ledger::State,
    progress::{Stored, is_settled},
    scope::{Owner, Scope},
    suspects,
};

/// Takes a row that is free, or our own, if we live; says what it was. Whoever took it without giving it back was us:
/// what we had in flight then is suspect.
const TAKE: &str = concat!(
    "with left_behind as (
        select * from progress
        where handler_id = $1 and run = $2 and shard = $3 and (clean = 1 or owner = $4)
            and exists (select 1 from runners where name = $4 and expires_at > clock_timestamp())
        for update
    ),
    taken as (
        update progress as p
        set owner = $4, epoch = p.epoch + 1, clean = 0, lone_seq = null, lone_number = null, last_commit = 0,
            updated_at = $5
        from left_behind as l
        where p.handler_id = l.handler_id and p.run = l.run and p.shard = l.shard
        returning 1
    ), ",
    blame!("(select * from left_behind where clean = 0)"),
    "select * from left_behind where exists (select 1 from taken)"
);

/// Makes the row of a handler that has no progress here yet.
const BEGIN: &str = "
    insert into progress (handler_id, run, shard, owner, updated_at, stream_created, floor, base, epoch, clean, ranges,
        done, skipped, filtered, duplicate, parked, dead, carried, last_commit)
    select $1, $2, $3, $4, $5, $6, $7, $7, 1, 0, '[]', 0, 0, 0, 0, 0, 0, 0, 0
    where exists (select 1 from runners where name = $4 and expires_at > clock_timestamp())
    on conflict (handler_id, run, shard) do nothing";

/// Claims a shard; none where another runner has it, or this one's lease has run out.
pub(crate) async fn claim(
    conn: &mut PgConnection,
    scope: &Scope,
    claiming: &Claiming<'_>,
) -> Result<Option<Claim>, Failure> {
    let claimer = stored(claiming.claimer).into_owned();
    let taken = key(sqlx::query(TAKE), scope)
        .bind(claimer.clone())
        .bind(scope.now.cast_signed())
        .fetch_optional(&mut *conn)
        .await?;
    let Some(row) = taken else { return begin(conn, scope, claiming, claimer).await };
    let was = Stored::of(&row)?;
    let epoch = was.epoch.saturating_add(1);
    let reset = why_reset(&claiming.stream, &was);
    // Until the row was taken another runner may have gone on, beyond what the stream was when it was looked at.
    if reset.is_some() && sqlx::Row::try_get::<String, _>(&row, "owner")? != claimer {
        return Err(Failure::Stale);
    }
    let progress = match &reset {
        Some(why) => begin_again(conn, scope, epoch, &claiming.stream, why).await?.ok_or(Failure::Lost)?,
        None => was.progress,
    };
    let claimed = claimed(conn, scope, epoch, progress).await?;
    Ok(Some(Claim { claimed, fresh: false, reset, stored_stream: Some(was.stream_created) }))
}

async fn begin(
    conn: &mut PgConnection,
    scope: &Scope,
    claiming: &Claiming<'_>,
    claimer: String,
) -> Result<Option<Claim>, Failure> {
    let begun = key(sqlx::query(BEGIN), scope)
        .bind(claimer)
        .bind(scope.now.cast_signed())
        .bind(stored(&claiming.stream.created).into_owned())
        .bind(claiming.begin_floor.cast_signed())
        .execute(&mut *conn)
        .await?;
    if begun.rows_affected() == 0 {
        return Ok(None);
    }
    let books = Books { base: claiming.begin_floor, ..Books::default() };
    let progress = Progress { floor: claiming.begin_floor, books, ..Progress::default() };
    let claimed = claimed(conn, scope, 1, progress).await?;
    Ok(Some(Claim { claimed, fresh: true, reset: None, stored_stream: None }))
}

/// All that a new owner must know. The epoch is ours already: nobody else changes any of it.
pub(crate) async fn claimed(
    conn: &mut PgConnection,
    scope: &Scope,
    epoch: u64,
    progress: Progress,
) -> Result<Claimed, Failure> {
    let lanes: Vec<StoredLane> =
        fetch(conn, lane::ask(scope)).await?.iter().map(|row| lane::stored(row)).collect::<Result<_, _>>()?;
    let rows: Vec<PgRow> = fetch(conn, attempts::ask(scope)).await?;
    let (attempts, settled) = attempts::open_ones(rows.iter().map(|row| row as &dyn Fields), &progress)?;
    if !settled.is_empty() {
        const SWEEP: &str = "delete from retrying where handler_id = $1 and run = $2 and shard = $3 and seq = any($4)";
        let settled: Vec<i64> = settled.into_iter().map(u64::cast_signed).collect();
        key(sqlx::query(SWEEP), scope).bind(settled).execute(&mut *conn).await?;
    }
    let suspects = open_suspects(conn, scope, &progress).await?;
    Ok(Claimed { shard: scope.shard, epoch, progress, lanes, attempts, suspects })
}

/// The suspects that may still run: neither settled nor, where the store has them, gone from it. The others are swept
/// out.
async fn open_suspects(
    conn: &mut PgConnection,
    scope: &Scope,
    progress: &Progress,
) -> Result<Vec<Suspect>, sqlx::Error> {
    let rows = fetch(conn, suspects::ask(scope)).await?;
    let all: Vec<Suspect> = rows.iter().map(|row| suspects::suspect(row)).collect::<Result<_, _>>()?;
    let settled: Vec<Seq> = all.iter().map(|suspect| suspect.seq).filter(|seq| is_settled(progress, *seq)).collect();
    if settled.is_empty() {
        return Ok(all);
    }
    let parked = among(conn, scope, &settled).await?;
    let gone = |suspect: &Suspect| settled.contains(&suspect.seq) && !parked.contains(&suspect.seq);
    let (gone, open): (Vec<Suspect>, Vec<Suspect>) = all.into_iter().partition(gone);
    clear(conn, scope, gone.into_iter().map(|suspect| suspect.seq)).await?;
    Ok(open)
}

/// Begins again before the stream's first sequence: clears what the old sequences meant, and numbers events that are
/// parked or dead anew, in their order, so that they cannot be taken for new ones. None where the epoch is lost.
pub(crate) async fn begin_again(
    conn: &mut PgConnection,
    scope: &Scope,
    epoch: u64,
    stream: &StreamIdentity,
    why: &str,
) -> Result<Option<Progress>, Failure> {
    // What is gone stands before all that comes: as negative numbers do. What an earlier reset numbered is older still.
    // The new numbers are above all such in use, so that no two meet while they change.
    const RESET: &str = "with mine as (
            update progress
            set updated_at = $5, stream_created = $6, floor = $7, base = $7, ranges = '[]',
                carried = done + skipped + filtered + duplicate + parked + dead,
                anchor_seq = null, anchor_id = null, lone_seq = null, lone_number = null
            where handler_id = $1 and run = $2 and shard = $3 and epoch = $4
            returning *
        ),
        forgotten as (
            delete from retrying as t using mine as m
            where t.handler_id = m.handler_id and t.run = m.run and t.shard = m.shard
        ),
        acquitted as (
            delete from suspects as s using mine as m
            where s.handler_id = m.handler_id and s.run = m.run and s.shard = m.shard
        ),
        old as (
            select l.project, l.created, l.event_id, l.seq
            from ledger as l join mine as m on l.handler_id = m.handler_id and l.run = m.run and l.shard = m.shard
            where l.state in ($9, $10)
        ),
        anew as (
            select project, created, event_id,
                (select greatest($8, max(seq) + 1) from old where seq < 0)
                    + (row_number() over (order by seq) - 1) as seq
            from old
        ),
        entries as (
            update ledger as l set seq = a.seq
            from (
                select n.seq, x.at from anew as n cross join mine as m
                cross join lateral (
                    select t.ctid as at from ledger as t
                    where t.handler_id = m.handler_id and t.run = m.run and t.project = n.project
                        and t.created = n.created and t.event_id = n.event_id
                    offset 0
                ) as x
            ) as a
            where l.ctid = a.at
        ),
        waiting as (
            update parked as p set seq = a.seq from anew as a, mine as m
            where p.handler_id = m.handler_id and p.run = m.run and p.shard = m.shard and p.project = a.project
                and p.created = a.created and p.event_id = a.event_id
        ),
        letters as (
            update dead as d set seq = a.seq
            from (
                select n.seq, x.at from anew as n cross join mine as m
                cross join lateral (
                    select t.ctid as at from dead as t
                    where t.handler_id = m.handler_id and t.run = m.run and t.project = n.project
                        and t.created = n.created and t.event_id = n.event_id
                    offset 0
                ) as x
            ) as a
            where d.ctid = a.at and d.redriven_at is null
        )
        select * from mine";
    let first_seq = stream.first_seq;
    let row = key(sqlx::query(RESET), scope)
        .bind(epoch.cast_signed())
        .bind(scope.now.cast_signed())
        .bind(stored(&stream.created).into_owned())
        .bind(first_seq.saturating_sub(1).cast_signed())
        .bind(BYGONE.cast_signed())
        .bind(State::Parked.code())
        .bind(State::Dead.code())
        .fetch_optional(conn)
        .await?;
    let Some(row) = row else { return Ok(None) };
    warn!(
        handler = %scope.handler, run = %scope.run, shard = scope.shard, first = first_seq, why,
        "the stream is not the one that this handler was reading: it begins again at the first message; the ledger \
         keeps what is handled from running twice"
    );
    Ok(Some(Stored::of(&row)?.progress))
}

/// Gives a shard back and tells the others; false where the epoch is lost.
pub(crate) async fn release(conn: &mut PgConnection, scope: &Scope, owner: &Owner) -> Result<bool, sqlx::Error> {
    const RELEASE: &str = "
        with mine as (
            update progress set updated_at = $5, clean = 1, lone_seq = null, lone_number = null
            where handler_id = $1 and run = $2 and shard = $3 and epoch = $4
            returning run, shard
        ),
        marked as (
            delete from marks as k using mine as m
            where k.handler = $6 and k.run = m.run and k.shard = m.shard and k.epoch <= $4
        )
        select pg_notify($7, '') from mine";
    let released = key(sqlx::query(RELEASE), scope)
        .bind(owner.epoch.cast_signed())
        .bind(scope.now.cast_signed())
        .bind(stored(&owner.handler).into_owned())
        .bind(super::fleet::NEWS)
        .fetch_optional(conn)
        .await?;
    Ok(released.is_some())
}

/// Marks an event that runs alone; false where the epoch is lost.
pub(crate) async fn mark_alone(
    conn: &mut PgConnection,
    scope: &Scope,
    epoch: u64,
    seq: Seq,
    number: u64,
) -> Result<bool, sqlx::Error> {
    const MARK: &str = "
        update progress set updated_at = $5, lone_seq = $6, lone_number = $7
        where handler_id = $1 and run = $2 and shard = $3 and epoch = $4";
    let marked = key(sqlx::query(MARK), scope)
        .bind(epoch.cast_signed())
        .bind(scope.now.cast_signed())
        .bind(seq.cast_signed())
        .bind(number.cast_signed())
        .execute(conn)
        .await?;
    Ok(marked.rows_affected() > 0)
}

/// Binds handler, run and shard as `$1`, `$2` and `$3`.
pub(crate) fn key<'q>(query: super::sheet::Statement<'q>, scope: &Scope) -> super::sheet::Statement<'q> {
    query.bind(scope.handler_id).bind(stored(&scope.run).into_owned()).bind(i64::from(scope.shard))
}
