//! A store in a folder of its own, and the commits that the lanes would make.

use std::{ops::Deref, sync::Arc};

use bytes::Bytes;
use event::Prefix;
use lanes::{
    AttemptState, Books, Cause, Change, Claimed, CommitReply, Identity, LaneChange, Origin, Progress, Seq, Settled,
};
use sqlx::{ConnectOptions, SqliteConnection, sqlite::SqliteConnectOptions};
use store::{Claim, Claiming, Commit, Effect, Event, LIVE, Owner, Report, Row, Store, StreamIdentity};
use tempfile::TempDir;

pub(crate) const HANDLER: &str = "billing";

pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) store: Store,
}

impl Deref for World {
    type Target = Store;
    fn deref(&self) -> &Store {
        &self.store
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let store = open(&folder).await;
        Self { folder, store }
    }

    /// The process dies (nothing is released) and another one starts.
    pub(crate) async fn restart(self) -> Self {
        self.store.close().await;
        let store = open(&self.folder).await;
        Self { folder: self.folder, store }
    }

    pub(crate) async fn claim(&self) -> Claim {
        self.claim_as("process-1", 0).await
    }

    pub(crate) async fn claim_as(&self, claimer: &str, shard: u16) -> Claim {
        self.store.claim(claiming(claimer, shard)).await.unwrap()
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
    pub(crate) async fn raw(&self) -> SqliteConnection {
        SqliteConnectOptions::new().filename(self.path("state.db")).connect().await.unwrap()
    }

    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&mut self.raw().await).await.unwrap()
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
    Commit { commit: 1, shard: owner.shard, epoch: owner.epoch, progress, rows, lanes: Vec::new() }
}

pub(crate) fn identity(id: &str) -> Identity {
    Identity { project: "default".into(), created: 1_700_000_000, id: id.into() }
}

pub(crate) fn event(seq: Seq, id: &str) -> Arc<Event> {
    Arc::new(Event {
        seq,
        project: "default".into(),
        kind: "room_started".into(),
        headers: format!(r#"{{"Nats-Msg-Id":"{id}","ce-id":"{id}"}}"#).into(),
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
        subject: subject.to_owned(),
        headers: vec![("a".to_owned(), "1".to_owned()), ("a".to_owned(), "2".to_owned())],
        body: Bytes::from(body.to_owned()),
    }
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
