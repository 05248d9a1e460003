//! The ledger's statements.

use lanes::Identity;
use sqlx::SqliteConnection;

use super::{sheet::JsonSheet, writer::Desk};
use crate::{
    ledger::Standing,
    scope::Scope,
    sheet::{Line as _, Sheet as _},
};

pub(crate) const INSERT: &str = "
    with rows (v) as materialized (select value from jsonb_each(?1))
    insert into ledger (handler_id, run, shard, settled_at, project, created, event_id, seq, state, attempt,
        plugin_id, duration_us, peak_memory, note)
    select ?3, ?4, ?5, ?6, v ->> 0, v ->> 1, v ->> 2, v ->> 3, v ->> 4, v ->> 5,
        v ->> 6, v ->> 7, v ->> 8, v ->> 9
    from rows";

/// Inserts plainly: an identity that is there already refuses the whole commit, so that no effect goes out twice.
pub(crate) async fn insert(sheet: JsonSheet, conn: &mut SqliteConnection, scope: &Scope) -> Result<(), sqlx::Error> {
    sheet.run(conn, scope, INSERT).await.map(drop)
}

/// New entries as `?1` of [`INSERT`], to be written with something else. What is too much for one parameter is written now.
pub(crate) async fn entries(sheet: JsonSheet, desk: &mut Desk, scope: &Scope) -> Result<Option<String>, sqlx::Error> {
    match sheet.into_one() {
        Ok(entries) => Ok(entries),
        Err(sheet) => {
            desk.open().await?;
            insert(sheet, &mut desk.conn, scope).await?;
            Ok(None)
        }
    }
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
pub(crate) async fn change(sheet: JsonSheet, conn: &mut SqliteConnection, scope: &Scope) -> Result<bool, sqlx::Error> {
    let rows = sheet.rows();
    Ok(sheet.run(conn, scope, CHANGE).await? == rows)
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
    let mut sheet = JsonSheet::default();
    for (asked, identity) in identities {
        sheet.row().nat(asked).text(&identity.project).int(identity.created).text(&identity.id);
    }
    let mut found = Vec::new();
    for json in sheet.into_json() {
        let rows = sqlx::query(FIND).bind(json).bind(handler_id).bind(run.to_owned()).fetch_all(&mut *conn).await?;
        for row in rows {
            found.push(Standing::of(&row)?);
        }
    }
    Ok(found)
}
