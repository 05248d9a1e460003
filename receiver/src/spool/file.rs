//! The spool's file: opened by one process at a time, and what is committed there outlives a power cut.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use service::lock::{Lock, LockError};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Row as _, SqliteConnection};

/// Why the spool cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("the spool {} cannot be used", path.display())]
    Lock {
        /// Its file.
        path: PathBuf,
        /// Who has it, or what the system said.
        #[source]
        source: LockError,
    },
    /// There is none.
    #[error("there is no spool at {}; name the file that `receiver.spool.path` names", path.display())]
    Absent {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Its file cannot be made.
    #[error("cannot make the spool {}", path.display())]
    File {
        /// Its file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It cannot be opened or read.
    #[error("cannot open the spool {}: is its folder there and writable, and is the file a spool?", path.display())]
    Database {
        /// Its file.
        path: PathBuf,
        /// What the database said.
        #[source]
        source: sqlx::Error,
    },
    /// A newer Roomwire wrote it.
    #[error("the spool {} has layout {layout}, this version of Roomwire knows {LAYOUT}: use a newer one", path.display())]
    Layout {
        /// Its file.
        path: PathBuf,
        /// What it has.
        layout: i64,
    },
}

/// The layout of schema.sql, which is noted in the file.
const LAYOUT: i64 = 1;

/// A spool that is open for writing.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    pub(crate) writer: SqliteConnection,
    pub(crate) reader: SqliteConnection,
    /// Lanes with their rows and bytes.
    pub(crate) lanes: Vec<(Box<str>, u64, u64)>,
    pub(crate) lock: Lock,
}

impl File {
    /// Opens a spool, or makes one.
    pub(crate) async fn open(path: &Path) -> Result<File, OpenError> {
        let failed = |source| OpenError::Database { path: path.to_owned(), source };
        make(path).map_err(|source| OpenError::File { path: path.to_owned(), source })?;
        let lock = Lock::take(&service::lock::beside(path, ".lock"))
            .map_err(|source| OpenError::Lock { path: path.to_owned(), source })?;
        let mut writer = writing(path).connect().await.map_err(failed)?;
        let layout = lay_out(&mut writer).await.map_err(failed)?;
        if layout != LAYOUT {
            return Err(OpenError::Layout { path: path.to_owned(), layout });
        }
        let lanes = lanes(&mut writer).await.map_err(failed)?;
        let reader = reading(path).connect().await.map_err(failed)?;
        Ok(File { path: path.to_owned(), writer, reader, lanes, lock })
    }
}

/// Makes folder and file if they are absent. They hold people's data.
fn make(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    OpenOptions::new().create(true).append(true).mode(0o600).open(path).map(drop)
}

pub(crate) fn writing(path: &Path) -> SqliteConnectOptions {
    plain(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        // A checkpoint each 8 MiB; what one large transaction added to the file is given back.
        .pragma("wal_autocheckpoint", "2000")
        .pragma("journal_size_limit", "67108864")
}

/// A connection that only reads, also beside a process that writes.
pub(crate) fn reading(path: &Path) -> SqliteConnectOptions {
    plain(path).pragma("query_only", "on")
}

fn plain(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(path).busy_timeout(Duration::from_secs(5)).disable_statement_logging()
}

/// Lays out an empty file, and says which layout a file has.
async fn lay_out(conn: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    let layout: i64 = sqlx::query_scalar("pragma user_version").fetch_one(&mut *conn).await?;
    if layout != 0 {
        return Ok(layout);
    }
    sqlx::query("begin immediate").execute(&mut *conn).await?;
    sqlx::raw_sql(include_str!("schema.sql")).execute(&mut *conn).await?;
    sqlx::query("commit").execute(conn).await?;
    Ok(LAYOUT)
}

async fn lanes(conn: &mut SqliteConnection) -> Result<Vec<(Box<str>, u64, u64)>, sqlx::Error> {
    let lanes = "select lane, count(*) as rows, sum(size) as bytes from spooled group by lane";
    let rows = sqlx::query(lanes).fetch_all(conn).await?;
    let number = |row: &sqlx::sqlite::SqliteRow, name| row.try_get::<i64, _>(name).map(i64::unsigned_abs);
    rows.iter()
        .map(|row| Ok((row.try_get::<String, _>("lane")?.into(), number(row, "rows")?, number(row, "bytes")?)))
        .collect()
}
