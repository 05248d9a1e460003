//! The handle that everything else of the runner holds.

mod outbox;

use std::sync::Arc;

use event::Prefix;
use lanes::{Claimed, CommitReply, Identity, Known, Millis, Seq, Shard, StoredEvent};
use tokio::sync::Notify;
use tracing::error;

use crate::{
    Aged, BooksRow, Claim, Claiming, Commit, Counts, DeadEvent, DeadFilter, DeadLetter, DeadSummary, Dropped, Error,
    Event, Fleet, Hold, LedgerPlace, Marked, Member, OpenError, OutcomeRow, Owner, Renamed, Stop, StreamIdentity,
    books,
    error::{Chain, Failure},
    fields::{Ask, Fields},
    lease::Lease,
    letters,
    outbox::Posted,
    outcomes, parked,
    postgres::{self, Postgres},
    sqlite::{self, Sqlite},
    stops,
};

/// The state store. A clone is another handle of the same store.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    backend: Backend,
    posted: Arc<Posted>,
    changed: Arc<Notify>,
    lease: Lease,
    prefix: Prefix,
}

#[derive(Debug)]
enum Backend {
    Sqlite(Sqlite),
    Postgres(Box<Postgres>),
}

impl Store {
    /// Opens the store of a URL, `sqlite:state.db` or `postgres://user@host/database`, until [`Store::close`] or until
    /// the last handle is gone. SQLite is this process's alone for as long; PostgreSQL is shared. `prefix` is that of
    /// the subjects on which dead letters are published.
    ///
    /// # Errors
    /// When the URL is neither, another process holds the file, or the database cannot be used.
    pub async fn open(url: &str, prefix: &Prefix) -> Result<Self, OpenError> {
        let (posted, changed) = (Arc::<Posted>::default(), Arc::new(Notify::new()));
        let (backend, lease) = if postgres::is_url(url) {
            let lease = Lease::counted(Arc::clone(&changed));
            // In a box: it is awaited once, and would make the future of everybody large who waits for it.
            let opening = Box::pin(Postgres::open(url, lease.clone(), Arc::clone(&posted), Arc::clone(&changed)));
            let postgres = opening.await?;
            (Backend::Postgres(Box::new(postgres)), lease)
        } else if sqlite::is_url(url) {
            (Backend::Sqlite(Box::pin(Sqlite::open(url, Arc::clone(&posted))).await?), Lease::default())
        } else {
            return Err(OpenError::Url { url: url.to_owned() });
        };
        Ok(Self { inner: Arc::new(Inner { backend, posted, changed, lease, prefix: prefix.clone() }) })
    }

    /// Ends the writer after all that was asked of it before, and gives files and connections up. Shards are not
    /// released by it.
    pub async fn close(&self) {
        match &self.inner.backend {
            Backend::Sqlite(db) => db.close().await,
            Backend::Postgres(db) => db.close().await,
        }
    }

    /// Whether other runners may share it. Then each must [`Store::beat`].
    #[must_use]
    pub fn is_shared(&self) -> bool {
        matches!(self.inner.backend, Backend::Postgres(_))
    }

    /// Tells the others that this runner lives, which makes or renews its lease, buries those that do not tell any
    /// more, and returns who there is. To be repeated each [`crate::BEAT`].
    ///
    /// # Errors
    /// When the database fails; the lease then runs out by itself.
    pub async fn beat(&self, me: &Member) -> Result<Fleet, Error> {
        match &self.inner.backend {
            Backend::Sqlite(_) => Ok(Fleet { members: vec![me.clone()], ..Fleet::default() }),
            Backend::Postgres(db) => db.beat(me).await,
        }
    }

    /// Is notified when a beat may bring news: a runner came or went, a shard was released, or the lease ran out.
    #[must_use]
    pub fn changed(&self) -> Arc<Notify> {
        Arc::clone(&self.inner.changed)
    }

    /// Tells the others that this runner is gone. What it has not released counts as left by a death.
    ///
    /// # Errors
    /// When the database fails; the lease then runs out by itself.
    pub async fn leave(&self, name: &str) -> Result<(), Error> {
        match &self.inner.backend {
            Backend::Sqlite(_) => Ok(()),
            Backend::Postgres(db) => db.leave(name).await,
        }
    }

    /// What is claimed from now on is this process's for as long as the hold is good: to be looked at before each
    /// invocation.
    #[must_use]
    pub fn hold(&self) -> Hold {
        self.inner.lease.hold()
    }

    /// Takes a shard over: the epoch is one higher, and whatever the last owner still writes is refused.
    ///
    /// # Errors
    /// When another runner owns it and lives, or the database fails.
    pub async fn claim(&self, claiming: Claiming<'_>) -> Result<Claim, Error> {
        match &self.inner.backend {
            Backend::Sqlite(db) => db.claim(&claiming).await,
            Backend::Postgres(db) => db.claim(&claiming).await,
        }
    }

