//! SQLite: one process at a time, one writer, which commits together what was asked of it while it committed before.

pub(crate) mod aged;
pub(crate) mod attempts;
pub(crate) mod claim;
mod commit;
mod conflicts;
pub(crate) mod dead;
pub(crate) mod handlers;
mod keyvalue;
pub(crate) mod lane;
pub(crate) mod ledger;
mod letters;
mod lock;
mod look_ups;
mod marks;
mod names;
pub(crate) mod outbox;
mod outcomes;
pub(crate) mod parked;
mod plain;
mod progress;
mod reset;
mod schema;
mod sheet;
mod stops;
mod suspects;
mod writer;

use std::sync::Arc;

use event::Prefix;
use lanes::{Claimed, CommitReply, Identity, Known, Millis, Seq};
use sqlx::{
    ConnectOptions, Sqlite as Driver, SqliteConnection, SqlitePool,
    query::Query,
    sqlite::{SqliteArguments, SqlitePoolOptions, SqliteRow},
};

use crate::{
    Aged, Claim, Claiming, Commit, Dropped, Error, LedgerPlace, Marked, OpenError, OutboxSpan, Owner, Renamed, Sending,
    Stop, StreamIdentity,
    error::Failure,
    fields::{Arg, Ask},
    outbox::Posted,
    scope::Scope,
};
use aged::Ages;
use claim::{Claims, MarksAlone, Releases, Resets};
use commit::Commits;
use handlers::{Drops, Renames};
use keyvalue::Sweeps;
use letters::Erases;
use lock::Lock;
use look_ups::LookUps;
pub(crate) use marks::Marks;
use outbox::Notes;
use stops::Stops;
use writer::{Queue, Writer};

pub(crate) use schema::is_url;

/// Connections that read; look-ups of several shards go side by side.
const READERS: u32 = 4;

/// The database, with its lock and its writer.
#[derive(Debug)]
pub(crate) struct Sqlite {
    queue: Queue,
    readers: SqlitePool,
    look_ups: LookUps,
    marks: Arc<Marks>,
}

