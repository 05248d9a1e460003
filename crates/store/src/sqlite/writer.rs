//! The one writer: whatever is asked of it while it commits goes together into the next transaction.
//!
//! No timer: the fsync of one transaction is what lets the next batch gather, and after it those who are about to ask have
//! their turn first. Each piece of work has a savepoint of its own, so that one that is refused takes nothing of its
//! neighbours with it. Answers go out after the commit.

use std::{collections::HashSet, future::Future, pin::Pin, sync::Arc};

use lanes::{Millis, Shard};
use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::sync::{mpsc, oneshot};
use tracing::{error, warn};

use super::{commit::Commits, lock::Lock, names::Names, plain::Plain};
use crate::{
    Error,
    error::{Chain, Failure, is_of_database},
    gather::gather,
    outbox::Posted,
    scope::{Owner, Scope, now},
};

/// The most pieces of work in one transaction.
const TOGETHER: usize = 512;

/// What may wait for the writer; who asks for more waits.
pub(crate) const QUEUE: usize = 4 * TOGETHER;

/// A piece of work for the writer.
pub(crate) trait Work: Send + 'static {
    /// What it answers.
    type Output: Send + 'static;

    /// For messages: "cannot …".
    const OPERATION: &'static str;

    /// It calls [`Desk::open`] before it touches the database, or executes what [`Desk::opening`] says in a call of its own.
    const OPENS: bool = false;

    /// Does it, inside a savepoint of the transaction.
    fn carry_out(&mut self, desk: &mut Desk) -> impl Future<Output = Result<Verdict<Self::Output>, Failure>> + Send;

    /// Whose work it is, for the message that the shard has another owner.
    fn owner(&self) -> Option<&Owner> {
        None
    }

    /// It is a commit, which may be written together with others, and this is then the answer.
    fn commit(&self) -> Option<(&Commits, Self::Output)> {
        None
    }
}

/// What becomes of what a piece of work wrote.
#[derive(Debug)]
pub(crate) enum Verdict<T> {
    /// It stands.
    Keep(T),
    /// It is taken back; the answer is given all the same.
    Undo(T),
}

/// The statements before a piece of work.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Opening {
    /// It is the first one of the transaction.
    Begin,
    /// What came before it stands.
    Next,
}

impl Opening {
    pub(crate) const fn sql(self) -> &'static str {
        match self {
            Self::Begin => "begin immediate; savepoint work",
            Self::Next => "release work; savepoint work",
        }
    }
}

/// What the writer has at hand in a transaction.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) conn: SqliteConnection,
    pub(crate) names: Names,
    pub(crate) now: Millis,
    /// Rows went into the outbox.
    pub(crate) posted: bool,
    /// What comes before the next piece of work.
    next: Opening,
    /// Not executed yet: each call crosses to the driver's thread and back, so the first one of the work may take it along.
    opening: Option<Opening>,
    /// Shards that are known to have no suspects: their commits need not look for them.
    innocent: HashSet<(i64, Arc<str>, Shard)>,
}

impl Desk {
    fn new(conn: SqliteConnection) -> Self {
        Self {
            conn,
            names: Names::default(),
            now: 0,
            posted: false,
            next: Opening::Begin,
            opening: None,
            innocent: HashSet::new(),
        }
    }

    async fn carry_out(&mut self, job: &mut Box<dyn Job>) -> Result<(), sqlx::Error> {
        self.opening = Some(std::mem::replace(&mut self.next, Opening::Next));
        job.carry_out(self).await
    }

    /// Writes plain commits, the jobs of which are these, together, and those for which that does not do alone.
    async fn carry_out_plain(&mut self, plain: Plain, jobs: Vec<&mut Box<dyn Job>>) -> Result<(), sqlx::Error> {
        if plain.is_empty() {
            return Ok(());
        }
        self.opening = Some(std::mem::replace(&mut self.next, Opening::Next));
        let written = match plain.write(self).await {
            Ok(written) => written,
            Err(error) if is_of_database(&error) => return Err(error),
            Err(_) => {
                execute(&mut self.conn, "rollback to work").await?;
                HashSet::new()
            }
        };
        for (number, job) in jobs.into_iter().enumerate() {
            if written.contains(&number) {
                job.written();
            } else {
                self.carry_out(job).await?;
            }
        }
        Ok(())
    }

    /// Executes what comes before the work, unless that has been done.
    pub(crate) async fn open(&mut self) -> Result<(), sqlx::Error> {
        match self.opening() {
            Some(opening) => execute(&mut self.conn, opening.sql()).await,
            None => Ok(()),
        }
    }

    /// What comes before the work, if that is still to be done: the caller does it now.
    pub(crate) fn opening(&mut self) -> Option<Opening> {
        self.opening.take()
    }

