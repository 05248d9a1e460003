//! The handle that everything else of the runner holds.

use std::sync::Arc;

use event::Prefix;
use lanes::{Claimed, CommitReply, Identity, Known, Millis, Seq, Shard, StoredEvent};
use sqlx::{ConnectOptions, Sqlite, SqlitePool, pool::PoolConnection, sqlite::SqlitePoolOptions};
use tokio::sync::Notify;
use tracing::error;

use crate::{
    BooksRow, Claim, Claiming, Commit, Counts, DeadEvent, DeadFilter, DeadLetter, DeadSummary, Error, Event, OpenError,
    OutboxRow, OutcomeRow, Owner, Sending, Stop, StreamIdentity, books,
    claim::{Claims, MarksAlone, Releases, Resets},
    commit::Commits,
    error::{Chain, Failure},
    ledger, letters,
    lock::Lock,
    marks::Marks,
    names,
    outbox::{self, Notes},
    outcomes, parked, schema,
    stops::{self, Stops},
    writer::{Queue, Writer},
};

/// Connections that read; look-ups of several shards go side by side.
const READERS: u32 = 4;

/// The state store. A clone is another handle of the same store.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    queue: Queue,
    readers: SqlitePool,
    marks: Arc<Marks>,
    posted: Arc<Notify>,
    prefix: Prefix,
}