    /// The stream is another one than before, though that could not be seen at the claim: begins again at its first
    /// message. What it returns stands in for what the claim said.
    ///
    /// # Errors
    /// When the epoch is not the owner's any more, or the database fails.
    pub async fn reset_progress(&self, owner: &Owner, stream: &StreamIdentity, why: &str) -> Result<Claimed, Error> {
        match &self.inner.backend {
            Backend::Sqlite(db) => db.reset_progress(owner, stream, why).await,
            Backend::Postgres(db) => db.reset_progress(owner, stream, why).await,
        }
    }

    /// Gives a shard back: nothing of it is in flight.
    ///
    /// # Errors
    /// When the epoch is not the owner's any more, or the database fails.
    pub async fn release(&self, owner: &Owner) -> Result<(), Error> {
        match &self.inner.backend {
            Backend::Sqlite(db) => db.release(owner).await,
            Backend::Postgres(db) => db.release(owner).await,
        }
    }

    /// Marks all that runs of a shard from now on: nothing of it may begin before what this returns says that the mark
    /// is written. It outlives the process, not the machine, and costs no fsync; trouble with it is logged and stops
    /// nothing. A durable mark of [`Store::mark_alone`] is over with it. Marks of a shard are to be made in order.
    /// Whoever has waited for a mark has waited for all that were made before it, of whatever shard.
    #[must_use]
    pub fn mark(&self, owner: &Owner, running: &[Seq]) -> Marked {
        match &self.inner.backend {
            Backend::Sqlite(db) => db.mark(owner, running),
            Backend::Postgres(db) => db.mark(owner, running),
        }
    }

    /// Marks an event that runs alone in the whole process from now on; durable when this returns.
    ///
    /// # Errors
    /// When the epoch is not the owner's any more, or the database fails.
    pub async fn mark_alone(&self, owner: &Owner, seq: Seq) -> Result<(), Error> {
        match &self.inner.backend {
            Backend::Sqlite(db) => db.mark_alone(owner, seq).await,
            Backend::Postgres(db) => db.mark_alone(owner, seq).await,
        }
    }

