//! A store of its own, and the commits that the lanes would make.

use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use event::Prefix;
use lanes::{
    AttemptState, Books, Cause, Change, Claimed, CommitReply, Identity, LaneChange, Origin, Progress, Seq, Settled,
};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection as _, PgConnection, SqliteConnection, sqlite::SqliteConnectOptions,
};
use store::{
    Claim, Claiming, Commit, Destination, Effect, Error, Event, Keyvalue, LIVE, Member, Owner, Report, Row, Spot,
    Store, StreamIdentity, Write,
};
use tempfile::TempDir;
use testkit::PostgresServer;

pub(crate) const HANDLER: &str = "billing";

/// What a test needs: a store in SQLite, or in a database of its own of the PostgreSQL that all tests share.
pub(crate) struct World<const POSTGRES: bool> {
    pub(crate) folder: TempDir,
    url: String,
    pub(crate) store: Store,
}

impl<const POSTGRES: bool> Deref for World<POSTGRES> {
    type Target = Store;
    fn deref(&self) -> &Store {
        &self.store
    }
}

/// Something that keeps the store from writing.
pub(crate) enum Held {
    File(SqliteConnection),
    Database(PgConnection),
}

impl Held {
    pub(crate) async fn end(self) {
        match self {
            Self::File(mut conn) => sqlx::query("rollback").execute(&mut conn).await.map(drop).unwrap(),
            Self::Database(mut conn) => sqlx::query("rollback").execute(&mut conn).await.map(drop).unwrap(),
        }
    }
}

impl<const POSTGRES: bool> World<POSTGRES> {
    pub(crate) async fn new() -> Self {
        Self::at(TempDir::new().unwrap()).await
    }

    /// With its files, if there are any, in this folder.
    pub(crate) async fn at(folder: TempDir) -> Self {
        let url =
            if POSTGRES { PostgresServer::shared().await.unwrap().database().await.unwrap() } else { url(&folder) };
        let store = Store::open(&url, &Prefix::default()).await.unwrap();
        Self { folder, url, store }
    }

    /// The process dies (nothing is released) and another one starts.
    pub(crate) async fn restart(self) -> Self {
        self.store.close().await;
        let store = Store::open(&self.url, &Prefix::default()).await.unwrap();
        Self { store, ..self }
    }

    /// Another handle of the store, as another process has it. Only PostgreSQL lets it in.
    pub(crate) async fn another(&self) -> Store {
        Store::open(&self.url, &Prefix::default()).await.unwrap()
    }

    /// The claimer lives, and all others are dead by now.
    pub(crate) async fn live_as(&self, claimer: &str) {
        if POSTGRES {
            self.expire_all_but(claimer).await;
        }
        let fleet = self.store.beat(&member(claimer)).await.unwrap();
        assert_eq!(fleet.members, [member(claimer)]);
    }

    /// The leases of all others run out.
    pub(crate) async fn expire_all_but(&self, claimer: &str) {
        sqlx::query("update runners set expires_at = '-infinity' where name <> $1")
            .bind(claimer.to_owned())
            .execute(&mut self.database().await)
            .await
            .unwrap();
    }

    pub(crate) async fn claim(&self) -> Claim {
        self.claim_as("process-1", 0).await
    }

    pub(crate) async fn claim_as(&self, claimer: &str, shard: u16) -> Claim {
        self.claim_of(claiming(claimer, shard)).await.unwrap()
    }

    /// Claims once all others are dead.
    pub(crate) async fn claim_of(&self, claiming: Claiming<'_>) -> Result<Claim, Error> {
        self.live_as(claiming.claimer).await;
        match self.store.claim(claiming.clone()).await {
            // The stream has not changed meanwhile.
            Err(Error::Stale { .. }) => self.store.claim(claiming).await,
            claimed => claimed,
        }
    }

    /// Claims shard 0 and gives its owner.
    pub(crate) async fn own(&self) -> Owner {
        let claim = self.claim().await;
        Owner::live(HANDLER, 0, claim.claimed.epoch)
    }

    /// Commits rows that settle everything up to the highest of their sequences.
    pub(crate) async fn put(&self, owner: &Owner, rows: Vec<Row>) -> CommitReply {
        let floor = rows.iter().map(|row| row.seq).max().unwrap_or_default();
        self.store.commit(owner, commit(owner, progress(floor), rows)).await
    }

    pub(crate) async fn put_done(&self, owner: &Owner, rows: Vec<Row>) {
        assert_eq!(self.put(owner, rows).await, CommitReply::Done);
    }

