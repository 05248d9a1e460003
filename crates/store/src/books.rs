//! The books: what became of every sequence, by handler and shard, and how much waits.

use std::collections::BTreeMap;

use lanes::{Books, Millis, Progress, Shard};
use sqlx::{Row as _, SqliteConnection};

use crate::{
    error::Failure,
    progress::{Stored, columns},
};

/// The books of one shard of a handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BooksRow {
    /// The handler's name.
    pub handler: String,
    /// The run.
    pub run: String,
    /// The shard.
    pub shard: Shard,
    /// The epoch of the last claim.
    pub epoch: u64,
    /// The last owner gave it back.
    pub clean: bool,
    /// How far it is.
    pub progress: Progress,
    /// What the books held when the stream was found wiped or restored: it is in the books, not in the sequences.
    pub carried: u64,
    /// When this was written.
    pub updated_at: Millis,
}

impl BooksRow {
    /// Settled sequences of which the books do not say what became of them: 0, or something is wrong.
    #[must_use]
    pub fn unaccounted(&self) -> i64 {
        let Progress { floor, ranges, books, .. } = &self.progress;
        let Books { base, done, skipped, filtered, duplicate, parked, dead } = *books;
        let in_ranges: i128 = ranges.iter().map(|(first, last)| i128::from(*last) - i128::from(*first) + 1).sum();
        let settled = i128::from(*floor) - i128::from(base) + in_ranges + i128::from(self.carried);
        let booked: i128 = [done, skipped, filtered, duplicate, parked, dead].into_iter().map(i128::from).sum();
        let unaccounted = settled - booked;
        i64::try_from(unaccounted).unwrap_or(if unaccounted < 0 { i64::MIN } else { i64::MAX })
    }
}

/// What waits in the store, of one handler in one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The handler's name.
    pub handler: String,
    /// The run.
    pub run: String,
    /// Parked events.
    pub parked: u64,
    /// Dead letters that were not sent back.
    pub dead: u64,
    /// Messages that were not sent yet, or not answered.
    pub outbox: u64,
}

pub(crate) async fn books(conn: &mut SqliteConnection) -> Result<Vec<BooksRow>, Failure> {
    const ALL: &str = concat!(
        "select ",
        columns!(),
        ", run, shard, h.name as handler from progress join handlers as h on h.id = handler_id
        order by h.name, run, shard"
    );
    let rows = sqlx::query(ALL).fetch_all(conn).await?;
    rows.iter()
        .map(|row| {
            let stored = Stored::of(row)?;
            Ok(BooksRow {
                handler: row.try_get("handler")?,
                run: row.try_get("run")?,
                shard: row.try_get("shard")?,
                epoch: stored.epoch,
                clean: stored.clean,
                progress: stored.progress,
                carried: stored.carried,
                updated_at: stored.updated_at,
            })
        })
        .collect()
}

/// Every handler and run that has progress or something that waits; zeros where nothing does.
pub(crate) async fn counts(conn: &mut SqliteConnection) -> Result<Vec<Counts>, sqlx::Error> {
    const ALL: &str = "
        select h.name as handler, c.run as run, c.what as what, c.n as n
        from (
            select handler_id, run, 'progress' as what, 0 as n from progress group by handler_id, run
            union all select handler_id, run, 'parked', count(*) from parked group by handler_id, run
            union all
            select handler_id, run, 'dead', count(*) from dead where redriven_at is null group by handler_id, run
            union all select handler_id, run, 'outbox', count(*) from outbox group by handler_id, run
        ) as c join handlers as h on h.id = c.handler_id";
    let mut counts: BTreeMap<(String, String), Counts> = BTreeMap::new();
    for row in sqlx::query(ALL).fetch_all(conn).await? {
        let (handler, run): (String, String) = (row.try_get("handler")?, row.try_get("run")?);
        let (what, n): (String, u64) = (row.try_get("what")?, row.try_get::<i64, _>("n")?.cast_unsigned());
        let counts = counts.entry((handler.clone(), run.clone())).or_insert_with(|| Counts {
            handler,
            run,
            ..Counts::default()
        });
        match what.as_str() {
            "parked" => counts.parked = n,
            "dead" => counts.dead = n,
            "outbox" => counts.outbox = n,
            _ => {}
        }
    }
    Ok(counts.into_values().collect())
}