impl Sqlite {
    pub(crate) async fn open(url: &str, posted: Arc<Posted>) -> Result<Self, OpenError> {
        let path = schema::path_of(url)?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|source| OpenError::Folder { path: path.clone(), source })?;
        }
        let lock = Lock::take(&path)?;
        let connect = |source| OpenError::Connect { database: path.display().to_string(), source };
        let options = schema::writer(&path);
        let mut conn = options.connect().await.map_err(connect)?;
        let database = || path.display().to_string();
        schema::migrate(&mut conn).await.map_err(|source| OpenError::Migrate { database: database(), source })?;
        let waits: bool =
            sqlx::query_scalar("select exists (select 1 from outbox)").fetch_one(&mut conn).await.map_err(connect)?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .test_before_acquire(false)
            .connect_lazy_with(schema::reader(&path));
        if waits {
            posted.notify();
        }
        let marks = Arc::new(Marks::open(&path));
        let queue = Writer::start(options, conn, posted, lock);
        let look_ups = LookUps::start(&readers);
        Ok(Self { queue, readers, look_ups, marks })
    }

    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.marks.close();
        self.queue.stop().await;
    }

    pub(crate) async fn claim(&self, claiming: &Claiming<'_>) -> Result<Claim, Error> {
        self.queue.ask(Claims::new(claiming, Arc::clone(&self.marks))).await
    }

    pub(crate) async fn reset_progress(
        &self,
        owner: &Owner,
        stream: &StreamIdentity,
        why: &str,
    ) -> Result<Claimed, Error> {
        let reset = Resets { owner: owner.clone(), stream: stream.clone(), why: why.to_owned() };
        self.queue.ask(reset).await
    }

    pub(crate) async fn release(&self, owner: &Owner) -> Result<(), Error> {
        self.queue.ask(Releases { owner: owner.clone() }).await?;
        self.marks.remove(owner);
        Ok(())
    }

    pub(crate) fn mark(&self, owner: &Owner, running: &[Seq]) -> Marked {
        Marked::in_file(Arc::clone(&self.marks), self.marks.put(owner, running))
    }

    pub(crate) async fn mark_alone(&self, owner: &Owner, seq: Seq) -> Result<(), Error> {
        self.queue.ask(MarksAlone { owner: owner.clone(), seq, number: self.marks.number() }).await
    }

    pub(crate) async fn commit(&self, owner: &Owner, commit: Commit, prefix: &Prefix) -> Result<CommitReply, Error> {
        self.queue.ask(Commits { owner: owner.clone(), commit, prefix: prefix.clone() }).await
    }

    pub(crate) async fn erase(&self, handler: &str, run: &str, event_id: &str) -> Result<(), Error> {
        self.queue.ask(Erases { handler: handler.into(), run: run.into(), event_id: event_id.to_owned() }).await
    }

    pub(crate) async fn stop(&self, handler: &str, run: &str, stop: Stop) -> Result<(), Error> {
        self.queue.ask(Stops { handler: handler.into(), run: run.into(), stop }).await
    }

    pub(crate) async fn rename_handler(&self, from: &str, to: &str) -> Result<Renamed, Error> {
        self.queue.ask(Renames { from: from.into(), to: to.into() }).await
    }

    pub(crate) async fn drop_handler(&self, name: &str) -> Result<Dropped, Error> {
        self.queue.ask(Drops { handler: name.into() }).await
    }

    pub(crate) async fn sweep_keys(&self, limit: u32) -> Result<u64, Error> {
        self.queue.ask(Sweeps { limit }).await
    }

    pub(crate) async fn age(&self, settled_before: Millis, after: LedgerPlace, limit: u32) -> Result<Aged, Error> {
        self.queue.ask(Ages { settled_before, after, limit }).await
    }

    pub(crate) async fn handler(&self, name: &str) -> Result<Option<i64>, Failure> {
        Ok(names::handler(&mut *self.readers.acquire().await?, name).await?)
    }

    pub(crate) async fn look_up(
        &self,
        handler: &str,
        run: &str,
        events: &[(Seq, Identity)],
    ) -> Result<Vec<Known>, Error> {
        self.look_ups.ask(handler, run, events).await
    }

    pub(crate) async fn rows(&self, ask: Ask) -> Result<Vec<SqliteRow>, sqlx::Error> {
        fetch(&mut *self.readers.acquire().await?, ask).await
    }

    pub(crate) fn ask_waiting(from: OutboxSpan, limit: u32) -> Ask {
        outbox::ask(from, limit)
    }

    pub(crate) fn ask_rows(ids: String) -> Ask {
        outbox::ask_rows(ids)
    }

    pub(crate) fn ask_heads(after_id: i64, limit: u32) -> Ask {
        outbox::ask_heads(after_id, limit)
    }

    pub(crate) fn ask_first(lanes: &[[&str; 3]]) -> Ask {
        outbox::ask_first(lanes)
    }

    pub(crate) fn ask_requests(ids: String) -> Ask {
        outbox::ask_requests(ids)
    }

    pub(crate) fn ask_outcomes(ids: &[String]) -> Ask {
        outcomes::ask(ids)
    }

    pub(crate) async fn sending(&self, rows: &[Sending], now: Millis) -> Result<(), Error> {
        self.queue.ask(Notes::Sending(rows.to_vec(), now)).await
    }

    pub(crate) async fn sent(&self, ids: &[i64]) -> Result<(), Error> {
        self.queue.ask(Notes::Sent(ids.to_vec())).await
    }

    pub(crate) async fn failed(&self, rows: &[(i64, String)], known: bool) -> Result<(), Error> {
        self.queue.ask(Notes::Failed(rows.to_vec(), known)).await
    }
}

/// A statement of this driver.
pub(crate) type Statement<'q> = Query<'q, Driver, SqliteArguments>;

/// Binding the shard that a statement is about.
pub(crate) trait Bind {
    /// Binds handler, run, shard and now, in this order; by [`sheet::JsonSheet`] they are `?3` to `?6`.
    fn bind<'q>(&self, query: Statement<'q>) -> Statement<'q>;
}

impl Bind for Scope {
    fn bind<'q>(&self, query: Statement<'q>) -> Statement<'q> {
        query.bind(self.handler_id).bind(Arc::clone(&self.run)).bind(i64::from(self.shard)).bind(self.now.cast_signed())
    }
}

pub(crate) async fn fetch(conn: &mut SqliteConnection, ask: Ask) -> Result<Vec<SqliteRow>, sqlx::Error> {
    let mut query = sqlx::query(ask.sql);
    for arg in ask.args {
        query = match arg {
            Arg::Int(value) => query.bind(value),
            Arg::Flag(value) => query.bind(value),
            Arg::OptInt(value) => query.bind(value),
            Arg::Text(value) => query.bind(value),
            Arg::OptText(value) => query.bind(value),
        };
    }
    query.fetch_all(conn).await
}
