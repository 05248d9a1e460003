//! Moving the progress of a shard.

use std::sync::LazyLock;

use lanes::{Commit, Progress};
use sqlx::SqliteConnection;

use super::{
    Bind as _, fetch, ledger,
    writer::{Desk, Opening},
};
use crate::{
    error::Failure,
    progress::{self, Stored, ranges_text},
    scope::Scope,
};

pub(crate) async fn read(conn: &mut SqliteConnection, scope: &Scope) -> Result<Option<Stored>, Failure> {
    fetch(conn, progress::ask(scope)).await?.first().map(|row| Stored::of(row)).transpose()
}

/// Writes a commit's progress, fenced by its epoch, and what is new in the ledger by it: false where the epoch is not the
/// row's any more. A lone run of an event that is among `ended` (a JSON array of sequences) is over.
///
/// All of it is one call, with what comes before the work. An error may be of the ledger's rows: then it says nothing of
/// the fence.
pub(crate) async fn advance<E, R>(
    desk: &mut Desk,
    scope: &Scope,
    commit: &Commit<E, R>,
    ended: &str,
    entries: Option<String>,
) -> Result<bool, sqlx::Error> {
    let Progress { floor, ranges, books, anchor } = &commit.progress;
    let script = Script::of(desk.opening());
    let sql = if entries.is_some() { &script.with_entries } else { &script.alone };
    let advanced = scope
        .bind(sqlx::query(sql.as_str()).bind(entries).bind(ended.to_owned()))
        .bind(commit.epoch.cast_signed())
        .bind(floor.cast_signed())
        .bind(ranges_text(ranges))
        .bind(books.base.cast_signed())
        .bind(books.done.cast_signed())
        .bind(books.skipped.cast_signed())
        .bind(books.filtered.cast_signed())
        .bind(books.duplicate.cast_signed())
        .bind(books.parked.cast_signed())
        .bind(books.dead.cast_signed())
        .bind(anchor.as_ref().map(|(seq, _)| seq.cast_signed()))
        .bind(anchor.as_ref().map(|(_, id)| id.to_string()))
        .fetch_all(&mut desk.conn)
        .await?;
    Ok(!advanced.is_empty())
}

/// The statements of [`advance`], after what comes before the work. Their one row is that of the progress.
struct Script {
    alone: String,
    with_entries: String,
}

impl Script {
    fn after(opening: Option<Opening>) -> Self {
        const ADVANCE: &str = "
            update progress
            set updated_at = ?6, floor = ?8, ranges = ?9, base = ?10, done = ?11, skipped = ?12, filtered = ?13,
                duplicate = ?14, parked = ?15, dead = ?16, anchor_seq = ?17, anchor_id = ?18,
                lone_seq = case
                    when lone_seq is not null and lone_seq in (select value from json_each(?2)) then null
                    else lone_seq
                end
            where handler_id = ?3 and run = ?4 and shard = ?5 and epoch = ?7
            returning 1";
        let opening = opening.map(|opening| opening.sql().to_owned() + ";").unwrap_or_default();
        Self { alone: opening.clone() + ADVANCE, with_entries: opening + ledger::INSERT + ";" + ADVANCE }
    }

    fn of(opening: Option<Opening>) -> &'static Self {
        static BEGIN: LazyLock<Script> = LazyLock::new(|| Script::after(Some(Opening::Begin)));
        static NEXT: LazyLock<Script> = LazyLock::new(|| Script::after(Some(Opening::Next)));
        static OPENED: LazyLock<Script> = LazyLock::new(|| Script::after(None));
        match opening {
            Some(Opening::Begin) => &BEGIN,
            Some(Opening::Next) => &NEXT,
            None => &OPENED,
        }
    }
}