    /// The owner's shard in the database's terms; none where nobody has ever claimed anything of the handler.
    pub(crate) async fn scope(&mut self, owner: &Owner) -> Result<Option<Scope>, sqlx::Error> {
        if self.names.known_handler(&owner.handler).is_none() {
            self.open().await?;
        }
        let handler_id = self.names.handler(&mut self.conn, &owner.handler).await?;
        Ok(handler_id.map(|handler_id| Scope {
            handler_id,
            handler: Arc::clone(&owner.handler),
            run: Arc::clone(&owner.run),
            shard: owner.shard,
            now: self.now,
        }))
    }

    /// A plugin's number, which it is given if it is new; none for the empty digest.
    pub(crate) async fn plugin(&mut self, digest: &Arc<str>) -> Result<Option<i64>, sqlx::Error> {
        if !self.names.knows_plugin(digest) {
            self.open().await?;
        }
        self.names.plugin(&mut self.conn, digest).await
    }

    /// A claim has looked whether a shard has suspects.
    pub(crate) fn suspected(&mut self, scope: &Scope, suspected: bool) {
        let shard = (scope.handler_id, Arc::clone(&scope.run), scope.shard);
        if suspected {
            self.innocent.remove(&shard);
        } else {
            self.innocent.insert(shard);
        }
    }

    /// Whether a shard, by handler, run and number, may have suspects.
    pub(crate) fn has_suspects(&self, shard: &(i64, Arc<str>, Shard)) -> bool {
        !self.innocent.contains(shard)
    }
}

/// A job: a piece of work with its answer and the one who waits for it. Carried out within a savepoint named `work`.
pub(crate) trait Job: Send {
    fn carry_out<'a>(
        &'a mut self,
        desk: &'a mut Desk,
    ) -> Pin<Box<dyn Future<Output = Result<(), sqlx::Error>> + Send + 'a>>;
    /// The commit that it is, if it is one: see [`Plain`].
    fn commit(&self) -> Option<&Commits>;
    /// The commit was written together with others.
    fn written(&mut self);
    fn answer(self: Box<Self>);
    fn fail(self: Box<Self>, error: &Arc<sqlx::Error>);
}

struct Asked<W: Work> {
    work: W,
    answer: Option<Result<W::Output, Error>>,
    reply: oneshot::Sender<Result<W::Output, Error>>,
}

impl<W: Work> Job for Asked<W> {
    fn carry_out<'a>(
        &'a mut self,
        desk: &'a mut Desk,
    ) -> Pin<Box<dyn Future<Output = Result<(), sqlx::Error>> + Send + 'a>> {
        Box::pin(async move {
            if !W::OPENS {
                desk.open().await?;
            }
            let done = self.work.carry_out(desk).await;
            desk.open().await?;
            let (keep, answer) = match done {
                Ok(Verdict::Keep(output)) => (true, Ok(output)),
                Ok(Verdict::Undo(output)) => (false, Ok(output)),
                Err(Failure::Database(error)) if is_of_database(&error) => return Err(error),
                Err(failure) => (false, Err(self.words(failure))),
            };
            if !keep {
                execute(&mut desk.conn, "rollback to work").await?;
                desk.names.forget();
            }
            self.answer = Some(answer);
            Ok(())
        })
    }

    fn commit(&self) -> Option<&Commits> {
        self.work.commit().map(|(commit, _)| commit)
    }

    fn written(&mut self) {
        self.answer = self.work.commit().map(|(_, answer)| Ok(answer));
    }

    fn answer(self: Box<Self>) {
        if let Some(answer) = self.answer {
            // Nobody waits any more: what was written stands.
            drop(self.reply.send(answer));
        }
    }

    fn fail(self: Box<Self>, error: &Arc<sqlx::Error>) {
        drop(self.reply.send(Err(Error::Database { operation: W::OPERATION, source: Arc::clone(error) })));
    }
}

impl<W: Work> Asked<W> {
    fn words(&self, failure: Failure) -> Error {
        let operation = W::OPERATION;
        match failure {
            // A stale look at the stream is refused on PostgreSQL alone: here nobody else could have gone on meanwhile.
            Failure::Lost | Failure::Stale => {
                let owner = self.work.owner();
                Error::Lost {
                    handler: owner.map_or_else(|| Arc::from(""), |owner| Arc::clone(&owner.handler)),
                    shard: owner.map_or(0, |owner| owner.shard),
                }
            }
            Failure::Database(source) => Error::Database { operation, source: Arc::new(source) },
            Failure::Invalid(what, source) => Error::Invalid { operation, what, source: Arc::new(source) },
        }
    }
}