    /// Those of the events that the ledger knows, under whatever sequence.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn look_up(&self, handler: &str, run: &str, events: &[(Seq, Identity)]) -> Result<Vec<Known>, Error> {
        match &self.inner.backend {
            Backend::Sqlite(db) => db.look_up(handler, run, events).await,
            Backend::Postgres(db) => {
                db.look_up(handler, run, events).await.map_err(|failure| failed("look events up", failure))
            }
        }
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
        let operation = "load parked events";
        let Some(handler_id) = self.handler(operation, handler).await? else { return Ok(Vec::new()) };
        let ask = parked::ask((handler_id, run, shard), key, from, limit);
        self.read(operation, ask, parked::stored_event).await
    }

    /// Writes a commit, all of it or nothing; durable when this returns [`CommitReply::Done`].
    pub async fn commit(&self, owner: &Owner, commit: Commit) -> CommitReply {
        let prefix = &self.inner.prefix;
        let written = match &self.inner.backend {
            Backend::Sqlite(db) => db.commit(owner, commit, prefix).await,
            Backend::Postgres(db) => db.commit(owner, commit, prefix).await,
        };
        match written {
            Ok(reply) => reply,
            Err(error) => {
                let (handler, shard) = (&owner.handler, owner.shard);
                error!(%handler, shard, error = %Chain(&error), "a commit was not written");
                CommitReply::Unavailable
            }
        }
    }

    /// Dead letters, the newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn dead_list(&self, filter: &DeadFilter) -> Result<Vec<DeadSummary>, Error> {
        self.read("list dead letters", letters::list(filter), letters::summary).await
    }

    /// The newest death of an event, with its history.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn dead_get(&self, handler: &str, event_id: &str) -> Result<Option<DeadLetter>, Error> {
        let operation = "read a dead letter";
        let newest = self.read(operation, letters::newest(handler, event_id), letters::letter).await?;
        let Some((mut letter, history)) = newest.into_iter().next() else { return Ok(None) };
        letter.history = self.read(operation, history, letters::attempt).await?;
        Ok(Some(letter))
    }

    /// An event that is dead now, with what it takes to run it again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn dead_event(&self, handler: &str, event_id: &str) -> Result<Option<DeadEvent>, Error> {
        let found = self.read("read a dead event", letters::dead_now(handler, event_id), letters::dead_event).await?;
        Ok(found.into_iter().next())
    }

    /// Erases headers and body of a skipped event's dead letters; what is not skipped keeps them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn dead_erase(&self, handler: &str, run: &str, event_id: &str) -> Result<(), Error> {
        match &self.inner.backend {
            Backend::Sqlite(db) => db.erase(handler, run, event_id).await,
            Backend::Postgres(db) => db.erase(handler, run, event_id).await,
        }
    }

    /// Notes when nothing was tried of a handler.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn stop(&self, handler: &str, run: &str, stop: Stop) -> Result<(), Error> {
        match &self.inner.backend {
            Backend::Sqlite(db) => db.stop(handler, run, stop).await,
            Backend::Postgres(db) => db.stop(handler, run, stop).await,
        }
    }

    /// When nothing was tried of a handler, by time; without an end where it is paused.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn stops(&self, handler: &str, run: &str) -> Result<Vec<(Millis, Option<Millis>)>, Error> {
        let operation = "read when a handler stood still";
        let Some(handler_id) = self.handler(operation, handler).await? else { return Ok(Vec::new()) };
        self.read(operation, stops::ask(handler_id, run), stops::stop).await
    }

    /// Gives all that is stored of a handler another name, in one transaction. Nobody may run it under the old name in
    /// this process; a runner that still does in another one can go on committing what it owns.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn rename_handler(&self, from: &str, to: &str) -> Result<Renamed, Error> {
        match &self.inner.backend {
            Backend::Sqlite(db) => db.rename_handler(from, to).await,
            Backend::Postgres(db) => db.rename_handler(from, to).await,
        }
    }

    /// Forgets all that is stored of a handler that is configured nowhere any more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn drop_handler(&self, name: &str) -> Result<Dropped, Error> {
        match &self.inner.backend {
            Backend::Sqlite(db) => db.drop_handler(name).await,
            Backend::Postgres(db) => db.drop_handler(name).await,
        }
    }

    /// The books of every handler, run and shard.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn books(&self) -> Result<Vec<BooksRow>, Error> {
        self.read("read the books", books::ask(), books::books).await
    }

    /// What waits, for every handler and run.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn counts(&self) -> Result<Vec<Counts>, Error> {
        self.read("count what waits", books::ask_counts(), books::counted).await.map(books::counts)
    }

    /// What became of the events with these ids, for every handler that settled them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn outcomes(&self, ids: &[String]) -> Result<Vec<OutcomeRow>, Error> {
        let operation = "look outcomes up";
        match &self.inner.backend {
            Backend::Sqlite(_) => self.read(operation, Sqlite::ask_outcomes(ids), outcomes::outcome).await,
            Backend::Postgres(db) => {
                let rows = db.outcomes(ids).await.map_err(|error| failed(operation, error.into()))?;
                let read: Result<_, sqlx::Error> = rows.iter().map(|row| outcomes::outcome(row)).collect();
                read.map_err(|error| failed(operation, error.into()))
            }
        }
    }

    /// Removes keys of all handlers whose time is over, at most `limit`, and says how many they were. Until then they only
    /// count.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn kv_sweep(&self, limit: u32) -> Result<u64, Error> {
        match &self.inner.backend {
            Backend::Sqlite(db) => db.sweep_keys(limit).await,
            Backend::Postgres(db) => db.sweep_keys(limit).await,
        }
    }

    /// One step of a walk over the ledger, from the entry behind `after` on ([`LedgerPlace::default`] is before all): removes
    /// those of the next `limit` entries that were settled before `settled_before`, are neither parked nor dead, and lie
    /// below the floor; and the attempts of their events. Copies of these events are not known any more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ledger_age(&self, settled_before: Millis, after: LedgerPlace, limit: u32) -> Result<Aged, Error> {
        match &self.inner.backend {
            Backend::Sqlite(db) => db.age(settled_before, after, limit).await,
            Backend::Postgres(db) => db.age(settled_before, &after, limit).await,
        }
    }

    pub(crate) async fn handler(&self, operation: &'static str, name: &str) -> Result<Option<i64>, Error> {
        let found = match &self.inner.backend {
            Backend::Sqlite(db) => db.handler(name).await,
            Backend::Postgres(db) => db.handler(name).await,
        };
        found.map_err(|failure| failed(operation, failure))
    }

    pub(crate) async fn read<T, E: Into<Failure>>(
        &self,
        operation: &'static str,
        ask: Ask,
        of: fn(&dyn Fields) -> Result<T, E>,
    ) -> Result<Vec<T>, Error> {
        let read = match &self.inner.backend {
            Backend::Sqlite(db) => {
                db.rows(ask).await.map(|rows| rows.iter().map(|row| of(row)).collect::<Result<Vec<T>, E>>())
            }
            Backend::Postgres(db) => {
                db.rows(ask).await.map(|rows| rows.iter().map(|row| of(row)).collect::<Result<Vec<T>, E>>())
            }
        };
        match read {
            Ok(Ok(read)) => Ok(read),
            Ok(Err(error)) => Err(failed(operation, error.into())),
            Err(error) => Err(failed(operation, error.into())),
        }
    }
}

/// A failure of an operation that touches no shard, in words.
fn failed(operation: &'static str, failure: Failure) -> Error {
    match failure {
        Failure::Database(sqlx::Error::PoolClosed) | Failure::Lost | Failure::Stale => Error::Closed,
        Failure::Database(source) => Error::Database { operation, source: Arc::new(source) },
        Failure::Invalid(what, source) => Error::Invalid { operation, what, source: Arc::new(source) },
    }
}
