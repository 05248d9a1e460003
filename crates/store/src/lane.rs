//! Lanes that have something in the store, or wait for an operator.

use std::{collections::BTreeMap, sync::Arc};

use lanes::{LaneChange, StoredLane};
use sqlx::{Row as _, SqliteConnection};

use crate::{scope::Scope, sheet::Sheet};

/// Carries out what a commit says of lanes; the last word on a lane counts.
pub(crate) async fn change(
    changes: &[LaneChange],
    conn: &mut SqliteConnection,
    scope: &Scope,
) -> Result<(), sqlx::Error> {
    const PUT: &str = "
        insert into lanes (handler_id, run, shard, lane, due, held)
        select ?3, ?4, ?5, value ->> 0, value ->> 1, value ->> 2 from json_each(?1) where true
        on conflict (handler_id, run, shard, lane) do update set due = excluded.due, held = excluded.held";
    const REMOVE: &str = "
        delete from lanes
        where handler_id = ?3 and run = ?4 and shard = ?5 and lane in (select value ->> 0 from json_each(?1))";
    let mut last = BTreeMap::new();
    for change in changes {
        let (LaneChange::Waiting { key, .. } | LaneChange::Held { key } | LaneChange::Gone { key }) = change;
        last.insert(key, change);
    }
    let (mut put, mut remove) = (Sheet::default(), Sheet::default());
    for (key, change) in last {
        match change {
            LaneChange::Waiting { due, .. } => drop(put.row().text(key).nat(*due).int(false)),
            LaneChange::Held { .. } => drop(put.row().text(key).nat(0).int(true)),
            LaneChange::Gone { .. } => drop(remove.row().text(key)),
        }
    }
    put.run(conn, scope, PUT).await?;
    remove.run(conn, scope, REMOVE).await?;
    Ok(())
}

/// All lanes of a shard that are in the store.
pub(crate) async fn all(conn: &mut SqliteConnection, scope: &Scope) -> Result<Vec<StoredLane>, sqlx::Error> {
    const ALL: &str = "
        select l.lane as lane, l.due as due, l.held as held, (
            select count(*) from parked as p
            where p.handler_id = l.handler_id and p.run = l.run and p.shard = l.shard and p.lane = l.lane
        ) as events
        from lanes as l where l.handler_id = ?1 and l.run = ?2 and l.shard = ?3 order by l.lane";
    let rows = scope.bind(sqlx::query(ALL)).fetch_all(conn).await?;
    rows.iter()
        .map(|row| {
            Ok(StoredLane {
                key: Arc::from(row.try_get::<String, _>("lane")?),
                events: row.try_get("events")?,
                due: row.try_get::<i64, _>("due")?.cast_unsigned(),
                held: row.try_get("held")?,
            })
        })
        .collect()
}
