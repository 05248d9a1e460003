//! Plain commits: of events that came from the stream, were settled at the first attempt, and left nothing but that. Those
//! that come together are one call of the driver, however many shards they are of.
//!
//! What cannot be written so (a shard that has another owner, an identity that is there already) is written alone
//! afterwards, which finds out why: here nothing is decided.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, LazyLock},
};

use lanes::{Change, Origin, Shard};
use sqlx::Row as _;

use super::{
    commit::Commits,
    sheet::JsonSheet,
    writer::{Desk, Opening},
};
use crate::{
    Row, ledger,
    progress::moved,
    sheet::{Line as _, Sheet as _},
    sorting::report_of,
};

/// So many bytes of JSON are enough for one call.
const LARGE: usize = 16 * 1024 * 1024;

type Place = (i64, Arc<str>, Shard);

/// Plain commits that are written together.
#[derive(Debug, Default)]
pub(crate) struct Plain {
    sheet: JsonSheet,
    bytes: usize,
    places: HashMap<Place, usize>,
}

impl Plain {
    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Adds a commit; false if it has to be written alone, or is of a shard that is among these already.
    pub(crate) fn add(&mut self, commit: &Commits, desk: &Desk) -> bool {
        let (owner, commit) = (&commit.owner, &commit.commit);
        let Some(handler_id) = desk.names.known_handler(&owner.handler) else { return false };
        let place = (handler_id, Arc::clone(&owner.run), owner.shard);
        let is_plain = commit.epoch == owner.epoch
            && commit.shard == owner.shard
            && commit.lanes.is_empty()
            && commit.rows.iter().all(is_plain)
            && commit.rows.iter().filter_map(report_of).all(|report| desk.names.knows_plugin(&report.digest));
        if !is_plain || desk.has_suspects(&place) || self.places.contains_key(&place) || self.bytes > LARGE {
            return false;
        }
        let Ok(entries) = entries(&commit.rows, desk).into_one() else { return false };
        let entries = entries.unwrap_or_else(|| "[]".to_owned());
        self.bytes = self.bytes.saturating_add(entries.len());
        let line = self.sheet.row().int(handler_id).text(&owner.run).int(owner.shard).nat(commit.epoch).json(&entries);
        drop(moved(line, &commit.progress));
        let number = self.places.len();
        self.places.insert(place, number);
        true
    }

    /// Writes those whose epoch stands, after what comes before the work; answers which they are, by the order in which
    /// they were added. After an error nothing of it stands once the work is rolled back.
    pub(crate) async fn write(self, desk: &mut Desk) -> Result<HashSet<usize>, sqlx::Error> {
        static BEGIN: LazyLock<String> = LazyLock::new(|| script(Opening::Begin));
        static NEXT: LazyLock<String> = LazyLock::new(|| script(Opening::Next));
        let sql = match desk.opening() {
            Some(Opening::Next) => &NEXT,
            Some(Opening::Begin) | None => &BEGIN,
        };
        let json = self.sheet.into_json().next().unwrap_or_default();
        let query = sqlx::query(sql.as_str()).bind(json).bind(desk.now.cast_signed());
        let mut written = HashSet::with_capacity(self.places.len());
        for row in query.fetch_all(&mut desk.conn).await? {
            let place = (row.try_get(0)?, row.try_get::<String, _>(1)?.into(), row.try_get(2)?);
            written.extend(self.places.get(&place).copied());
        }
        Ok(written)
    }
}

/// A row of which an entry in the ledger is all that comes.
fn is_plain(row: &Row) -> bool {
    match (&row.change, row.origin) {
        (Change::Settled { attempt: 0 | 1, report, .. }, Origin::Stream) => {
            report.as_ref().is_none_or(|report| report.effects.is_empty() && report.keyvalue.is_empty())
        }
        _ => false,
    }
}

fn entries(rows: &[Row], desk: &Desk) -> JsonSheet {
    let mut sheet = JsonSheet::default();
    for row in rows {
        if let Change::Settled { state, attempt, report } = &row.change {
            let report = report.as_deref();
            let plugin = report.and_then(|report| desk.names.known_plugin(&report.digest));
            let entry = ledger::Entry { row, state: (*state).into(), attempt: *attempt, report, plugin };
            ledger::line(&mut sheet, entry, None);
        }
    }
    sheet
}

fn script(opening: Opening) -> String {
    format!("{}; {ENTRIES}; {ADVANCE}", opening.sql())
}

/// Of each commit handler, run, shard and epoch; its entries; its progress. A lone run that is not over is looked at by
/// those that are written alone.
pub(crate) const ENTRIES: &str = "
    with commits (v) as materialized (select value from jsonb_each(?1)),
    rows (handler_id, run, shard, v) as materialized (
        select p.handler_id, p.run, p.shard, entry.value
        from commits as c cross join progress as p cross join jsonb_each(c.v, '$[4]') as entry
        where p.handler_id = c.v ->> 0 and p.run = c.v ->> 1 and p.shard = c.v ->> 2 and p.epoch = c.v ->> 3
            and p.lone_seq is null
    )
    insert into ledger (handler_id, run, shard, settled_at, project, created, event_id, seq, state, attempt,
        plugin_id, duration_us, peak_memory, note)
    select handler_id, run, shard, ?2, v ->> 0, v ->> 1, v ->> 2, v ->> 3, v ->> 4, v ->> 5,
        v ->> 6, v ->> 7, v ->> 8, v ->> 9
    from rows";

pub(crate) const ADVANCE: &str = "
    with commits (v) as materialized (select value from jsonb_each(?1))
    update progress
    set updated_at = ?2, floor = c.v ->> 5, ranges = c.v ->> 6, base = c.v ->> 7, done = c.v ->> 8, skipped = c.v ->> 9,
        filtered = c.v ->> 10, duplicate = c.v ->> 11, parked = c.v ->> 12, dead = c.v ->> 13,
        anchor_seq = c.v ->> 14, anchor_id = c.v ->> 15
    from commits as c
    where progress.handler_id = c.v ->> 0 and progress.run = c.v ->> 1 and progress.shard = c.v ->> 2
        and progress.epoch = c.v ->> 3 and progress.lone_seq is null
    returning handler_id, run, shard";
