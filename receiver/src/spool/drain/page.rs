//! Pages of the spool, split into lanes.

use std::collections::{HashMap, HashSet};

use event::topology::StreamsConfig;
use sqlx::SqliteConnection;

use crate::spool::row::{COLUMNS, Waiting};

/// Rows that are read together, and the most bytes of them that are held at a time.
const ROWS: i64 = 512;
const BYTES: u64 = 32 << 20;

/// The next rows by id, at least one if there is any.
pub(super) async fn read(
    conn: &mut SqliteConnection,
    after: i64,
    streams: &StreamsConfig,
) -> Result<Vec<Waiting>, sqlx::Error> {
    use futures_util::TryStreamExt as _;
    let select = format!("select {COLUMNS} from spooled where id > ?1 order by id limit ?2");
    let query = sqlx::query(sqlx::AssertSqlSafe(select)).bind(after).bind(ROWS);
    let (mut page, mut bytes) = (Vec::new(), 0);
    let mut rows = query.fetch(conn);
    while let Some(row) = rows.try_next().await? {
        let row = Waiting::read(&row, streams)?;
        bytes += row.size;
        page.push(row);
        if bytes > BYTES {
            break;
        }
    }
    Ok(page)
}

/// When the oldest row was received, in Unix milliseconds.
pub(super) async fn oldest(conn: &mut SqliteConnection) -> Result<Option<u64>, sqlx::Error> {
    let oldest: Option<i64> =
        sqlx::query_scalar("select received_at from spooled order by id limit 1").fetch_optional(conn).await?;
    Ok(oldest.map(i64::unsigned_abs))
}

/// The rows by lane, in their order, without those that must wait.
pub(super) fn lanes(page: Vec<Waiting>, lanes: &HashSet<String>, shards: &HashSet<u16>) -> Vec<Vec<Waiting>> {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut split: Vec<Vec<Waiting>> = Vec::new();
    for row in page {
        let waits = row.event.as_ref().is_ok_and(|event| shards.contains(&event.shard));
        if waits || lanes.contains(&row.lane) {
            continue;
        }
        let place = *places.entry(row.lane.clone()).or_insert(split.len());
        match split.get_mut(place) {
            Some(rows) => rows.push(row),
            None => split.push(vec![row]),
        }
    }
    split
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: i64, lane: &str) -> Waiting {
        Waiting { id, lane: lane.to_owned(), size: 1, event: Err("not looked at".to_owned()) }
    }

    #[test]
    fn lanes_keep_their_order_and_those_that_wait_are_left_out() {
        let page = vec![row(1, "a"), row(2, "b"), row(3, "a"), row(4, "c"), row(5, "b"), row(6, "a")];
        let split = lanes(page, &HashSet::from(["b".to_owned()]), &HashSet::new());
        let ids: Vec<Vec<i64>> = split.iter().map(|rows| rows.iter().map(|row| row.id).collect()).collect();
        assert_eq!(ids, [vec![1, 3, 6], vec![4]]);
    }
}
