//! Suspects: events that were in flight when an owner died, and how often that happened.

use std::{collections::HashMap, sync::Arc};

use lanes::{Progress, Seq, Suspect};
use sqlx::SqliteConnection;

use super::{
    Bind as _, fetch,
    marks::{Mark, Of},
    parked,
    sheet::JsonSheet,
};
use crate::{
    error::Failure,
    fields::Fields as _,
    progress::{Stored, columns, is_settled, seqs},
    scope::Scope,
    sheet::{Line as _, Sheet as _},
    suspects,
};

/// A shard of the dead owner.
struct Left {
    scope: Scope,
    stored: Stored,
    lone: Option<(Seq, u64)>,
}

/// An owner died: lays its death at the door of what it had in flight, in all its shards at once, because an event
/// that ran alone did so in the whole process. `claimer` is the one who claims `scope` now: where it has the name of
/// the dead one, its other shards are its own and live.
pub(crate) async fn bury(
    conn: &mut SqliteConnection,
    scope: &Scope,
    dead: &str,
    claimer: &str,
    marks: &HashMap<Of, Mark>,
) -> Result<(), Failure> {
    let left = left_by(conn, scope, dead, claimer).await?;
    let mut lone: Option<(u64, Seq, &Left)> = None;
    for left in &left {
        let Some((seq, number)) = left.lone else { continue };
        // A mark that the same owner wrote after it says that the lone run is over.
        let over = left.mark(marks).is_some_and(|mark| mark.number > number);
        if !over && lone.as_ref().is_none_or(|(last, ..)| *last < number) {
            lone = Some((number, seq, left));
        }
    }
    if let Some((_, seq, left)) = lone {
        blame(conn, left, &[seq], true).await?;
    } else {
        for left in &left {
            if let Some(mark) = left.mark(marks) {
                blame(conn, left, &mark.running, false).await?;
            }
        }
    }
    for left in &left {
        const BURIED: &str = "
            update progress set clean = 1, lone_seq = null, lone_number = null
            where handler_id = ?1 and run = ?2 and shard = ?3";
        left.scope.bind(sqlx::query(BURIED)).execute(&mut *conn).await?;
    }
    Ok(())
}

impl Left {
    fn mark<'a>(&self, marks: &'a HashMap<Of, Mark>) -> Option<&'a Mark> {
        let of = (Arc::clone(&self.scope.handler), Arc::clone(&self.scope.run), self.scope.shard);
        marks.get(&of).filter(|mark| mark.epoch == self.stored.epoch)
    }
}

async fn left_by(conn: &mut SqliteConnection, scope: &Scope, dead: &str, claimer: &str) -> Result<Vec<Left>, Failure> {
    const LEFT: &str = concat!(
        "select ",
        columns!(),
        ", handler_id, run, shard, lone_seq, lone_number, h.name as handler
        from progress join handlers as h on h.id = handler_id
        where clean = 0 and owner = ?5 and (?5 <> ?6 or (handler_id = ?1 and run = ?2 and shard = ?3))"
    );
    let query = scope.bind(sqlx::query(LEFT)).bind(dead.to_owned()).bind(claimer.to_owned());
    let mut left = Vec::new();
    for row in query.fetch_all(conn).await? {
        let lone = row.opt_nat("lone_seq")?.zip(row.opt_nat("lone_number")?);
        left.push(Left {
            scope: Scope {
                handler_id: row.int("handler_id")?,
                handler: row.text("handler")?.into(),
                run: row.text("run")?.into(),
                shard: row.shard("shard")?,
                now: scope.now,
            },
            stored: Stored::of(&row)?,
            lone,
        });
    }
    Ok(left)
}

async fn blame(conn: &mut SqliteConnection, left: &Left, running: &[Seq], lone: bool) -> Result<(), sqlx::Error> {
    const BLAME: &str = "
        insert into suspects (handler_id, run, shard, seq, deaths, lone_deaths)
        select ?3, ?4, ?5, value ->> 0, 1, value ->> 1 from json_each(?1) where true
        on conflict (handler_id, run, shard, seq)
        do update set deaths = deaths + 1, lone_deaths = lone_deaths + excluded.lone_deaths";
    let mut sheet = JsonSheet::default();
    for seq in unsettled(conn, &left.scope, &left.stored.progress, running).await? {
        sheet.row().nat(seq).int(lone);
    }
    sheet.run(conn, &left.scope, BLAME).await.map(drop)
}

/// Those of the sequences that may still run: neither settled nor, where the store has them, gone from it.
async fn unsettled(
    conn: &mut SqliteConnection,
    scope: &Scope,
    progress: &Progress,
    all: &[Seq],
) -> Result<Vec<Seq>, sqlx::Error> {
    let (settled, mut open): (Vec<Seq>, Vec<Seq>) = all.iter().partition(|seq| is_settled(progress, **seq));
    if !settled.is_empty() {
        open.extend(parked::among(conn, scope, seqs(settled)).await?);
    }
    open.sort_unstable();
    open.dedup();
    Ok(open)
}

/// The suspects of a shard that may still run; the others are swept out.
pub(crate) async fn open(
    conn: &mut SqliteConnection,
    scope: &Scope,
    progress: &Progress,
) -> Result<Vec<Suspect>, sqlx::Error> {
    let rows = fetch(conn, suspects::ask(scope)).await?;
    let all: Vec<Suspect> = rows.iter().map(|row| suspects::suspect(row)).collect::<Result<_, _>>()?;
    let asked: Vec<Seq> = all.iter().map(|suspect| suspect.seq).collect();
    let open = unsettled(conn, scope, progress, &asked).await?;
    let (open, gone): (Vec<Suspect>, Vec<Suspect>) =
        all.into_iter().partition(|suspect| open.binary_search(&suspect.seq).is_ok());
    if !gone.is_empty() {
        clear(seqs(gone.iter().map(|suspect| suspect.seq)), conn, scope).await?;
    }
    Ok(open)
}

/// Clears these sequences (a JSON array): their runs ended without a death.
pub(crate) async fn clear(seqs: String, conn: &mut SqliteConnection, scope: &Scope) -> Result<(), sqlx::Error> {
    const CLEAR: &str = "
        delete from suspects
        where handler_id = ?2 and run = ?3 and shard = ?4 and seq in (select value from json_each(?1))";
    scope.bind(sqlx::query(CLEAR).bind(seqs)).execute(conn).await.map(drop)
}
