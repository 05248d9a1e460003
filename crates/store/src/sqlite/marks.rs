//! Marks of what is in flight, in a database of their own beside the store.
//!
//! They are written before invocations start and need no fsync: they must outlive the process, not the machine. What
//! they say is advisory, so trouble with this file is logged and the file is made anew; it never stops any work.
//!
//! Whoever waits for a mark writes all that wait. A later mark of a shard replaces an earlier one that is not written yet,
//! since each names all that runs.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use lanes::{Seq, Shard};
use sqlx::{
    ConnectOptions, Connection, Row as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tokio::sync::Mutex;
use tracing::warn;

use super::lock::beside;
use crate::{
    error::Chain,
    progress::seqs,
    scope::{Owner, now},
};

/// The marks of all shards.
#[derive(Debug)]
pub(crate) struct Marks {
    path: PathBuf,
    /// None while the file cannot be used.
    conn: Mutex<Option<SqliteConnection>>,
    next: AtomicU64,
    waiting: std::sync::Mutex<Waiting>,
    /// The version up to which marks are written, or cannot be.
    written: AtomicU64,
}

#[derive(Debug, Default)]
struct Waiting {
    version: u64,
    marks: HashMap<Of, Running>,
}

/// Handler, run and shard.
type Of = (Arc<str>, Arc<str>, Shard);

#[derive(Debug)]
struct Running {
    epoch: u64,
    number: u64,
    seqs: String,
}

/// What one owner had in flight.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    pub(crate) handler: String,
    pub(crate) run: String,
    pub(crate) shard: Shard,
    pub(crate) epoch: u64,
    pub(crate) number: u64,
    pub(crate) running: Vec<Seq>,
}

impl Marks {
    pub(crate) async fn open(database: &Path) -> Self {
        let path = beside(database, ".marks");
        let conn = open_or_make_anew(&path).await;
        // Numbers only order the marks of one epoch, so beginning at the time is more than enough.
        Self {
            path,
            conn: Mutex::new(conn),
            next: AtomicU64::new(now()),
            waiting: std::sync::Mutex::default(),
            written: AtomicU64::new(0),
        }
    }

    /// The next number: a mark with a higher one was written later.
    pub(crate) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Takes a mark in; it is written when [`Marks::write`] has returned for the version that this returns.
    pub(crate) fn put(&self, owner: &Owner, running: &[Seq]) -> u64 {
        let of = (Arc::clone(&owner.handler), Arc::clone(&owner.run), owner.shard);
        let mark = Running { epoch: owner.epoch, number: self.number(), seqs: seqs(running.iter().copied()) };
        let mut waiting = self.waiting();
        waiting.version += 1;
        if waiting.marks.get(&of).is_none_or(|before| before.epoch <= mark.epoch) {
            waiting.marks.insert(of, mark);
        }
        waiting.version
    }

    /// Writes what waits, unless somebody else has done so.
    pub(crate) async fn write(&self, version: u64) {
        let mut conn = self.conn.lock().await;
        if self.written.load(Ordering::Acquire) < version {
            self.write_all(&mut conn).await;
        }
    }

