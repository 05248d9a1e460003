//! PostgreSQL: several runners at a time. A lease of this process says what it may begin, the epochs what it may write.

mod aged;
mod claim;
mod connect;
mod fleet;
mod handlers;
mod keyvalue;
mod ledger;
mod marks;
mod names;
mod news;
mod outbox;
mod outcomes;
mod sheet;
mod statement;
mod stops;
mod suspects;
mod tables;
pub(crate) mod text;
mod writer;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use event::Prefix;
use lanes::{Change, Claimed, CommitReply, Identity, Known, Millis, Seq, Shard};
use sqlx::{Connection as _, PgConnection, PgPool, Postgres as Driver, pool::PoolConnection, postgres::PgRow};
use tokio::{
    sync::{Notify, oneshot},
    time::timeout,
};

use crate::{
    Aged, Claim, Claiming, Commit, Dropped, Error, Fleet, LedgerPlace, Marked, Member, OpenError, OutboxSpan, Owner,
    Renamed, Row, Sending, Stop, StreamIdentity,
    error::Failure,
    fields::{Arg, Ask},
    lease::Lease,
    outbox::Posted,
    scope::{Scope, now},
    sorting::report_of,
};
use connect::Place;
use marks::Marks;
use names::{Names, Plugins};
use news::News;
use text::stored;
use writer::{Asked, Queue, Writer};

pub(crate) use connect::is_url;
pub use fleet::{BEAT, TTL};

/// A beat that takes longer is given up: there must be time for the next one before the lease runs out.
const BEAT_PATIENCE: Duration = Duration::from_secs(2);

/// The database, with the connections to it.
#[derive(Debug)]
pub(crate) struct Postgres {
    place: Place,
    pool: PgPool,
    queue: Queue,
    marks: Marks,
    news: News,
    names: Names,
    /// Beats have a connection of their own, so that nothing else makes them late.
    beats: tokio::sync::Mutex<Option<PgConnection>>,
    /// What this runner is called, once it has told so.
    me: Mutex<String>,
    lease: Lease,
    posted: Arc<Posted>,
    /// Shards that are known to have no suspects: their commits need not look for them.
    innocent: Mutex<HashSet<(i64, Arc<str>, Shard)>>,
}

impl Postgres {
    pub(crate) async fn open(
        url: &str,
        lease: Lease,
        posted: Arc<Posted>,
        changed: Arc<Notify>,
    ) -> Result<Self, OpenError> {
        let place = Place::of(url)?;
        place.migrate().await?;
        // There may be something to send.
        posted.notify();
        Ok(Self {
            pool: place.pool(),
            queue: Writer::start(place.clone(), Arc::clone(&posted)),
            marks: Marks::start(place.clone()),
            news: News::start(&place, changed),
            names: Names::default(),
            beats: tokio::sync::Mutex::new(None),
            me: Mutex::default(),
            lease,
            posted,
            innocent: Mutex::default(),
            place,
        })
    }

    /// A connection of the pool. In a box, as the driver's future has 14 KiB: those of look-ups and commits, which are made
    /// and moved for each event, would have them too, on SQLite as well.
    async fn connection(&self) -> Result<PoolConnection<Driver>, sqlx::Error> {
        Box::pin(self.pool.acquire()).await
    }

    pub(crate) async fn close(&self) {
        self.news.stop();
        self.queue.stop().await;
        self.marks.stop();
        if let Some(conn) = self.beats.lock().await.take() {
            // Nothing of it is open.
            drop(conn.close().await);
        }
        self.pool.close().await;
    }

    pub(crate) async fn beat(&self, me: &Member) -> Result<Fleet, Error> {
        me.name.clone_into(&mut self.me.lock().unwrap_or_else(PoisonError::into_inner));
        let told = async |conn: &mut PgConnection| fleet::beat(conn, me, &self.lease).await;
        self.on_beats("tell that this runner lives", told).await
    }

    pub(crate) async fn leave(&self, name: &str) -> Result<(), Error> {
        self.lease.end();
        let told = async |conn: &mut PgConnection| fleet::leave(conn, name).await;
        self.on_beats("tell that this runner is gone", told).await
    }

