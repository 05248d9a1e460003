//! The one writer of the spool: whatever is asked of it while it commits goes together into the next transaction.
//!
//! No timer: the fsync of one transaction is what lets the next batch gather. Answers go out after the commit.

use std::path::PathBuf;
use std::sync::Arc;

use service::error::Chain;
use service::lock::Lock;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use tokio::sync::{Notify, mpsc, oneshot};

use super::backlog::Place;
use super::file;
use super::row::Row;

/// The most jobs in one transaction.
const TOGETHER: usize = 512;
/// Jobs that may wait for the writer; who asks for more waits.
const QUEUE: usize = 2 * TOGETHER;

/// What became of an event that was to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    /// It is on disk.
    Written,
    /// It was there already.
    Duplicate,
}

/// The disk does not take it; why, in words.
#[derive(Debug, Clone)]
pub(crate) struct WriteError(pub(crate) Arc<str>);

enum Job {
    Put { row: Row, place: Place, reply: oneshot::Sender<Result<Put, WriteError>> },
    Remove { ids: Vec<i64>, reply: oneshot::Sender<Result<(), WriteError>> },
    Stop(oneshot::Sender<()>),
}

/// The asking side.
#[derive(Debug, Clone)]
pub(crate) struct Queue(mpsc::Sender<Job>);

impl Queue {
    /// Writes an event, which is on disk when this returns. The row is written also when nobody waits for it any more.
    pub(crate) async fn put(&self, row: Row, place: Place) -> Result<Put, WriteError> {
        self.ask(|reply| Job::Put { row, place, reply }).await
    }

    /// Removes rows.
    pub(crate) async fn remove(&self, ids: Vec<i64>) -> Result<(), WriteError> {
        self.ask(|reply| Job::Remove { ids, reply }).await
    }

    /// Finishes what was asked before and closes the file.
    pub(crate) async fn stop(&self) {
        let (reply, stopped) = oneshot::channel();
        if self.0.send(Job::Stop(reply)).await.is_ok() {
            // An error means that it stopped without saying so, which is as good.
            let _gone = stopped.await;
        }
    }

    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<Result<T, WriteError>>) -> Job) -> Result<T, WriteError> {
        let closed = || WriteError("it is closed".into());
        let (reply, answer) = oneshot::channel();
        self.0.send(job(reply)).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

/// Starts the writer. It ends when it is stopped, or with the last queue.
pub(crate) fn start(conn: SqliteConnection, path: PathBuf, lock: Lock, written: Arc<Notify>) -> Queue {
    let (sender, jobs) = mpsc::channel(QUEUE);
    tokio::spawn(Writer { conn: Some(conn), path, written, _lock: lock }.run(jobs));
    Queue(sender)
}

struct Writer {
    /// None after trouble, until the file can be opened again.
    conn: Option<SqliteConnection>,
    path: PathBuf,
    written: Arc<Notify>,
    _lock: Lock,
}

impl Writer {
    async fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        let mut jobs = Vec::with_capacity(TOGETHER);
        let mut stopped = None;
        while stopped.is_none() && queue.recv_many(&mut jobs, TOGETHER).await > 0 {
            let mut together = Vec::with_capacity(jobs.len());
            for job in jobs.drain(..) {
                match job {
                    Job::Stop(reply) => stopped = Some(reply),
                    job if stopped.is_none() => together.push(job),
                    // Asked after the stop: dropping it says that the spool is closed.
                    _ => {}
                }
            }
            self.together(together).await;
        }
        queue.close();
        if let Some(conn) = self.conn.take()
            && let Err(error) = conn.close().await
        {
            tracing::warn!(error = %Chain(&error), "the spool did not close cleanly; nothing in it is lost");
        }
        drop(self);
        if let Some(reply) = stopped {
            // Who asked may have gone; it is stopped all the same.
            let _gone = reply.send(());
        }
    }

    async fn together(&mut self, jobs: Vec<Job>) {
        if jobs.is_empty() {
            return;
        }
        match self.transaction(&jobs).await {
            Ok(puts) => {
                answer(jobs, puts);
                self.written.notify_one();
            }
            Err(error) => {
                tracing::error!(error = %Chain(&error), events = jobs.len(), "the spool cannot write: is the disk full?");
                self.recover().await;
                refuse(jobs, &WriteError(Chain(&error).to_string().into()));
            }
        }
    }

    /// What became of each event, in their order.
    async fn transaction(&mut self, jobs: &[Job]) -> Result<Vec<Put>, sqlx::Error> {
        let conn = match &mut self.conn {
            Some(conn) => conn,
            none => none.insert(file::writing(&self.path).connect().await?),
        };
        sqlx::query("begin immediate").execute(&mut *conn).await?;
        let mut puts = Vec::with_capacity(jobs.len());
        for job in jobs {
            match job {
                Job::Put { row, .. } => puts.push(insert(conn, row).await?),
                Job::Remove { ids, .. } => delete(conn, ids).await?,
                Job::Stop(_) => {}
            }
        }
        sqlx::query("commit").execute(conn).await?;
        Ok(puts)
    }

    /// After trouble the transaction is taken back; where even that fails, the file is opened anew.
    async fn recover(&mut self) {
        let Some(mut conn) = self.conn.take() else { return };
        let rolled_back = match sqlx::query("rollback").execute(&mut conn).await {
            Ok(_) => true,
            // SQLite has rolled back by itself after some errors, and says then that there is no transaction.
            Err(sqlx::Error::Database(error)) => error.message().contains("no transaction is active"),
            Err(_) => false,
        };
        if rolled_back {
            self.conn = Some(conn);
        }
    }
}

async fn insert(conn: &mut SqliteConnection, row: &Row) -> Result<Put, sqlx::Error> {
    const INSERT: &str = "
        insert into spooled (lane, msg_id, received_at, size, headers, body)
        values (?1, ?2, ?3, ?4, ?5, ?6) on conflict (msg_id) do nothing";
    let done = sqlx::query(INSERT)
        .bind(&row.lane)
        .bind(&row.msg_id)
        .bind(row.received_at_ms.cast_signed())
        .bind(row.size().cast_signed())
        .bind(&row.headers)
        .bind(&row.body[..])
        .execute(conn)
        .await?;
    Ok(if done.rows_affected() == 0 { Put::Duplicate } else { Put::Written })
}

async fn delete(conn: &mut SqliteConnection, ids: &[i64]) -> Result<(), sqlx::Error> {
    const DELETE: &str = "delete from spooled where id in (select value from json_each(?1))";
    // Numbers can always be written.
    let ids = serde_json::to_string(ids).unwrap_or_default();
    sqlx::query(DELETE).bind(ids).execute(conn).await.map(drop)
}

fn answer(jobs: Vec<Job>, puts: Vec<Put>) {
    let mut puts = puts.into_iter();
    for job in jobs {
        match job {
            Job::Put { place, reply, .. } => {
                let Some(put) = puts.next() else { return };
                if put == Put::Written {
                    place.keep();
                }
                // Nobody may wait for it any more: it is sent all the same.
                let _late = reply.send(Ok(put));
            }
            Job::Remove { reply, .. } => {
                let _late = reply.send(Ok(()));
            }
            Job::Stop(_) => {}
        }
    }
}

fn refuse(jobs: Vec<Job>, error: &WriteError) {
    for job in jobs {
        match job {
            Job::Put { reply, .. } => {
                let _late = reply.send(Err(error.clone()));
            }
            Job::Remove { reply, .. } => {
                let _late = reply.send(Err(error.clone()));
            }
            Job::Stop(_) => {}
        }
    }
}
