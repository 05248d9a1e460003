//! The books: what became of every sequence, by handler and shard, and how much waits.

use std::collections::BTreeMap;

use lanes::{Books, Millis, Progress, Shard};

use crate::{
    error::Failure,
    fields::{Ask, Fields},
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
    /// Who claimed it last.
    pub owner: String,
    /// The epoch of the last claim.
    pub epoch: u64,
    /// The last owner gave it back.
    pub clean: bool,
    /// How far it is.
    pub progress: Progress,
    /// What the books held when the stream was found wiped or restored: it is in the books, not in the sequences.
    pub carried: u64,
    /// When the stream was created whose sequences these are, as the server says it.
    pub stream_created: String,
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

/// Asks for the books of all.
pub(crate) fn ask() -> Ask {
    const ALL: &str = concat!(
        "select ",
        columns!(),
        ", run, shard, h.name as handler from progress join handlers as h on h.id = handler_id
        order by h.name, run, shard"
    );
    Ask { sql: ALL, args: Vec::new() }
}

/// A row of [`ask`].
pub(crate) fn books(row: &dyn Fields) -> Result<BooksRow, Failure> {
    let stored = Stored::of(row)?;
    Ok(BooksRow {
        handler: row.text("handler")?,
        run: row.text("run")?,
        shard: row.shard("shard")?,
        owner: stored.owner,
        epoch: stored.epoch,
        clean: stored.clean,
        progress: stored.progress,
        carried: stored.carried,
        stream_created: stored.stream_created,
        updated_at: stored.updated_at,
    })
}

/// Asks what waits, in every handler and run that has progress or something that waits.
pub(crate) fn ask_counts() -> Ask {
    const ALL: &str = "
        select h.name as handler, c.run as run, c.what as what, c.n as n
        from (
            select handler_id, run, 'progress' as what, 0 as n from progress group by handler_id, run
            union all select handler_id, run, 'parked', count(*) from parked group by handler_id, run
            union all
            select handler_id, run, 'dead', count(*) from dead where redriven_at is null group by handler_id, run
            union all select handler_id, run, 'outbox', count(*) from outbox group by handler_id, run
        ) as c join handlers as h on h.id = c.handler_id";
    Ask { sql: ALL, args: Vec::new() }
}

/// What a row of [`ask_counts`] counts.
pub(crate) struct Counted {
    handler: String,
    run: String,
    what: String,
    n: u64,
}

/// A row of [`ask_counts`].
pub(crate) fn counted(row: &dyn Fields) -> Result<Counted, sqlx::Error> {
    Ok(Counted { handler: row.text("handler")?, run: row.text("run")?, what: row.text("what")?, n: row.nat("n")? })
}

/// The counts by handler and run; zeros where nothing waits.
pub(crate) fn counts(rows: Vec<Counted>) -> Vec<Counts> {
    let mut counts: BTreeMap<(String, String), Counts> = BTreeMap::new();
    for Counted { handler, run, what, n } in rows {
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
    counts.into_values().collect()
}