    async fn on_beats<T>(
        &self,
        operation: &'static str,
        tell: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, Error> {
        let mut kept = self.beats.lock().await;
        let told = timeout(BEAT_PATIENCE, async {
            let mut conn = match kept.take() {
                Some(conn) => conn,
                None => self.place.connect().await?,
            };
            let told = tell(&mut conn).await?;
            Ok((conn, told))
        });
        let told = told.await.unwrap_or_else(|_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())));
        let (conn, told) = told.map_err(|source| Error::Database { operation, source: Arc::new(source) })?;
        *kept = Some(conn);
        Ok(told)
    }

    pub(crate) async fn claim(&self, claiming: &Claiming<'_>) -> Result<Claim, Error> {
        let claimed = async {
            let mut conn = self.connection().await?;
            let handler_id = self.names.handler_or_new(&mut conn, claiming.handler).await?;
            let scope = scope(handler_id, claiming.handler.into(), claiming.run.into(), claiming.shard);
            let claim = claim::claim(&mut conn, &scope, claiming).await?;
            Ok(claim.map(|claim| (claim, scope)))
        };
        match claimed.await {
            Ok(Some((claim, scope))) => {
                self.suspected(&scope, !claim.claimed.suspects.is_empty());
                // Messages of this shard are ours to send from now on.
                self.posted.notify();
                Ok(claim)
            }
            Ok(None) => Err(Error::Taken { handler: claiming.handler.into(), shard: claiming.shard }),
            Err(failure) => Err(words("claim a shard", claiming.handler.into(), claiming.shard, failure)),
        }
    }

    pub(crate) async fn reset_progress(
        &self,
        owner: &Owner,
        stream: &StreamIdentity,
        why: &str,
    ) -> Result<Claimed, Error> {
        self.of_owner("reset the progress of a shard", owner, async |conn, scope| {
            let progress = claim::begin_again(conn, scope, owner.epoch, stream, why).await?.ok_or(Failure::Lost)?;
            let claimed = claim::claimed(conn, scope, owner.epoch, progress).await?;
            self.suspected(scope, !claimed.suspects.is_empty());
            Ok(claimed)
        })
        .await
    }

    pub(crate) async fn release(&self, owner: &Owner) -> Result<(), Error> {
        self.of_owner("release a shard", owner, async |conn, scope| {
            if claim::release(conn, scope, owner).await? { Ok(()) } else { Err(Failure::Lost) }
        })
        .await
    }

    pub(crate) fn mark(&self, owner: &Owner, running: &[Seq]) -> Marked {
        self.marks.put(owner, running)
    }

    pub(crate) async fn mark_alone(&self, owner: &Owner, seq: Seq) -> Result<(), Error> {
        let number = self.marks.number();
        self.of_owner("mark an event that runs alone", owner, async |conn, scope| {
            if claim::mark_alone(conn, scope, owner.epoch, seq, number).await? { Ok(()) } else { Err(Failure::Lost) }
        })
        .await
    }

    pub(crate) async fn commit(&self, owner: &Owner, commit: Commit, prefix: &Prefix) -> Result<CommitReply, Error> {
        let failed = |source| Error::Database { operation: "commit", source: Arc::new(source) };
        if commit.epoch != owner.epoch || commit.shard != owner.shard {
            return Ok(CommitReply::Lost);
        }
        let Some(handler_id) = self.handler_id(&owner.handler).await.map_err(closed_or(failed))? else {
            return Ok(CommitReply::Lost);
        };
        let scope = scope(handler_id, Arc::clone(&owner.handler), Arc::clone(&owner.run), owner.shard);
        let plugins = self.plugins(&commit.rows).await.map_err(closed_or(failed))?;
        let deaths = self.deaths(&scope, &commit.rows).await.map_err(closed_or(failed))?;
        let suspected = {
            let innocent = self.innocent.lock().unwrap_or_else(PoisonError::into_inner);
            !innocent.contains(&(scope.handler_id, Arc::clone(&scope.run), scope.shard))
        };
        let (reply, answer) = oneshot::channel();
        let epoch = owner.epoch;
        let asked = Asked { scope, epoch, commit, prefix: prefix.clone(), plugins, deaths, suspected, reply };
        self.queue.write(Box::new(asked)).await?;
        answer.await.map_err(|_| Error::Closed)?
    }

    async fn handler_id(&self, name: &str) -> Result<Option<i64>, sqlx::Error> {
        if let Some(id) = self.names.known_handler(name) {
            return Ok(Some(id));
        }
        self.names.handler(&mut *self.connection().await?, name).await
    }

    async fn plugins(&self, rows: &[Row]) -> Result<Plugins, sqlx::Error> {
        let digests = || rows.iter().filter_map(report_of).map(|report| &report.digest);
        loop {
            if let Some(plugins) = self.names.known_plugins(digests()) {
                return Ok(plugins);
            }
            let unknown = digests().filter(|digest| !digest.is_empty()).map(Arc::clone).collect::<HashSet<_>>();
            let mut conn = self.connection().await?;
            self.names.give_plugins(&mut conn, unknown.into_iter().collect()).await?;
        }
    }

    async fn deaths(&self, scope: &Scope, rows: &[Row]) -> Result<HashMap<u64, u32>, sqlx::Error> {
        let dying = (0_u64..).zip(rows).filter(|(_, row)| matches!(row.change, Change::Dead { .. }));
        let dying: Vec<(u64, &Identity)> = dying.map(|(place, row)| (place, &row.identity)).collect();
        if dying.is_empty() {
            return Ok(HashMap::new());
        }
        ledger::deaths(&mut *self.connection().await?, scope, dying).await
    }

    /// Erases what a skipped event's letters hold of it.
    pub(crate) async fn erase(&self, handler: &str, run: &str, event_id: &str) -> Result<(), Error> {
        let failed = closed_or(|source| Error::Database { operation: "erase a dead letter", source: Arc::new(source) });
        let Some(handler_id) = self.handler_id(handler).await.map_err(&failed)? else { return Ok(()) };
        let mut conn = self.connection().await.map_err(&failed)?;
        outcomes::erase(&mut conn, handler_id, run, event_id).await.map_err(failed)
    }

    pub(crate) async fn stop(&self, handler: &str, run: &str, stop: Stop) -> Result<(), Error> {
        let operation = "note when a handler stood still";
        let failed = closed_or(|source| Error::Database { operation, source: Arc::new(source) });
        let mut conn = self.connection().await.map_err(&failed)?;
        let handler_id = self.names.handler_or_new(&mut conn, handler).await.map_err(&failed)?;
        stops::note(&mut conn, handler_id, run, stop).await.map_err(failed)
    }

    pub(crate) async fn rename_handler(&self, from: &str, to: &str) -> Result<Renamed, Error> {
        let operation = "give a handler's progress another name";
        let failed = closed_or(|source| Error::Database { operation, source: Arc::new(source) });
        let mut conn = self.connection().await.map_err(&failed)?;
        let renamed = handlers::rename(&mut conn, from, to).await.map_err(failed);
        // Whoever did it: numbers may stand for other names now.
        self.names.forget_handlers();
        renamed
    }

    pub(crate) async fn drop_handler(&self, name: &str) -> Result<Dropped, Error> {
        let operation = "forget a handler";
        let failed = closed_or(|source| Error::Database { operation, source: Arc::new(source) });
        let mut conn = self.connection().await.map_err(&failed)?;
        handlers::forget(&mut conn, name).await.map_err(failed)
    }

    pub(crate) async fn sweep_keys(&self, limit: u32) -> Result<u64, Error> {
        let operation = "remove keys whose time is over";
        let failed = closed_or(|source| Error::Database { operation, source: Arc::new(source) });
        let mut conn = self.connection().await.map_err(&failed)?;
        keyvalue::sweep(&mut conn, limit).await.map_err(failed)
    }

    pub(crate) async fn age(&self, settled_before: Millis, after: &LedgerPlace, limit: u32) -> Result<Aged, Error> {
        let operation = "remove old entries of the ledger";
        let failed = closed_or(|source| Error::Database { operation, source: Arc::new(source) });
        let mut conn = self.connection().await.map_err(&failed)?;
        aged::step(&mut conn, settled_before, after, limit).await.map_err(failed)
    }

    pub(crate) async fn handler(&self, name: &str) -> Result<Option<i64>, Failure> {
        Ok(self.handler_id(name).await?)
    }

    pub(crate) async fn look_up(
        &self,
        handler: &str,
        run: &str,
        events: &[(Seq, Identity)],
    ) -> Result<Vec<Known>, Failure> {
        let Some(handler_id) = self.handler_id(handler).await? else { return Ok(Vec::new()) };
        let mut conn = self.connection().await?;
        let asked = events.iter().map(|(seq, identity)| (*seq, identity));
        let found = ledger::standing(&mut conn, handler_id, run, asked).await?;
        Ok(found.into_iter().map(crate::ledger::Standing::known).collect())
    }

    pub(crate) async fn rows(&self, ask: Ask) -> Result<Vec<PgRow>, sqlx::Error> {
        fetch(&mut *self.connection().await?, ask).await
    }

    pub(crate) async fn outcomes(&self, ids: &[String]) -> Result<Vec<PgRow>, sqlx::Error> {
        outcomes::outcomes(&mut *self.connection().await?, ids).await
    }

    pub(crate) fn ask_waiting(&self, from: OutboxSpan, limit: u32) -> Ask {
        outbox::ask(&self.me(), from, limit)
    }

    pub(crate) fn ask_rows(&self, ids: String) -> Ask {
        outbox::ask_rows(&self.me(), ids)
    }

    pub(crate) fn ask_heads(&self, after_id: i64, limit: u32) -> Ask {
        outbox::ask_heads(&self.me(), after_id, limit)
    }

    pub(crate) fn ask_first(&self, lanes: &[[&str; 3]]) -> Ask {
        outbox::ask_first(&self.me(), lanes)
    }

    pub(crate) fn ask_requests(ids: String) -> Ask {
        outbox::ask_requests(ids)
    }

    pub(crate) async fn sending(&self, rows: &[Sending], now: Millis) -> Result<HashSet<i64>, Error> {
        let me = self.me();
        self.noting(async |conn| outbox::sending(conn, &me, rows, now).await).await
    }

    pub(crate) async fn sent(&self, ids: &[i64]) -> Result<(), Error> {
        self.noting(async |conn| outbox::sent(conn, ids).await).await
    }

    pub(crate) async fn failed(&self, rows: &[(i64, String)], known: bool) -> Result<(), Error> {
        self.noting(async |conn| outbox::failed(conn, rows, known).await).await
    }

    async fn noting<T>(
        &self,
        note: impl AsyncFnOnce(&mut PoolConnection<Driver>) -> Result<T, sqlx::Error>,
    ) -> Result<T, Error> {
        let operation = "note what became of messages of the outbox";
        let failed = closed_or(|source| Error::Database { operation, source: Arc::new(source) });
        let mut conn = self.connection().await.map_err(&failed)?;
        note(&mut conn).await.map_err(failed)
    }

    async fn of_owner<T>(
        &self,
        operation: &'static str,
        owner: &Owner,
        work: impl AsyncFnOnce(&mut PoolConnection<Driver>, &Scope) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        let done = async {
            let mut conn = self.connection().await?;
            let handler_id = self.names.handler(&mut conn, &owner.handler).await?.ok_or(Failure::Lost)?;
            let scope = scope(handler_id, Arc::clone(&owner.handler), Arc::clone(&owner.run), owner.shard);
            work(&mut conn, &scope).await
        };
        done.await.map_err(|failure| words(operation, Arc::clone(&owner.handler), owner.shard, failure))
    }

    fn me(&self) -> String {
        self.me.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn suspected(&self, scope: &Scope, suspected: bool) {
        let shard = (scope.handler_id, Arc::clone(&scope.run), scope.shard);
        let mut innocent = self.innocent.lock().unwrap_or_else(PoisonError::into_inner);
        if suspected {
            innocent.remove(&shard);
        } else {
            innocent.insert(shard);
        }
    }
}

