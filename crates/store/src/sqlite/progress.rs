//! Moving the progress of a shard.

use lanes::{Commit, Progress};
use sqlx::SqliteConnection;

use super::{Bind as _, fetch};
use crate::{
    error::Failure,
    progress::{self, Stored, ranges_text},
    scope::Scope,
};

pub(crate) async fn read(conn: &mut SqliteConnection, scope: &Scope) -> Result<Option<Stored>, Failure> {
    fetch(conn, progress::ask(scope)).await?.first().map(|row| Stored::of(row)).transpose()
}

/// Writes a commit's progress, fenced by its epoch: false where that is not the row's any more. A lone run of an event
/// that is among `ended` (a JSON array of sequences) is over.
pub(crate) async fn advance<E, R>(
    conn: &mut SqliteConnection,
    scope: &Scope,
    commit: &Commit<E, R>,
    ended: String,
) -> Result<bool, sqlx::Error> {
    const ADVANCE: &str = "
        update progress
        set updated_at = ?4, floor = ?6, ranges = ?7, base = ?8, done = ?9, skipped = ?10, filtered = ?11,
            duplicate = ?12, parked = ?13, dead = ?14, anchor_seq = ?15, anchor_id = ?16,
            lone_seq = case
                when lone_seq is not null and lone_seq in (select value from json_each(?17)) then null
                else lone_seq
            end
        where handler_id = ?1 and run = ?2 and shard = ?3 and epoch = ?5";
    let Progress { floor, ranges, books, anchor } = &commit.progress;
    let done = scope
        .bind(sqlx::query(ADVANCE))
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
        .bind(ended)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() > 0)
}
