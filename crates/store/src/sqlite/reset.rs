//! A stream that was wiped or restored: its sequences mean other events now (rule 6 of the runner's core).

use lanes::{BYGONE, Progress, Seq};
use sqlx::SqliteConnection;

use super::{Bind as _, sheet::JsonSheet};
use crate::{
    fields::Fields as _,
    ledger::State,
    scope::Scope,
    sheet::{Line as _, Sheet as _},
};

/// Begins again before `first_seq`: clears what the old sequences meant, and numbers events that are parked or dead
/// anew, in their order, so that they cannot be taken for new ones. The ledger keeps what is handled from running
/// again. Returns the progress from here on, and how much of its books the stream before has settled.
pub(crate) async fn begin_again(
    conn: &mut SqliteConnection,
    scope: &Scope,
    before: &Progress,
    first_seq: Seq,
) -> Result<(Progress, u64), sqlx::Error> {
    const FORGET: [&str; 2] = [
        "delete from retrying where handler_id = ?1 and run = ?2 and shard = ?3",
        "delete from suspects where handler_id = ?1 and run = ?2 and shard = ?3",
    ];
    for sql in FORGET {
        scope.bind(sqlx::query(sql)).execute(&mut *conn).await?;
    }
    number_anew(conn, scope).await?;
    let mut books = before.books;
    let carried = [books.done, books.skipped, books.filtered, books.duplicate, books.parked, books.dead]
        .into_iter()
        .fold(0_u64, u64::saturating_add);
    let floor = first_seq.saturating_sub(1);
    books.base = floor;
    Ok((Progress { floor, ranges: Vec::new(), books, anchor: None }, carried))
}

async fn number_anew(conn: &mut SqliteConnection, scope: &Scope) -> Result<(), sqlx::Error> {
    const OLD: &str = "
        select seq, project, created, event_id from ledger
        where handler_id = ?1 and run = ?2 and shard = ?3 and state in (?5, ?6)
        order by seq";
    const RENUMBER: [&str; 3] = [
        "update ledger set seq = v.seq
        from (select value ->> 0 as seq, value ->> 1 as project, value ->> 2 as created, value ->> 3 as event_id
            from json_each(?1)) as v
        where ledger.handler_id = ?3 and ledger.run = ?4 and ledger.project = v.project
            and ledger.created = v.created and ledger.event_id = v.event_id",
        "update parked set seq = v.seq
        from (select value ->> 0 as seq, value ->> 1 as project, value ->> 2 as created, value ->> 3 as event_id
            from json_each(?1)) as v
        where parked.handler_id = ?3 and parked.run = ?4 and parked.shard = ?5 and parked.project = v.project
            and parked.created = v.created and parked.event_id = v.event_id",
        "update dead set seq = v.seq
        from (select value ->> 0 as seq, value ->> 1 as project, value ->> 2 as created, value ->> 3 as event_id
            from json_each(?1)) as v
        where dead.handler_id = ?3 and dead.run = ?4 and dead.project = v.project and dead.created = v.created
            and dead.event_id = v.event_id and dead.redriven_at is null",
    ];
    let rows =
        scope.bind(sqlx::query(OLD)).bind(State::Parked.code()).bind(State::Dead.code()).fetch_all(&mut *conn).await?;
    // What is gone stands before all that comes: as negative numbers do. What an earlier reset numbered is older still.
    // Above all such numbers in use, so that no two meet while they change.
    let mut next = BYGONE.cast_signed();
    for row in &rows {
        let seq = row.int("seq")?;
        if seq < 0 {
            next = next.max(seq.saturating_add(1));
        }
    }
    for sql in RENUMBER {
        let mut sheet = JsonSheet::default();
        let mut seq = next;
        for row in &rows {
            let (project, created, id): (String, i64, String) =
                (row.text("project")?, row.int("created")?, row.text("event_id")?);
            sheet.row().int(seq).text(&project).int(created).text(&id);
            seq = seq.saturating_add(1);
        }
        sheet.run(conn, scope, sql).await?;
    }
    Ok(())
}
