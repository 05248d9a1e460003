//! Where the database is, how it is opened, and its schema.

use std::{path::PathBuf, time::Duration};

use sqlx::{
    SqlSafeStr, SqliteConnection,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use crate::OpenError;

/// Whether a URL is one of SQLite.
pub(crate) fn is_url(url: &str) -> bool {
    url.starts_with("sqlite:")
}

/// The path behind `sqlite:PATH`.
pub(crate) fn path_of(url: &str) -> Result<PathBuf, OpenError> {
    let refused = || OpenError::Url { url: url.to_owned() };
    let path = url.strip_prefix("sqlite:").ok_or_else(refused)?;
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() || path.starts_with(':') || path.contains('?') {
        return Err(refused());
    }
    Ok(PathBuf::from(path))
}

/// The writer's connection: what it has committed outlives a power cut.
pub(crate) fn writer(path: &PathBuf) -> SqliteConnectOptions {
    plain(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("cache_size", "-65536")
        // A checkpoint each 8 MiB; what one large transaction added to the file is given back.
        .pragma("wal_autocheckpoint", "2000")
        .pragma("journal_size_limit", "67108864")
        .pragma("temp_store", "memory")
}

/// Connections that only read.
pub(crate) fn reader(path: &PathBuf) -> SqliteConnectOptions {
    plain(path).pragma("cache_size", "-16384").pragma("query_only", "on")
}

fn plain(path: &PathBuf) -> SqliteConnectOptions {
    use sqlx::ConnectOptions;
    SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(false)
        .busy_timeout(Duration::from_secs(5))
        .disable_statement_logging()
}

/// Brings the schema up to date. A database that has migrations which this version does not know is refused.
pub(crate) async fn migrate(conn: &mut SqliteConnection) -> Result<(), MigrateError> {
    const FIRST: &str = include_str!("../../migrations/sqlite/0001_first.sql");
    const STOPS: &str = include_str!("../../migrations/sqlite/0002_stops.sql");
    const REQUESTS: &str = include_str!("../../migrations/sqlite/0003_requests.sql");
    const KEYVALUE: &str = include_str!("../../migrations/sqlite/0004_keyvalue.sql");
    let first = Migration::new(1, "first".into(), MigrationType::Simple, FIRST.into_sql_str(), false);
    let stops = Migration::new(2, "stops".into(), MigrationType::Simple, STOPS.into_sql_str(), false);
    let requests = Migration::new(3, "requests".into(), MigrationType::Simple, REQUESTS.into_sql_str(), false);
    let keyvalue = Migration::new(4, "keyvalue".into(), MigrationType::Simple, KEYVALUE.into_sql_str(), false);
    Migrator::with_migrations(vec![first, stops, requests, keyvalue]).run(conn).await
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

    use super::{migrate, path_of};
    use crate::sqlite::{dead, keyvalue, ledger, look_ups, outbox, parked, plain};

    #[test]
    fn a_url_is_sqlite_and_a_path() {
        for (url, path) in [
            ("sqlite:state.db", "state.db"),
            ("sqlite://state.db", "state.db"),
            ("sqlite:/var/lib/state.db", "/var/lib/state.db"),
            ("sqlite:///var/lib/state.db", "/var/lib/state.db"),
        ] {
            assert_eq!(path_of(url).unwrap(), Path::new(path), "{url}");
        }
        for url in ["", "state.db", "sqlite:", "sqlite::memory:", "sqlite:a.db?mode=ro", "postgres://localhost/rw"] {
            let error = path_of(url).unwrap_err().to_string();
            assert!(error.contains(url) && error.contains("sqlite:state.db"), "{error}");
        }
    }

    #[tokio::test]
    async fn statements_over_many_rows_search_an_index_and_never_walk_a_table() {
        let mut conn = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        migrate(&mut conn).await.unwrap();
        for sql in [
            ledger::CHANGE,
            ledger::FIND,
            look_ups::FIND,
            parked::CHANGE,
            parked::REMOVE,
            crate::parked::LOAD,
            crate::aged::FIRST,
            crate::aged::LAST,
            crate::aged::REMOVE,
            crate::aged::REMOVE_ATTEMPTS,
            crate::aged::REMOVE_DEATHS,
            dead::REDRIVE,
            dead::DEATHS,
            plain::ENTRIES,
            plain::ADVANCE,
            outbox::SENDING,
            outbox::SENT,
            outbox::FAILED,
            outbox::WAITING,
            outbox::ROWS,
            outbox::HEADS,
            outbox::FIRST,
            outbox::REQUESTS,
            keyvalue::SEEN,
            keyvalue::LISTED,
            keyvalue::COUNT_PUT,
            keyvalue::PUT,
            keyvalue::COUNT_REMOVED,
            keyvalue::REMOVE,
        ] {
            let plan = AssertSqlSafe(format!("explain query plan {sql}"));
            let steps: Vec<(i64, i64, i64, String)> = sqlx::query_as(plan).fetch_all(&mut conn).await.unwrap();
            for (.., step) in &steps {
                let harmless = [
                    "SCAN asks",
                    "SCAN rows",
                    "SCAN jsonb_each VIRTUAL TABLE",
                    "SCAN entry VIRTUAL TABLE",
                    "SCAN c",
                    "SCAN json_each VIRTUAL TABLE",
                    // An index of the requests alone, in which each lane's first one is found; what is found is small.
                    "SCAN outbox USING INDEX outbox_requests",
                    "SCAN f",
                ];
                let walks = step.starts_with("SCAN") && !harmless.iter().any(|plain| step.starts_with(plain));
                assert!(!walks, "{sql}\n{steps:#?}");
            }
        }
    }
}
