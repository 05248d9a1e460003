//! What can go wrong, and whether it is the database's trouble or one row's.

use std::{error::Error as StdError, fmt, path::PathBuf, sync::Arc};

use lanes::Shard;

/// The store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL is not one of SQLite.
    #[error(
        "the state store `{url}` is not supported: write `sqlite:` and the path of a file, such as `sqlite:state.db`"
    )]
    Url {
        /// The URL.
        url: String,
    },
    /// Another process has the store.
    #[error("another runner holds `{}` ({}): stop it first, or give this one a `state.url` of its own", lock.display(), Pid(*pid))]
    Held {
        /// The lock file.
        lock: PathBuf,
        /// The other process, where its lock file says.
        pid: Option<u32>,
    },
    /// The lock file cannot be used.
    #[error("cannot lock `{}`: the folder must be writable", lock.display())]
    Lock {
        /// The lock file.
        lock: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The folder of the database cannot be made.
    #[error("cannot make the folder of `{}`", path.display())]
    Folder {
        /// The database file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file cannot be opened as a database.
    #[error("cannot open the database `{}`", path.display())]
    Connect {
        /// The database file.
        path: PathBuf,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// The schema cannot be brought up to date.
    #[error("cannot migrate the database `{}`: it may have been written by a newer version", path.display())]
    Migrate {
        /// The database file.
        path: PathBuf,
        /// Why.
        #[source]
        source: sqlx::migrate::MigrateError,
    },
}

struct Pid(Option<u32>);

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(pid) => write!(f, "pid {pid}"),
            None => f.write_str("its pid is not known"),
        }
    }
}

/// An operation of the store failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// The epoch is not the asker's any more.
    #[error("shard {shard} of handler `{handler}` has another owner by now")]
    Lost {
        /// The handler.
        handler: Arc<str>,
        /// The shard.
        shard: Shard,
    },
    /// The database failed.
    #[error("cannot {operation}")]
    Database {
        /// What was asked.
        operation: &'static str,
        /// Why.
        #[source]
        source: Arc<sqlx::Error>,
    },
    /// What is stored cannot be understood.
    #[error("cannot {operation}: the store holds {what} that cannot be understood")]
    Invalid {
        /// What was asked.
        operation: &'static str,
        /// What is not valid.
        what: &'static str,
        /// Why.
        #[source]
        source: Arc<serde_json::Error>,
    },
}

/// Why a piece of work was not done.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The epoch is another one.
    Lost,
    /// The database said no.
    Database(sqlx::Error),
    /// What is stored cannot be understood.
    Invalid(&'static str, serde_json::Error),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

/// Whether the database as a whole is in trouble (busy, full, unreadable, gone), and not one statement or row.
pub(crate) fn is_of_database(error: &sqlx::Error) -> bool {
    // SQLite's primary result codes: error, constraint, mismatch, too big, range.
    const OF_ONE_STATEMENT: [i32; 5] = [1, 19, 20, 18, 25];
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().and_then(|code| code.parse::<i32>().ok()).unwrap_or(0);
            !OF_ONE_STATEMENT.contains(&(code & 0xff))
        }
        sqlx::Error::Encode(_)
        | sqlx::Error::Decode(_)
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::RowNotFound => false,
        _ => true,
    }
}

/// An error with everything that caused it, for one log line.
pub(crate) struct Chain<'a>(pub(crate) &'a (dyn StdError + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