fn scope(handler_id: i64, handler: Arc<str>, run: Arc<str>, shard: Shard) -> Scope {
    Scope { handler_id, handler, run, shard, now: now() }
}

fn words(operation: &'static str, handler: Arc<str>, shard: Shard, failure: Failure) -> Error {
    match failure {
        Failure::Lost => Error::Lost { handler, shard },
        Failure::Stale => Error::Stale { handler, shard },
        Failure::Database(sqlx::Error::PoolClosed) => Error::Closed,
        Failure::Database(source) => Error::Database { operation, source: Arc::new(source) },
        Failure::Invalid(what, source) => Error::Invalid { operation, what, source: Arc::new(source) },
    }
}

fn closed_or(failed: impl Fn(sqlx::Error) -> Error) -> impl Fn(sqlx::Error) -> Error {
    move |error| match error {
        sqlx::Error::PoolClosed => Error::Closed,
        error => failed(error),
    }
}

pub(crate) async fn fetch(conn: &mut PgConnection, ask: Ask) -> Result<Vec<PgRow>, sqlx::Error> {
    let mut query = sqlx::query(ask.sql);
    for arg in ask.args {
        query = match arg {
            Arg::Int(value) => query.bind(value),
            Arg::Flag(value) => query.bind(value),
            Arg::OptInt(value) => query.bind(value),
            Arg::Text(value) => query.bind(stored(&value).into_owned()),
            Arg::OptText(value) => query.bind(value.map(|value| stored(&value).into_owned())),
        };
    }
    query.fetch_all(conn).await
}
