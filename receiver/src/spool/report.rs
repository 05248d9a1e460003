//! What a spool holds, read from its file beside whoever uses it.

use std::path::Path;

use serde::Serialize;
use sqlx::{ConnectOptions as _, Connection as _, Row as _};

use super::file::{self, OpenError};

/// What a spool holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Events.
    pub events: u64,
    /// What they count for against `receiver.spool.max_bytes`.
    pub bytes: u64,
    /// Rooms and other things that are ordered among themselves.
    pub lanes: u64,
    /// When the oldest was received, in Unix milliseconds.
    pub oldest_received_at_ms: Option<u64>,
}

/// What the spool at `path` holds. Nothing is changed and nobody disturbed.
///
/// # Errors
/// When there is no spool, or it cannot be read.
pub async fn report(path: &Path) -> Result<Report, OpenError> {
    if !path.is_file() {
        return Err(OpenError::Absent { path: path.to_owned() });
    }
    read(path).await.map_err(|source| OpenError::Database { path: path.to_owned(), source })
}

async fn read(path: &Path) -> Result<Report, sqlx::Error> {
    let mut conn = file::reading(path).connect().await?;
    let sums = "select count(*) as events, coalesce(sum(size), 0) as bytes, count(distinct lane) as lanes,
        (select received_at from spooled order by id limit 1) as oldest from spooled";
    let row = sqlx::query(sums).fetch_one(&mut conn).await?;
    let number = |name| row.try_get::<i64, _>(name).map(i64::unsigned_abs);
    let report = Report {
        events: number("events")?,
        bytes: number("bytes")?,
        lanes: number("lanes")?,
        oldest_received_at_ms: row.try_get::<Option<i64>, _>("oldest")?.map(i64::unsigned_abs),
    };
    conn.close().await?;
    Ok(report)
}