/// What is sent to the writer.
pub(crate) enum Request {
    Do(Box<dyn Job>),
    /// Finish what came before, close the database, and say so.
    Stop(oneshot::Sender<()>),
}

/// The asking side.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    sender: mpsc::Sender<Request>,
}

impl Queue {
    pub(crate) async fn ask<W: Work>(&self, work: W) -> Result<W::Output, Error> {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Asked { work, answer: None, reply });
        self.sender.send(Request::Do(job)).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }

    pub(crate) async fn stop(&self) {
        let (reply, stopped) = oneshot::channel();
        if self.sender.send(Request::Stop(reply)).await.is_ok() {
            // An error means that it stopped without saying so, which is as good.
            let _ = stopped.await;
        }
    }
}

/// The writer's side.
pub(crate) struct Writer {
    options: SqliteConnectOptions,
    /// None after trouble, until the database can be opened again.
    desk: Option<Desk>,
    posted: Arc<Posted>,
    _lock: Lock,
}

impl Writer {
    /// Starts the writer on a connection that is open already. It ends with the last queue, or when it is stopped.
    pub(crate) fn start(
        options: SqliteConnectOptions,
        conn: SqliteConnection,
        posted: Arc<Posted>,
        lock: Lock,
    ) -> Queue {
        let (sender, queue) = mpsc::channel(QUEUE);
        let desk = Some(Desk::new(conn));
        tokio::spawn(Self { options, desk, posted, _lock: lock }.run(queue));
        Queue { sender }
    }

    async fn run(mut self, mut queue: mpsc::Receiver<Request>) {
        let mut requests = Vec::with_capacity(TOGETHER);
        let mut stopped = None;
        while stopped.is_none() && gather(&mut queue, &mut requests, TOGETHER).await > 0 {
            let mut jobs = Vec::with_capacity(requests.len());
            for request in requests.drain(..) {
                match request {
                    Request::Do(job) if stopped.is_none() => jobs.push(job),
                    // Asked after the stop: dropping the job says that the store is closed.
                    Request::Do(_) => {}
                    Request::Stop(reply) => stopped = Some(reply),
                }
            }
            self.together(jobs).await;
        }
        queue.close();
        if let Some(desk) = self.desk.take()
            && let Err(error) = desk.conn.close().await
        {
            warn!(error = %Chain(&error), "the state store did not close cleanly; nothing that was answered is lost");
        }
        drop(self);
        if let Some(reply) = stopped {
            // Who asked may have gone; it is stopped all the same.
            let _ = reply.send(());
        }
    }

    async fn together(&mut self, mut jobs: Vec<Box<dyn Job>>) {
        if jobs.is_empty() {
            return;
        }
        match self.transaction(&mut jobs).await {
            Ok(posted) => {
                for job in jobs {
                    job.answer();
                }
                if posted {
                    self.posted.notify();
                }
            }
            Err(error) => {
                let error = Arc::new(error);
                error!(error = %Chain(&error), requests = jobs.len(), "the state store cannot write; it is tried again");
                self.recover().await;
                for job in jobs {
                    job.fail(&error);
                }
            }
        }
    }

    async fn transaction(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<bool, sqlx::Error> {
        let desk = match &mut self.desk {
            Some(desk) => desk,
            none => none.insert(Desk::new(self.options.connect().await?)),
        };
        desk.now = now();
        desk.posted = false;
        desk.next = Opening::Begin;
        let mut plain = Plain::default();
        let mut together: Vec<&mut Box<dyn Job>> = Vec::new();
        for job in jobs {
            if job.commit().is_some_and(|commit| plain.add(commit, desk)) {
                together.push(job);
                continue;
            }
            // In the order in which they came.
            desk.carry_out_plain(std::mem::take(&mut plain), std::mem::take(&mut together)).await?;
            desk.carry_out(job).await?;
        }
        desk.carry_out_plain(plain, together).await?;
        execute(&mut desk.conn, "release work; commit").await?;
        Ok(desk.posted)
    }

    /// After trouble the transaction is taken back; where even that fails, the connection is made anew.
    async fn recover(&mut self) {
        let Some(mut desk) = self.desk.take() else { return };
        desk.names.forget();
        // SQLite has rolled back by itself after some errors, and says then that there is no transaction.
        let rolled_back = match execute(&mut desk.conn, "rollback").await {
            Ok(()) => true,
            Err(sqlx::Error::Database(error)) => error.message().contains("no transaction is active"),
            Err(_) => false,
        };
        if rolled_back {
            self.desk = Some(desk);
        }
    }
}

pub(crate) async fn execute(conn: &mut SqliteConnection, sql: &'static str) -> Result<(), sqlx::Error> {
    sqlx::query(sql).execute(conn).await.map(drop)
}
