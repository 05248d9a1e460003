//! The statements of lanes.

use lanes::{LaneChange, StoredLane};
use sqlx::SqliteConnection;

use super::{fetch, sheet::JsonSheet};
use crate::{lane, scope::Scope};

/// Carries out what a commit says of lanes.
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
    let (mut put, mut remove) = (JsonSheet::default(), JsonSheet::default());
    lane::sort(changes, &mut put, &mut remove);
    put.run(conn, scope, PUT).await?;
    remove.run(conn, scope, REMOVE).await?;
    Ok(())
}

/// All lanes of a shard that are in the store.
pub(crate) async fn all(conn: &mut SqliteConnection, scope: &Scope) -> Result<Vec<StoredLane>, sqlx::Error> {
    fetch(conn, lane::ask(scope)).await?.iter().map(|row| lane::stored(row)).collect()
}