    async fn write_all(&self, conn: &mut Option<SqliteConnection>) {
        const PUT: &str = "
            insert into marks (handler, run, shard, epoch, number, running)
            select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 from json_each(?1)
            where true
            on conflict (handler, run, shard)
            do update set epoch = excluded.epoch, number = excluded.number, running = excluded.running
            where excluded.epoch >= marks.epoch";
        // They stay until they are written: whoever waits for that may be dropped meanwhile, and others wait for them, too.
        let (version, taken, rows) = {
            let waiting = self.waiting();
            let taken: Vec<_> = waiting.marks.iter().map(|(of, mark)| (of.clone(), mark.number)).collect();
            let rows = waiting.marks.iter().map(|((handler, run, shard), Running { epoch, number, seqs })| {
                serde_json::json!([**handler, **run, shard, epoch.cast_signed(), number.cast_signed(), seqs])
            });
            (waiting.version, taken, rows.collect::<serde_json::Value>())
        };
        if !taken.is_empty() {
            let rows = rows.to_string();
            for _ in 0..2 {
                let Some(open) = conn.as_mut() else { break };
                match sqlx::query(PUT).bind(rows.clone()).execute(open).await {
                    Ok(_) => break,
                    Err(error) => self.make_anew(conn, &error).await,
                }
            }
            if conn.is_none() {
                *conn = open_or_make_anew(&self.path).await;
            }
        }
        let mut waiting = self.waiting();
        for (of, number) in taken {
            if waiting.marks.get(&of).is_some_and(|mark| mark.number == number) {
                waiting.marks.remove(&of);
            }
        }
        self.written.store(version, Ordering::Release);
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn remove(&self, owner: &Owner) {
        const REMOVE: &str = "delete from marks where handler = ?1 and run = ?2 and shard = ?3 and epoch <= ?4";
        let mut conn = self.conn.lock().await;
        self.write_all(&mut conn).await;
        let Some(open) = conn.as_mut() else { return };
        let removed = sqlx::query(REMOVE)
            .bind(Arc::clone(&owner.handler))
            .bind(Arc::clone(&owner.run))
            .bind(i64::from(owner.shard))
            .bind(owner.epoch.cast_signed())
            .execute(open)
            .await;
        if let Err(error) = removed {
            self.make_anew(&mut conn, &error).await;
        }
    }

    pub(crate) async fn all(&self) -> Vec<Mark> {
        let mut conn = self.conn.lock().await;
        self.write_all(&mut conn).await;
        let Some(open) = conn.as_mut() else { return Vec::new() };
        match read(open).await {
            Ok(marks) => marks,
            Err(error) => {
                self.make_anew(&mut conn, &error).await;
                Vec::new()
            }
        }
    }

    pub(crate) async fn close(&self) {
        if let Some(conn) = self.conn.lock().await.take() {
            // Nothing in it needs to reach the disk.
            drop(conn.close().await);
        }
    }

    async fn make_anew(&self, conn: &mut Option<SqliteConnection>, error: &sqlx::Error) {
        warn!(
            path = %self.path.display(), error = %Chain(error),
            "the marks of what is in flight cannot be used: the file is made anew; should the process die now, the \
             event that killed it is found later"
        );
        if let Some(conn) = conn.take() {
            drop(conn.close_hard().await);
        }
        delete(&self.path);
        *conn = connect(&self.path).await.ok();
    }
}

async fn open_or_make_anew(path: &Path) -> Option<SqliteConnection> {
    let error = match connect(path).await {
        Ok(conn) => return Some(conn),
        Err(error) => error,
    };
    warn!(
        path = %path.display(), error = %Chain(&error),
        "the marks of what was in flight cannot be read: the file is made anew; an event that killed the process is \
         found when it does so again"
    );
    delete(path);
    match connect(path).await {
        Ok(conn) => Some(conn),
        Err(error) => {
            warn!(path = %path.display(), error = %Chain(&error), "running without marks: check folder and disk");
            None
        }
    }
}

async fn connect(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    const CREATE: &str = "
        create table if not exists marks (
            handler text not null, run text not null, shard integer not null, epoch integer not null,
            number integer not null, running text not null, primary key (handler, run, shard)
        ) strict, without rowid";
    let mut conn = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Off)
        .busy_timeout(Duration::from_secs(1))
        .disable_statement_logging()
        .connect()
        .await?;
    let health: String = sqlx::query_scalar("pragma quick_check(1)").fetch_one(&mut conn).await?;
    if health != "ok" {
        return Err(sqlx::Error::Protocol(health));
    }
    sqlx::query(CREATE).execute(&mut conn).await?;
    read(&mut conn).await?;
    Ok(conn)
}

async fn read(conn: &mut SqliteConnection) -> Result<Vec<Mark>, sqlx::Error> {
    let rows = sqlx::query("select handler, run, shard, epoch, number, running from marks").fetch_all(conn).await?;
    rows.iter()
        .map(|row| {
            let running: String = row.try_get("running")?;
            // What a stream left that is gone has negative numbers here.
            let signed: Vec<i64> = serde_json::from_str(&running).map_err(|error| sqlx::Error::Decode(error.into()))?;
            Ok(Mark {
                handler: row.try_get("handler")?,
                run: row.try_get("run")?,
                shard: row.try_get("shard")?,
                epoch: row.try_get::<i64, _>("epoch")?.cast_unsigned(),
                number: row.try_get::<i64, _>("number")?.cast_unsigned(),
                running: signed.into_iter().map(i64::cast_unsigned).collect(),
            })
        })
        .collect()
}

fn delete(path: &Path) {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        // What is not there need not be deleted; what cannot be deleted shows when it is opened.
        drop(std::fs::remove_file(beside(path, suffix)));
    }
}

#[cfg(test)]
mod tests {
    use super::Marks;
    use crate::scope::Owner;

    fn owner(shard: u16) -> Owner {
        Owner { handler: "greeter".into(), run: "live".into(), shard, epoch: 1 }
    }

    #[tokio::test]
    async fn a_mark_is_written_though_another_one_that_began_to_write_both_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let marks = Marks::open(&folder.path().join("state.db")).await;
        let first = marks.put(&owner(0), &[7]);
        let second = marks.put(&owner(1), &[9]);
        tokio::select! {
            biased;
            () = marks.write(first) => panic!("it was written at once, so it was not dropped on its way"),
            () = std::future::ready(()) => {}
        }
        marks.write(second).await;
        let mut running: Vec<_> = marks.all().await.into_iter().map(|mark| (mark.shard, mark.running)).collect();
        running.sort_unstable();
        assert_eq!(running, [(0, vec![7]), (1, vec![9])]);
    }
}