    /// A connection of its own, to look behind the store's back.
    pub(crate) async fn file(&self) -> SqliteConnection {
        SqliteConnectOptions::new().filename(self.path("state.db")).connect().await.unwrap()
    }

    /// The same, to PostgreSQL.
    pub(crate) async fn database(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.unwrap()
    }

    pub(crate) async fn execute(&self, sql: &'static str) {
        if POSTGRES {
            sqlx::raw_sql(sql).execute(&mut self.database().await).await.map(drop).unwrap();
        } else {
            sqlx::raw_sql(sql).execute(&mut self.file().await).await.map(drop).unwrap();
        }
    }

    /// A number that the query answers with.
    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        if POSTGRES {
            let sql = AssertSqlSafe(format!("select cast(({sql}) as bigint)"));
            sqlx::query_scalar(sql).fetch_one(&mut self.database().await).await.unwrap()
        } else {
            sqlx::query_scalar(sql).fetch_one(&mut self.file().await).await.unwrap()
        }
    }

    /// State, attempt, duration and note of all ledger rows, by sequence.
    pub(crate) async fn settled(&self) -> Vec<(i64, i64, Option<i64>, Option<String>)> {
        const SETTLED: &str = "select state, attempt, duration_us, note from ledger order by seq";
        if POSTGRES {
            sqlx::query_as(SETTLED).fetch_all(&mut self.database().await).await.unwrap()
        } else {
            sqlx::query_as(SETTLED).fetch_all(&mut self.file().await).await.unwrap()
        }
    }

    /// From now on the ledger takes no entry of this event.
    pub(crate) async fn refuse_in_ledger(&self, id: &str) {
        if POSTGRES {
            let sql = format!(
                "create function poison() returns trigger language plpgsql as $$ begin
                    if new.event_id = '{id}' then raise exception 'not this one'; end if; return new; end $$;
                create trigger poison before insert on ledger for each row execute function poison()"
            );
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.database().await).await.map(drop).unwrap();
        } else {
            let sql = format!(
                "create trigger poison before insert on ledger when new.event_id = '{id}'
                begin select raise(abort, 'not this one'); end"
            );
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.file().await).await.map(drop).unwrap();
        }
    }

    /// Keeps the store from writing.
    pub(crate) async fn hold_writes(&self) -> Held {
        if POSTGRES {
            let mut conn = self.database().await;
            sqlx::raw_sql("begin; lock table ledger in share mode").execute(&mut conn).await.map(drop).unwrap();
            Held::Database(conn)
        } else {
            let mut conn = self.file().await;
            sqlx::query("begin immediate").execute(&mut conn).await.map(drop).unwrap();
            Held::File(conn)
        }
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }
}

pub(crate) fn url(folder: &TempDir) -> String {
    format!("sqlite:{}", folder.path().join("state.db").display())
}

pub(crate) async fn open(folder: &TempDir) -> Store {
    Store::open(&url(folder), &Prefix::default()).await.unwrap()
}

pub(crate) fn member(name: &str) -> Member {
    Member { name: name.to_owned(), handlers: [(HANDLER.to_owned(), 4)].into() }
}

pub(crate) fn stream() -> StreamIdentity {
    StreamIdentity { created: "2026-01-01T00:00:00Z".into(), first_seq: 1, last_seq: 1_000_000 }
}

pub(crate) fn claiming(claimer: &str, shard: u16) -> Claiming<'_> {
    Claiming { handler: HANDLER, run: LIVE, shard, claimer, stream: stream(), begin_floor: 0 }
}

pub(crate) fn progress(floor: Seq) -> Progress {
    Progress { floor, books: Books { done: floor, ..Books::default() }, ..Progress::default() }
}

pub(crate) fn commit(owner: &Owner, progress: Progress, rows: Vec<Row>) -> Commit {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    // As the lanes number them: none is used twice.
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    Commit { commit: number, shard: owner.shard, epoch: owner.epoch, progress, rows, lanes: Vec::new() }
}

pub(crate) fn identity(id: &str) -> Identity {
    Identity { project: "default".into(), created: 1_700_000_000, id: id.into() }
}

pub(crate) fn event(seq: Seq, id: &str) -> Arc<Event> {
    Arc::new(Event {
        seq,
        project: "default".into(),
        kind: "room_started".into(),
        headers: [("Nats-Msg-Id", id), ("ce-id", id)].into_iter().collect(),
        body: Bytes::from(format!("body of {id}\0\u{fc}")),
        identity: identity(id),
        key: "room".into(),
        received_at_ms: 1_700_000_000_123,
    })
}

