//! The progress row of a shard: owner, epoch, floor, ranges and books.

use lanes::{Books, Commit, Progress, Seq};
use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow};

use crate::{error::Failure, scope::Scope, sheet::Sheet};

/// A progress row.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) owner: String,
    pub(crate) epoch: u64,
    pub(crate) clean: bool,
    pub(crate) progress: Progress,
    pub(crate) carried: u64,
    pub(crate) stream_created: String,
    pub(crate) updated_at: u64,
}

/// The columns that [`Stored`] is read from.
macro_rules! columns {
    () => {
        "owner, epoch, clean, floor, ranges, base, done, skipped, filtered, duplicate, parked, dead, carried, \
         anchor_seq, anchor_id, stream_created, updated_at"
    };
}
pub(crate) use columns;

impl Stored {
    pub(crate) fn of(row: &SqliteRow) -> Result<Self, Failure> {
        let nat = |column: &str| Ok::<_, sqlx::Error>(row.try_get::<i64, _>(column)?.cast_unsigned());
        let anchor_seq: Option<i64> = row.try_get("anchor_seq")?;
        let anchor_id: Option<String> = row.try_get("anchor_id")?;
        let ranges: String = row.try_get("ranges")?;
        Ok(Self {
            owner: row.try_get("owner")?,
            epoch: nat("epoch")?,
            clean: row.try_get("clean")?,
            progress: Progress {
                floor: nat("floor")?,
                ranges: serde_json::from_str(&ranges).map_err(|error| Failure::Invalid("ranges", error))?,
                books: Books {
                    base: nat("base")?,
                    done: nat("done")?,
                    skipped: nat("skipped")?,
                    filtered: nat("filtered")?,
                    duplicate: nat("duplicate")?,
                    parked: nat("parked")?,
                    dead: nat("dead")?,
                },
                anchor: anchor_seq.zip(anchor_id).map(|(seq, id)| (seq.cast_unsigned(), id.into())),
            },
            carried: nat("carried")?,
            stream_created: row.try_get("stream_created")?,
            updated_at: nat("updated_at")?,
        })
    }
}

pub(crate) async fn read(conn: &mut SqliteConnection, scope: &Scope) -> Result<Option<Stored>, Failure> {
    const READ: &str =
        concat!("select ", columns!(), " from progress where handler_id = ?1 and run = ?2 and shard = ?3");
    let row = scope.bind(sqlx::query(READ)).fetch_optional(conn).await?;
    row.as_ref().map(Stored::of).transpose()
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

pub(crate) fn ranges_text(ranges: &[(Seq, Seq)]) -> String {
    let mut sheet = Sheet::default();
    for (first, last) in ranges {
        sheet.row().nat(*first).nat(*last);
    }
    sheet.into_json().next().unwrap_or_else(|| "[]".to_owned())
}

/// Whether a sequence is at or below the floor, or in a range.
pub(crate) fn is_settled(progress: &Progress, seq: Seq) -> bool {
    if seq <= progress.floor {
        return true;
    }
    // The ranges ascend: the one that could hold it is the last that begins at or before it.
    let after = progress.ranges.partition_point(|(first, _)| *first <= seq);
    progress.ranges.get(..after).and_then(<[_]>::last).is_some_and(|(_, last)| seq <= *last)
}
