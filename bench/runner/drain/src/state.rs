//! The database that a drain is noted in: with a ledger of what was drained long ago, because an empty one is quick.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgConnection, SqliteConnection};
use store::Store;
use tempfile::TempDir;
use testkit::PostgresServer;
use tokio::sync::OnceCell;

use crate::contestant::Contestant;

/// The handler that drains.
pub(crate) const HANDLER: &str = "drain";

/// The tables of a worker that is written by hand. Its key is as local as ours: a key by id alone would be a straw man.
const OF_NODE: &str = "
    create table ledger (
        created integer not null, event_id text not null, kind text not null, seq integer not null,
        settled_at integer not null, primary key (created, event_id)
    ) strict, without rowid;
    create table progress (done integer not null, skipped integer not null) strict;
    insert into progress values (0, 0);";

/// A database of one drain.
pub(crate) enum State {
    Sqlite(PathBuf),
    /// Its address.
    Postgres(String),
}

impl State {
    /// As `state.url` names it.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(file) => format!("sqlite:{}", file.display()),
            Self::Postgres(url) => url.clone(),
        }
    }

    /// The file of SQLite.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(file) => Some(file),
            Self::Postgres(..) => None,
        }
    }

    /// A connection to look at it while another process writes.
    pub(crate) async fn look(&self) -> Result<Look> {
        Ok(match self {
            Self::Sqlite(file) => Look::Sqlite(sqlite(file).create_if_missing(false).connect().await?),
            Self::Postgres(url) => Look::Postgres(PgConnection::connect(url).await?),
        })
    }
}

/// Looks at how much is done.
pub(crate) enum Look {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Look {
    /// Events that are done or skipped by a commit that is written, over all handlers.
    pub(crate) async fn done(&mut self) -> Result<u64> {
        const DONE: &str = "select cast(coalesce(sum(done + skipped), 0) as bigint) from progress";
        let done: i64 = match self {
            Self::Sqlite(conn) => sqlx::query_scalar(DONE).fetch_one(conn).await?,
            Self::Postgres(conn) => sqlx::query_scalar(DONE).fetch_one(conn).await?,
        };
        Ok(done.unsigned_abs())
    }
}

/// Databases with so many rows in their ledger, made once and copied for each drain.
pub(crate) struct Prefilled {
    folder: TempDir,
    rows: u64,
    /// The server, and its database that is copied.
    server: OnceCell<(PostgresServer, String)>,
}

impl Prefilled {
    pub(crate) fn new(rows: u64) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("rw-bench-").tempdir().context("cannot make a folder")?;
        Ok(Self { folder, rows, server: OnceCell::new() })
    }

    /// A database of its own for one drain, in a folder.
    pub(crate) async fn state(&self, contestant: Contestant, folder: &Path) -> Result<State> {
        if contestant == Contestant::Postgres {
            let (server, template) = self.server.get_or_try_init(|| self.postgres()).await?;
            return Ok(State::Postgres(server.copy(template).await?));
        }
        let template = self.folder.path().join(if contestant.is_ours() { "ours.db" } else { "node.db" });
        if !template.exists() {
            let made = template.with_extension("new");
            self.fill_sqlite(contestant, &made).await.context("cannot fill a ledger")?;
            std::fs::rename(&made, &template)?;
        }
        let file = folder.join("state.db");
        std::fs::copy(&template, &file).context("cannot copy the database")?;
        // What was copied is not written while the drain waits for the disk.
        std::fs::File::open(&file)?.sync_all()?;
        Ok(State::Sqlite(file))
    }

    async fn fill_sqlite(&self, contestant: Contestant, file: &Path) -> Result<()> {
        if contestant.is_ours() {
            let store = Box::pin(Store::open(&format!("sqlite:{}", file.display()), &event::Prefix::default())).await?;
            store.close().await;
        }
        let mut conn = sqlite(file).create_if_missing(true).journal_mode(SqliteJournalMode::Wal).connect().await?;
        if !contestant.is_ours() {
            conn.execute(OF_NODE).await?;
        }
        let rows = format!("with recursive n (n) as (select 1 union all select n + 1 from n where n < {}) ", self.rows);
        let insert = if contestant.is_ours() {
            format!(
                "insert into handlers (id, name) values (1, '{HANDLER}'); insert into ledger (handler_id, run, project, created, event_id, shard, seq, state, attempt, settled_at) {rows} select 1, 'live', 'default', 1700000000 + n / 1000, printf('EV_old%012d', n), n % 4, 0, 1, 1, 0 from n"
            )
        } else {
            format!(
                "insert into ledger {rows} select 1700000000 + n / 1000, printf('EV_old%012d', n), 'room_started', n, 0 from n"
            )
        };
        conn.execute(AssertSqlSafe(insert)).await?;
        conn.execute("pragma wal_checkpoint(truncate)").await?;
        conn.close().await?;
        Ok(())
    }

    async fn postgres(&self) -> Result<(PostgresServer, String)> {
        let server = PostgresServer::start_durable().await?;
        let url = server.database().await?;
        let store = Box::pin(Store::open(&url, &event::Prefix::default())).await?;
        Box::pin(store.close()).await;
        let mut conn = PgConnection::connect(&url).await?;
        let insert = format!(
            "insert into handlers (name) values ('{HANDLER}'); insert into ledger (handler_id, run, project, created, event_id, shard, seq, state, attempt, settled_at)
            select h.id, 'live', 'default', 1700000000 + n / 1000, 'EV_old' || lpad(n::text, 12, '0'), n % 4, 0, 1, 1, 0
            from generate_series(1, {}) as n, handlers as h",
            self.rows
        );
        conn.execute(AssertSqlSafe(insert)).await.context("cannot fill a ledger")?;
        conn.execute("vacuum analyze ledger").await?;
        conn.execute("checkpoint").await?;
        conn.close().await?;
        Ok((server, url))
    }
}

pub(crate) fn sqlite(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .busy_timeout(std::time::Duration::from_secs(20))
        .disable_statement_logging()
}