/// Event `EV_<seq>` in lane `room`.
pub(crate) fn row(seq: Seq, origin: Origin, change: Change<Arc<Report>>) -> Row {
    row_of(seq, &format!("EV_{seq}"), origin, change)
}

pub(crate) fn row_of(seq: Seq, id: &str, origin: Origin, change: Change<Arc<Report>>) -> Row {
    Row { seq, identity: identity(id), key: "room".into(), origin, change, event: event(seq, id) }
}

pub(crate) fn report(outcome: &str) -> Report {
    Report {
        started_at: 1_700_000_001_000,
        duration_us: 250,
        digest: "sha256:one".into(),
        peak_memory: 65_536,
        outcome: outcome.into(),
        error: Some(format!("{outcome} \"in words\"").into()),
        backtrace: Some("at main".into()),
        stderr: Some("last words\n".into()),
        logs: Some("info hello".into()),
        ..Report::default()
    }
}

pub(crate) fn effect(subject: &str, body: &str) -> Effect {
    Effect {
        to: Destination::Subject(subject.to_owned()),
        headers: vec![("a".to_owned(), "1".to_owned()), ("a".to_owned(), "2".to_owned())],
        body: Bytes::from(body.to_owned()),
    }
}

pub(crate) fn request(origin: &str, path: &str) -> Effect {
    let to = Destination::Endpoint { origin: origin.to_owned(), method: "POST".to_owned(), path: path.to_owned() };
    Effect { to, headers: vec![("x-a".to_owned(), "1".to_owned())], body: Bytes::from_static(b"{}") }
}

pub(crate) fn attempts(made: u32) -> AttemptState {
    AttemptState { made, crashes: 1, retries: made.saturating_sub(1), first_at: 1_700_000_001_000, next_at: 42 }
}

pub(crate) fn done() -> Change<Arc<Report>> {
    Change::Settled { state: Settled::Done, attempt: 1, report: Some(Arc::new(Report::default())) }
}

pub(crate) fn done_with(effects: Vec<Effect>) -> Change<Arc<Report>> {
    let report = Report { effects: effects.into(), ..report("done") };
    Change::Settled { state: Settled::Done, attempt: 1, report: Some(Arc::new(report)) }
}

/// What an invocation leaves of keys: its stamp, what it read with which version, and what it wrote.
pub(crate) fn keys(stamp: i64, reads: &[(Spot, i64)], writes: &[(Spot, Option<&str>)]) -> Keyvalue {
    let write = |(spot, value): &(Spot, Option<&str>)| {
        let value = value.map(|value| Bytes::from(value.to_owned()));
        Write { spot: spot.clone(), value, ttl_ms: None }
    };
    Keyvalue { stamp, reads: reads.to_vec(), writes: writes.iter().map(write).collect(), lists: Vec::new() }
}

pub(crate) fn done_with_keys(keyvalue: Keyvalue) -> Change<Arc<Report>> {
    let report = Report { keyvalue, ..report("done") };
    Change::Settled { state: Settled::Done, attempt: 1, report: Some(Arc::new(report)) }
}

pub(crate) fn failed_with_keys(keyvalue: Keyvalue) -> Change<Arc<Report>> {
    Change::Failed { attempts: attempts(1), report: Arc::new(Report { keyvalue, ..report("retry") }) }
}

pub(crate) fn failed(made: u32) -> Change<Arc<Report>> {
    Change::Failed { attempts: attempts(made), report: Arc::new(report("retry")) }
}

pub(crate) fn parked(made: u32) -> Change<Arc<Report>> {
    Change::Parked { attempts: attempts(made), redriven: false, report: None }
}

pub(crate) fn died(made: u32) -> Change<Arc<Report>> {
    Change::Dead { attempts: attempts(made), cause: Cause::Permanent, report: Some(Arc::new(report("permanent"))) }
}

pub(crate) fn sent_back(made: u32) -> Change<Arc<Report>> {
    let attempts = AttemptState { made, ..AttemptState::default() };
    Change::Parked { attempts, redriven: true, report: None }
}

pub(crate) fn waiting(due: u64) -> Vec<LaneChange> {
    vec![LaneChange::Waiting { key: "room".into(), due }]
}

pub(crate) fn owner_of(claimed: &Claimed) -> Owner {
    Owner::live(HANDLER, claimed.shard, claimed.epoch)
}