impl Store {
    /// Opens the store of a URL such as `sqlite:state.db` and holds it until [`Store::close`], or until the last
    /// handle is gone. `prefix` is that of the subjects on which dead letters are published.
    ///
    /// # Errors
    /// When the URL is not one of SQLite, another process holds the store, or the file cannot be used.
    pub async fn open(url: &str, prefix: &Prefix) -> Result<Self, OpenError> {
        let path = schema::path_of(url)?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|source| OpenError::Folder { path: path.clone(), source })?;
        }
        let lock = Lock::take(&path)?;
        let connect = |source| OpenError::Connect { path: path.clone(), source };
        let options = schema::writer(&path);
        let mut conn = options.connect().await.map_err(connect)?;
        schema::migrate(&mut conn).await.map_err(|source| OpenError::Migrate { path: path.clone(), source })?;
        let waits: bool =
            sqlx::query_scalar("select exists (select 1 from outbox)").fetch_one(&mut conn).await.map_err(connect)?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .test_before_acquire(false)
            .connect_lazy_with(schema::reader(&path));
        let posted = Arc::new(Notify::new());
        if waits {
            posted.notify_one();
        }
        let marks = Arc::new(Marks::open(&path).await);
        let queue = Writer::start(options, conn, Arc::clone(&posted), lock);
        Ok(Self { inner: Arc::new(Inner { queue, readers, marks, posted, prefix: prefix.clone() }) })
    }

    /// Ends the writer after all that was asked of it before, and gives the files up. Shards are not released by it.
    pub async fn close(&self) {
        self.inner.readers.close().await;
        self.inner.marks.close().await;
        self.inner.queue.stop().await;
    }

    /// Takes a shard over: the epoch is one higher, and whatever the last owner still writes is refused.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn claim(&self, claiming: Claiming<'_>) -> Result<Claim, Error> {
        self.inner.queue.ask(Claims::new(&claiming, Arc::clone(&self.inner.marks))).await
    }

    /// The stream is another one than before, though that could not be seen at the claim: begins again at its first
    /// message. What it returns stands in for what the claim said.
    ///
    /// # Errors
    /// When the epoch is not the owner's any more, or the database fails.
    pub async fn reset_progress(&self, owner: &Owner, stream: &StreamIdentity, why: &str) -> Result<Claimed, Error> {
        let reset = Resets { owner: owner.clone(), stream: stream.clone(), why: why.to_owned() };
        self.inner.queue.ask(reset).await
    }

    /// Gives a shard back: nothing of it is in flight.
    ///
    /// # Errors
    /// When the epoch is not the owner's any more, or the database fails.
    pub async fn release(&self, owner: &Owner) -> Result<(), Error> {
        self.inner.queue.ask(Releases { owner: owner.clone() }).await?;
        self.inner.marks.remove(owner).await;
        Ok(())
    }

    /// Marks all that runs of a shard from now on. It outlives the process, not the machine, and costs no fsync;
    /// trouble with it is logged and stops nothing. A durable mark of [`Store::mark_alone`] is over with it.
    pub async fn mark(&self, owner: &Owner, running: &[Seq]) {
        self.inner.marks.put(owner, running).await;
    }

    /// Marks an event that runs alone in the whole process from now on; durable when this returns.
    ///
    /// # Errors
    /// When the epoch is not the owner's any more, or the database fails.
    pub async fn mark_alone(&self, owner: &Owner, seq: Seq) -> Result<(), Error> {
        self.inner.queue.ask(MarksAlone { owner: owner.clone(), seq, number: self.inner.marks.number() }).await
    }

    /// Those of the events that the ledger knows, under whatever sequence.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn look_up(&self, handler: &str, run: &str, events: &[(Seq, Identity)]) -> Result<Vec<Known>, Error> {
        self.read("look events up", async |conn| match names::handler(conn, handler).await? {
            Some(handler_id) => Ok(ledger::look_up(conn, handler_id, run, events).await?),
            None => Ok(Vec::new()),
        })
        .await
    }

    /// Parked events of a lane by sequence, from `from` on, at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn load(
        &self,
        handler: &str,
        run: &str,
        shard: Shard,
        key: &str,
        from: Seq,
        limit: u32,
    ) -> Result<Vec<StoredEvent<Arc<Event>>>, Error> {
        self.read("load parked events", async |conn| match names::handler(conn, handler).await? {
            Some(handler_id) => Ok(parked::load(conn, (handler_id, run, shard), key, from, limit).await?),
            None => Ok(Vec::new()),
        })
        .await
    }

    /// Writes a commit, all of it or nothing; durable when this returns [`CommitReply::Done`].
    pub async fn commit(&self, owner: &Owner, commit: Commit) -> CommitReply {
        let prefix = self.inner.prefix.clone();
        match self.inner.queue.ask(Commits { owner: owner.clone(), commit, prefix }).await {
            Ok(reply) => reply,
            Err(error) => {
                let (handler, shard) = (&owner.handler, owner.shard);
                error!(%handler, shard, error = %Chain(&error), "a commit was not written");
                CommitReply::Unavailable
            }
        }
    }

    /// Messages of the outbox after a place, by place; 0 is before all.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn outbox_waiting(&self, after_id: i64, limit: u32) -> Result<Vec<OutboxRow>, Error> {
        self.read("read the outbox", async |conn| outbox::waiting(conn, after_id, limit).await).await
    }

    /// Notes that messages are about to be sent; durable when this returns.
    ///
    /// # Errors
    /// When the database fails: then they must not be sent.
    pub async fn outbox_sending(&self, rows: &[Sending], now: Millis) -> Result<(), Error> {
        self.inner.queue.ask(Notes::Sending(rows.to_vec(), now)).await
    }

    /// Their targets have these messages: they leave the outbox.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn outbox_sent(&self, ids: &[i64]) -> Result<(), Error> {
        self.inner.queue.ask(Notes::Sent(ids.to_vec())).await
    }

    /// Their targets do not have these messages, for the reasons given.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn outbox_failed(&self, rows: &[(i64, String)]) -> Result<(), Error> {
        self.inner.queue.ask(Notes::Failed(rows.to_vec(), true)).await
    }

    /// Whether their targets have these messages is not known.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn outbox_unanswered(&self, rows: &[(i64, String)]) -> Result<(), Error> {
        self.inner.queue.ask(Notes::Failed(rows.to_vec(), false)).await
    }

    /// Is notified when messages came into the outbox, and once at the beginning if some wait there.
    #[must_use]
    pub fn outbox_notify(&self) -> Arc<Notify> {
        Arc::clone(&self.inner.posted)
    }

    /// Dead letters, the newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn dead_list(&self, filter: &DeadFilter) -> Result<Vec<DeadSummary>, Error> {
        self.read("list dead letters", async |conn| Ok(letters::list(conn, filter).await?)).await
    }

    /// The newest death of an event, with its history.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn dead_get(&self, handler: &str, event_id: &str) -> Result<Option<DeadLetter>, Error> {
        self.read("read a dead letter", async |conn| letters::get(conn, handler, event_id).await).await
    }

    /// An event that is dead now, with what it takes to run it again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn dead_event(&self, handler: &str, event_id: &str) -> Result<Option<DeadEvent>, Error> {
        self.read("read a dead event", async |conn| Ok(letters::dead_event(conn, handler, event_id).await?)).await
    }

    /// Erases headers and body of a skipped event's dead letters; what is not skipped keeps them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn dead_erase(&self, handler: &str, run: &str, event_id: &str) -> Result<(), Error> {
        let erases = letters::Erases { handler: handler.into(), run: run.into(), event_id: event_id.to_owned() };
        self.inner.queue.ask(erases).await
    }

    /// Notes when nothing was tried of a handler.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn stop(&self, handler: &str, run: &str, stop: Stop) -> Result<(), Error> {
        self.inner.queue.ask(Stops { handler: handler.into(), run: run.into(), stop }).await
    }

    /// When nothing was tried of a handler, by time; without an end where it is paused.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn stops(&self, handler: &str, run: &str) -> Result<Vec<(Millis, Option<Millis>)>, Error> {
        self.read("read when a handler stood still", async |conn| Ok(stops::read(conn, handler, run).await?)).await
    }

    /// The books of every handler, run and shard.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn books(&self) -> Result<Vec<BooksRow>, Error> {
        self.read("read the books", async |conn| books::books(conn).await).await
    }

    /// What waits, for every handler and run.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn counts(&self) -> Result<Vec<Counts>, Error> {
        self.read("count what waits", async |conn| Ok(books::counts(conn).await?)).await
    }

    /// What became of the events with these ids, for every handler that settled them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn outcomes(&self, ids: &[String]) -> Result<Vec<OutcomeRow>, Error> {
        self.read("look outcomes up", async |conn| outcomes::outcomes(conn, ids).await).await
    }

    async fn read<T>(
        &self,
        operation: &'static str,
        read: impl AsyncFnOnce(&mut PoolConnection<Sqlite>) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        let failed = |source| match source {
            sqlx::Error::PoolClosed => Error::Closed,
            source => Error::Database { operation, source: Arc::new(source) },
        };
        let mut conn = self.inner.readers.acquire().await.map_err(failed)?;
        match read(&mut conn).await {
            Ok(read) => Ok(read),
            Err(Failure::Database(source)) => Err(failed(source)),
            Err(Failure::Invalid(what, source)) => Err(Error::Invalid { operation, what, source: Arc::new(source) }),
            Err(Failure::Lost) => Err(Error::Closed),
        }
    }
}
