//! The ledger: what became of each event, under an identity that all its copies share.

use lanes::{Identity, Known, Seq, Settled};
use sqlx::{Row as _, SqliteConnection};

use crate::{Report, Row, scope::Scope, sheet::Sheet};

/// The codes of the column `state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Done,
    Skipped,
    Filtered,
    Parked,
    Dead,
}

impl State {
    pub(crate) fn code(self) -> i64 {
        match self {
            Self::Done => 1,
            Self::Skipped => 2,
            Self::Filtered => 3,
            Self::Parked => 4,
            Self::Dead => 5,
        }
    }

    /// The word for a code.
    pub(crate) fn word(code: i64) -> &'static str {
        match code {
            1 => "done",
            2 => "skipped",
            3 => "filtered",
            4 => "parked",
            _ => "dead",
        }
    }
}

impl From<Settled> for State {
    fn from(settled: Settled) -> Self {
        match settled {
            Settled::Done => Self::Done,
            Settled::Skipped => Self::Skipped,
            Settled::Filtered => Self::Filtered,
        }
    }
}

/// What a commit says of one event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) row: &'a Row,
    pub(crate) state: State,
    pub(crate) attempt: u32,
    pub(crate) report: Option<&'a Report>,
    pub(crate) plugin: Option<i64>,
}

/// Adds an entry that is new, or, with the state it must have had, one that changes.
pub(crate) fn line(sheet: &mut Sheet, entry: Entry<'_>, was: Option<State>) {
    let Entry { row, state, attempt, report, plugin } = entry;
    let note = match state {
        State::Skipped => report.and_then(|report| report.error.as_deref()),
        _ => None,
    };
    sheet
        .row()
        .text(&row.identity.project)
        .int(row.identity.created)
        .text(&row.identity.id)
        .nat(row.seq)
        .int(state.code())
        .int(attempt)
        .opt_int(plugin)
        .opt_int(report.map(|report| report.duration_us.cast_signed()))
        .opt_int(report.map(|report| report.peak_memory.cast_signed()))
        .opt_text(note)
        .opt_int(was.map(State::code));
}

pub(crate) const INSERT: &str = "
    with rows (v) as materialized (select value from jsonb_each(?1))
    insert into ledger (handler_id, run, shard, settled_at, project, created, event_id, seq, state, attempt,
        plugin_id, duration_us, peak_memory, note)
    select ?3, ?4, ?5, ?6, v ->> 0, v ->> 1, v ->> 2, v ->> 3, v ->> 4, v ->> 5,
        v ->> 6, v ->> 7, v ->> 8, v ->> 9
    from rows";

/// Inserts plainly: an identity that is there already refuses the whole commit, so that no effect goes out twice.
pub(crate) async fn insert(sheet: Sheet, conn: &mut SqliteConnection, scope: &Scope) -> Result<(), sqlx::Error> {
    sheet.run(conn, scope, INSERT).await.map(drop)
}

pub(crate) const CHANGE: &str = "
    with rows (v) as materialized (select value from jsonb_each(?1))
    update ledger
    set settled_at = ?6, seq = v.seq, state = v.state, attempt = v.attempt, plugin_id = v.plugin_id,
        duration_us = v.duration_us, peak_memory = v.peak_memory, note = v.note
    from (
        select v ->> 0 as project, v ->> 1 as created, v ->> 2 as event_id, v ->> 3 as seq,
            v ->> 4 as state, v ->> 5 as attempt, v ->> 6 as plugin_id, v ->> 7 as duration_us,
            v ->> 8 as peak_memory, v ->> 9 as note, v ->> 10 as was
        from rows
    ) as v
    where ledger.handler_id = ?3 and ledger.run = ?4 and ledger.project = v.project
        and ledger.created = v.created and ledger.event_id = v.event_id and ledger.state = v.was";

/// Changes entries that are in the state they must have had; says whether that was so of all of them.
pub(crate) async fn change(sheet: Sheet, conn: &mut SqliteConnection, scope: &Scope) -> Result<bool, sqlx::Error> {
    let rows = sheet.rows();
    Ok(sheet.run(conn, scope, CHANGE).await? == rows)
}

/// An entry that stands in the way, or in the place, of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    /// The number that was given to the identity asked about.
    pub(crate) asked: u64,
    pub(crate) seq: Seq,
    pub(crate) state: i64,
}

pub(crate) const FIND: &str = "
    with rows (v) as materialized (select value from jsonb_each(?1))
    select v ->> 0 as asked, l.seq as seq, l.state as state
    from rows cross join ledger as l
    where l.handler_id = ?2 and l.run = ?3 and l.project = v ->> 1 and l.created = v ->> 2
        and l.event_id = v ->> 3";

/// Looks identities up, each under a number of the asker's.
pub(crate) async fn standing<'a>(
    conn: &mut SqliteConnection,
    handler_id: i64,
    run: &str,
    identities: impl IntoIterator<Item = (u64, &'a Identity)>,
) -> Result<Vec<Standing>, sqlx::Error> {
    // The cross join keeps the order of the loops: one search of the ledger an identity.
    let mut sheet = Sheet::default();
    for (asked, identity) in identities {
        sheet.row().nat(asked).text(&identity.project).int(identity.created).text(&identity.id);
    }
    let mut found = Vec::new();
    for json in sheet.into_json() {
        let rows = sqlx::query(FIND).bind(json).bind(handler_id).bind(run.to_owned()).fetch_all(&mut *conn).await?;
        for row in rows {
            found.push(Standing {
                asked: row.try_get::<i64, _>("asked")?.cast_unsigned(),
                seq: row.try_get::<i64, _>("seq")?.cast_unsigned(),
                state: row.try_get("state")?,
            });
        }
    }
    Ok(found)
}

/// Those of the events that the ledger knows.
pub(crate) async fn look_up(
    conn: &mut SqliteConnection,
    handler_id: i64,
    run: &str,
    events: &[(Seq, Identity)],
) -> Result<Vec<Known>, sqlx::Error> {
    let found = standing(conn, handler_id, run, events.iter().map(|(seq, identity)| (*seq, identity))).await?;
    Ok(found.into_iter().map(|standing| Known { asked: standing.asked, seq: standing.seq }).collect())
}
