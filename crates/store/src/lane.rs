//! Lanes that have something in the store, or wait for an operator.

use std::{collections::BTreeMap, sync::Arc};

use lanes::{LaneChange, StoredLane};

use crate::{
    fields::{Ask, Fields},
    scope::Scope,
    sheet::{Line as _, Sheet},
};

/// Sorts what a commit says of lanes into those that stand and those that leave; the last word on a lane counts.
pub(crate) fn sort(changes: &[LaneChange], put: &mut impl Sheet, remove: &mut impl Sheet) {
    let mut last = BTreeMap::new();
    for change in changes {
        let (LaneChange::Waiting { key, .. } | LaneChange::Held { key } | LaneChange::Gone { key }) = change;
        last.insert(key, change);
    }
    for (key, change) in last {
        match change {
            LaneChange::Waiting { due, .. } => drop(put.row().text(key).nat(*due).int(false)),
            LaneChange::Held { .. } => drop(put.row().text(key).nat(0).int(true)),
            LaneChange::Gone { .. } => drop(remove.row().text(key)),
        }
    }
}

/// Asks for all lanes of a shard that are in the store.
pub(crate) fn ask(scope: &Scope) -> Ask {
    const ALL: &str = "
        select l.lane as lane, l.due as due, l.held as held, (
            select count(*) from parked as p
            where p.handler_id = l.handler_id and p.run = l.run and p.shard = l.shard and p.lane = l.lane
        ) as events
        from lanes as l where l.handler_id = $1 and l.run = $2 and l.shard = $3 order by l.lane";
    Ask { sql: ALL, args: scope.args() }
}

/// A row of [`ask`].
pub(crate) fn stored(row: &dyn Fields) -> Result<StoredLane, sqlx::Error> {
    Ok(StoredLane {
        key: Arc::from(row.text("lane")?),
        events: row.small("events")?,
        due: row.nat("due")?,
        held: row.flag("held")?,
    })
}
