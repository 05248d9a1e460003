//! The statements of dead letters.

use std::collections::HashMap;

use sqlx::SqliteConnection;

use super::{Bind as _, sheet::JsonSheet};
use crate::{
    Row,
    fields::Fields as _,
    scope::Scope,
    sheet::{Line as _, Sheet as _},
};

pub(crate) const INSERT: &str = "
    with rows (v) as materialized (select value from jsonb_each(?1))
    insert into dead (handler_id, run, shard, died_at, project, created, event_id, n, seq, lane, kind, key, cause,
        message, made, first_at, plugin_id, received_at, headers, body)
    select ?3, ?4, ?5, ?6, v ->> 0, v ->> 1, v ->> 2, v ->> 3, v ->> 4, v ->> 5,
        v ->> 6, v ->> 7, v ->> 8, v ->> 9, v ->> 10, v ->> 11, v ->> 12,
        v ->> 13, v ->> 14, substr(?2, v ->> 15, v ->> 16)
    from rows";

pub(crate) async fn insert(sheet: JsonSheet, conn: &mut SqliteConnection, scope: &Scope) -> Result<(), sqlx::Error> {
    sheet.run(conn, scope, INSERT).await.map(drop)
}

pub(crate) const REDRIVE: &str = "
    with rows (v) as materialized (select value from jsonb_each(?1))
    update dead set redriven_at = ?6 where redriven_at is null and id in (
        select d.id from rows cross join dead as d
        where d.handler_id = ?3 and d.run = ?4 and d.project = v ->> 0 and d.created = v ->> 1
            and d.event_id = v ->> 2
    )";

/// Notes when events were sent back; their rows stay as history.
pub(crate) async fn redrive(sheet: JsonSheet, conn: &mut SqliteConnection, scope: &Scope) -> Result<(), sqlx::Error> {
    sheet.run(conn, scope, REDRIVE).await.map(drop)
}

pub(crate) const DEATHS: &str = "
    with rows (v) as materialized (select value from jsonb_each(?1))
    select v ->> 0 as place, max(d.n) as n
    from rows cross join dead as d
    where d.handler_id = ?2 and d.run = ?3 and d.project = v ->> 1 and d.created = v ->> 2
        and d.event_id = v ->> 3
    group by place";

/// How often each of these rows has died before, by their place in the list; those that never did are left out.
pub(crate) async fn deaths(
    rows: &[(u64, &Row)],
    conn: &mut SqliteConnection,
    scope: &Scope,
) -> Result<HashMap<u64, u32>, sqlx::Error> {
    let mut sheet = JsonSheet::default();
    for (place, row) in rows {
        let identity = &row.identity;
        sheet.row().nat(*place).text(&identity.project).int(identity.created).text(&identity.id);
    }
    let mut deaths = HashMap::new();
    for json in sheet.into_json() {
        for row in scope.bind(sqlx::query(DEATHS).bind(json)).fetch_all(&mut *conn).await? {
            deaths.insert(row.nat("place")?, row.small("n")?);
        }
    }
    Ok(deaths)
}
