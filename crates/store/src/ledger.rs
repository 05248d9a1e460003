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

/// Inserts plainly: an identity that is there already refuses the whole commit, so that no effect goes out twice.
pub(crate) async fn insert(sheet: Sheet, conn: &mut SqliteConnection, scope: &Scope) -> Result<(), sqlx::Error> {
    const INSERT: &str = "
        insert into ledger (handler_id, run, shard, settled_at, project, created, event_id, seq, state, attempt,
            plugin_id, duration_us, peak_memory, note)
        select ?3, ?4, ?5, ?6, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
            value ->> 6, value ->> 7, value ->> 8, value ->> 9
        from json_each(?1)";
    sheet.run(conn, scope, INSERT).await.map(drop)
}

/// Changes entries that are in the state they must have had; says whether that was so of all of them.
pub(crate) async fn change(sheet: Sheet, conn: &mut SqliteConnection, scope: &Scope) -> Result<bool, sqlx::Error> {
    const CHANGE: &str = "
        update ledger
        set settled_at = ?6, seq = v.seq, state = v.state, attempt = v.attempt, plugin_id = v.plugin_id,
            duration_us = v.duration_us, peak_memory = v.peak_memory, note = v.note
        from (
            select value ->> 0 as project, value ->> 1 as created, value ->> 2 as event_id, value ->> 3 as seq,
                value ->> 4 as state, value ->> 5 as attempt, value ->> 6 as plugin_id, value ->> 7 as duration_us,
                value ->> 8 as peak_memory, value ->> 9 as note, value ->> 10 as was
            from json_each(?1)
        ) as v
        where ledger.handler_id = ?3 and ledger.run = ?4 and ledger.project = v.project
            and ledger.created = v.created and ledger.event_id = v.event_id and ledger.state = v.was";
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

/// Looks identities up, each under a number of the asker's.
pub(crate) async fn standing<'a>(
    conn: &mut SqliteConnection,
    handler_id: i64,
    run: &str,
    identities: impl IntoIterator<Item = (u64, &'a Identity)>,
) -> Result<Vec<Standing>, sqlx::Error> {
    // The cross join keeps the order of the loops: one search of the ledger an identity.
    const FIND: &str = "
        select v.value ->> 0 as asked, l.seq as seq, l.state as state
        from json_each(?1) as v cross join ledger as l
        where l.handler_id = ?2 and l.run = ?3 and l.project = v.value ->> 1 and l.created = v.value ->> 2
            and l.event_id = v.value ->> 3";
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
