//! What can go wrong, and whether it is the database's trouble or one row's.

use std::{error::Error as StdError, fmt, path::PathBuf, sync::Arc};

use lanes::Shard;

/// The store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL is neither one of SQLite nor one of PostgreSQL.
    #[error(
        "the state store `{url}` is not supported: write `sqlite:` and the path of a file, such as `sqlite:state.db`, \
         or `postgres://user@host/database`"
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
    /// It cannot be opened as a database, or not be reached.
    #[error("cannot open the database `{database}`")]
    Connect {
        /// The database: its file, or its URL without the password.
        database: String,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// The schema cannot be brought up to date.
    #[error("cannot migrate the database `{database}`: it may have been written by a newer version")]
    Migrate {
        /// The database: its file, or its URL without the password.
        database: String,
        /// Why.
        #[source]
        source: sqlx::migrate::MigrateError,
    },
    /// The database is set up in a way that cannot hold what must be held.
    #[error("the database `{database}` cannot be used: {what}")]
    Unfit {
        /// The database: its URL without the password.
        database: String,
        /// What is wrong, and the fix.
        what: String,
    },
}

impl OpenError {
    /// Whether it may work later without anybody doing anything about it: the server is starting, or out of reach.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Connect { source: sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut, .. } => true,
            // Too many connections, and the states of a server that starts or stops.
            Self::Connect { source: sqlx::Error::Database(error), .. } => {
                error.code().is_some_and(|code| code == "53300" || code.starts_with("57P"))
            }
            _ => false,
        }
    }
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
    /// Another runner that lives owns the shard, or this one's lease has run out.
    #[error("shard {shard} of handler `{handler}` is another runner's")]
    Taken {
        /// The handler.
        handler: Arc<str>,
        /// The shard.
        shard: Shard,
    },
    /// What the claimer knows of the stream is from before the shard was its own, and does not fit to the progress: to be
    /// looked at again, and claimed again.
    #[error("the stream of shard {shard} of handler `{handler}` was looked at before the shard was taken")]
    Stale {
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
    /// The shard is the asker's now, and what it knows of the stream is from before.
    Stale,
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
    match error {
        sqlx::Error::Database(error) => !is_of_one_statement(&error.code().unwrap_or_default()),
        sqlx::Error::Encode(_)
        | sqlx::Error::Decode(_)
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::RowNotFound => false,
        _ => true,
    }
}

fn is_of_one_statement(code: &str) -> bool {
    // SQLite's primary result codes: error, constraint, mismatch, too big, range.
    const SQLITE: [i32; 5] = [1, 19, 20, 18, 25];
    // PostgreSQL's classes: cardinality, data, constraint, syntax, limits of one statement; and what a trigger raises.
    const POSTGRES: [&str; 6] = ["21", "22", "23", "42", "54", "P0"];
    // SQLite's codes have at most four digits, those of PostgreSQL five characters.
    match code.parse::<i32>() {
        Ok(number) if code.len() < 5 => SQLITE.contains(&(number & 0xff)),
        _ => POSTGRES.iter().any(|class| code.starts_with(class)),
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

#[cfg(test)]
mod tests {
    use super::is_of_one_statement;

    #[test]
    fn a_row_s_trouble_is_told_from_the_database_s() {
        // SQLite: unique, not null, too big; then busy, disk i/o, full, read-only.
        for (code, one) in [("1555", true), ("1299", true), ("18", true), ("5", false), ("522", false), ("13", false)] {
            assert_eq!(is_of_one_statement(code), one, "{code}");
        }
        // PostgreSQL: unique, division, index row too large, raised; then deadlock, shutdown, disk full, read-only.
        for (code, one) in [
            ("23505", true),
            ("22012", true),
            ("54000", true),
            ("P0001", true),
            ("40P01", false),
            ("57P01", false),
            ("53100", false),
            ("25006", false),
        ] {
            assert_eq!(is_of_one_statement(code), one, "{code}");
        }
    }
}
