//! Which rows go out when, and what is asked about those whose send was never answered.

use async_nats::jetstream::stream;
use lanes::{Change, Identity, Origin, Progress, Settled};
use store::{Claiming, Commit, Destination, Effect, Event, Headers, LIVE, Member, Owner, Report, Sent, StreamIdentity};
use tempfile::TempDir;
use testkit::{NatsServer, PostgresServer, wait_until};
use tokio::sync::watch;

use super::*;

/// An outbox on a real server and in a real store.
struct World {
    nats: NatsServer,
    _folder: TempDir,
    _connected: watch::Sender<State>,
    owner: Owner,
    outbox: Outbox,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("state.db").display());
        Self::of(folder, claimed(&url, "me", 0).await).await
    }

    async fn of(folder: TempDir, (owner, store): (Owner, Store)) -> Self {
        let nats = NatsServer::start().await.unwrap();
        let (connected, state) = watch::channel(State::Connected);
        let connection = Connection { client: nats.client().await.unwrap(), state };
        let metrics = Metrics::register(&service::admin::Metrics::default());
        Self { nats, _folder: folder, _connected: connected, owner, outbox: Outbox::new(store, connection, metrics) }
    }

    /// A stream that takes `NAME.>`; it forgets ids at once.
    async fn make_stream(&self, name: &str) {
        let window = Duration::from_millis(100);
        let subjects = vec![format!("{name}.>")];
        let config = stream::Config { name: name.to_owned(), subjects, duplicate_window: window, ..Default::default() };
        self.nats.jetstream().await.unwrap().create_stream(config).await.unwrap();
    }

    /// An event of a room that leaves a message on each of these subjects.
    async fn leave(&self, seq: u64, room: &str, subjects: &[&str]) {
        leave(&self.outbox.store, &self.owner, seq, room, to(subjects)).await;
    }

    async fn waiting(&self) -> Vec<OutboxRow> {
        self.outbox.store.outbox_waiting(0, PAGE).await.unwrap().rows
    }

    async fn stored(&self, stream: &str) -> Vec<String> {
        let js = self.nats.jetstream().await.unwrap();
        let stream = js.get_stream(stream).await.unwrap();
        let mut ids = Vec::new();
        for seq in 1..=stream.cached_info().state.last_sequence {
            let message = stream.get_raw_message(seq).await.unwrap();
            ids.push(message.headers.get(async_nats::header::NATS_MESSAGE_ID).unwrap().to_string());
        }
        ids
    }
}

/// A store in which this one owns a shard of the handler `h`.
pub(super) async fn claimed(url: &str, claimer: &str, shard: u16) -> (Owner, Store) {
    let store = Store::open(url, &event::Prefix::default()).await.unwrap();
    store.beat(&Member { name: claimer.to_owned(), handlers: [("h".to_owned(), 2)].into() }).await.unwrap();
    let stream = StreamIdentity { created: "now".into(), first_seq: 1, last_seq: 9 };
    let claiming = Claiming { handler: "h", run: LIVE, shard, claimer, stream, begin_floor: 0 };
    let epoch = store.claim(claiming).await.unwrap().claimed.epoch;
    (Owner::live("h", shard, epoch), store)
}

fn to(subjects: &[&str]) -> Vec<Destination> {
    subjects.iter().map(|subject| Destination::Subject((*subject).to_owned())).collect()
}

/// An event of a room that leaves something for each of these.
pub(super) async fn leave(store: &Store, owner: &Owner, seq: u64, room: &str, to: Vec<Destination>) {
    let effect = |to| Effect { to, headers: Vec::new(), body: bytes::Bytes::from_static(b"{}") };
    let report = Report { effects: to.into_iter().map(effect).collect(), ..Report::default() };
    let identity = Identity { project: "default".into(), created: 0, id: format!("EV_{seq}").into() };
    let event = Event {
        seq,
        project: "default".into(),
        kind: "room_started".into(),
        headers: Headers::default(),
        body: bytes::Bytes::new(),
        identity: identity.clone(),
        key: room.into(),
        received_at_ms: 0,
    };
    let change = Change::Settled { state: Settled::Done, attempt: 1, report: Some(Arc::new(report)) };
    let origin = Origin::Stream;
    let row = lanes::Row { seq, identity, key: room.into(), origin, change, event: Arc::new(event) };
    let progress = Progress { floor: seq, ..Progress::default() };
    let commit =
        Commit { commit: seq, shard: owner.shard, epoch: owner.epoch, progress, rows: vec![row], lanes: Vec::new() };
    assert_eq!(store.commit(owner, commit).await, lanes::CommitReply::Done);
}

fn ids(rows: &[OutboxRow]) -> Vec<&str> {
    rows.iter().map(|row| row.msg_id.as_str()).collect()
}

#[tokio::test]
async fn a_lane_that_has_waited_long_enough_is_tried_while_a_pass_goes_on_and_only_its_first_row() {
    let mut world = World::new().await;
    world.leave(1, "room", &["later.a"]).await;
    world.leave(2, "room", &["later.a"]).await;
    world.leave(3, "other", &["later.a"]).await;
    world.outbox.pass(&CancellationToken::new()).await.unwrap();
    assert_eq!(world.waiting().await.len(), 3, "no stream takes them");
    world.make_stream("later").await;
    let blocked: HashSet<Lane> = world.outbox.waiting.keys().cloned().collect();
    assert_eq!(blocked.len(), 2);
    for backoff in world.outbox.waiting.values_mut() {
        backoff.until = Instant::now() + BACKOFF_LAST;
    }
    world.outbox.again(&blocked).await.unwrap();
    assert_eq!(world.waiting().await.len(), 3, "not yet");
    for backoff in world.outbox.waiting.values_mut() {
        backoff.until = Instant::now();
    }
    world.outbox.again(&HashSet::new()).await.unwrap();
    assert_eq!(world.waiting().await.len(), 3, "these are for the pass itself");
    world.outbox.again(&blocked).await.unwrap();
    assert_eq!(ids(&world.waiting().await), ["default/h/EV_2/0"]);
    assert_eq!(world.stored("later").await.len(), 2);
    assert!(world.outbox.waiting.is_empty());
    world.outbox.pass(&CancellationToken::new()).await.unwrap();
    assert_eq!(world.stored("later").await.last().unwrap(), "default/h/EV_2/0");
}

#[tokio::test]
async fn a_lane_whose_row_is_gone_is_not_asked_for_again_and_again() {
    let mut world = World::new().await;
    world.leave(1, "room", &["later.a"]).await;
    world.outbox.pass(&CancellationToken::new()).await.unwrap();
    let blocked: HashSet<Lane> = world.outbox.waiting.keys().cloned().collect();
    world.outbox.waiting.values_mut().for_each(|backoff| backoff.until = Instant::now());
    world.outbox.store.outbox_sent(&[world.waiting().await[0].id]).await.unwrap();
    world.outbox.again(&blocked).await.unwrap();
    assert!(world.outbox.waiting.is_empty());
}

#[tokio::test]
async fn a_pass_goes_on_behind_many_messages_of_another_runner() {
    let url = PostgresServer::shared().await.unwrap().database().await.unwrap();
    let (theirs, other) = claimed(&url, "other", 1).await;
    leave(&other, &theirs, 2, "theirs", to(&vec!["out.a"; 5_000])).await;
    let mut world = World::of(tempfile::tempdir().unwrap(), claimed(&url, "me", 0).await).await;
    world.make_stream("out").await;
    world.leave(1, "room", &["out.a", "out.b"]).await;
    assert!(world.waiting().await.is_empty(), "the first page has others' messages alone");
    world.outbox.pass(&CancellationToken::new()).await.unwrap();
    assert_eq!(world.stored("out").await, ["default/h/EV_1/0", "default/h/EV_1/1"]);
    assert_eq!(other.outbox_waiting(0, PAGE).await.unwrap().rows.len(), PAGE as usize);
}

#[tokio::test]
async fn a_lane_that_fails_waits_ever_longer_whatever_becomes_of_others() {
    let mut world = World::new().await;
    world.make_stream("out").await;
    world.leave(1, "room", &["later.a"]).await;
    for (seq, wait) in [(2, 1), (3, 2), (4, 4), (5, 8)] {
        // It goes out in a round before, as it is asked for in the stream first.
        world.leave(seq, "other", &["out.a"]).await;
        let other = world.waiting().await.pop().unwrap();
        let sending = Sending { id: other.id, stream: "out".to_owned(), last_seq: 0 };
        world.outbox.store.outbox_sending(&[sending], 1).await.unwrap();
        world.outbox.pass(&CancellationToken::new()).await.unwrap();
        assert_eq!(world.waiting().await.len(), 1);
        let backoff = world.outbox.waiting.values_mut().next().unwrap();
        assert_eq!(backoff.wait, BACKOFF_FIRST * wait);
        backoff.until = Instant::now();
    }
    world.make_stream("later").await;
    world.outbox.pass(&CancellationToken::new()).await.unwrap();
    assert!(world.waiting().await.is_empty() && world.outbox.waiting.is_empty());
}

#[tokio::test]
async fn messages_whose_fate_was_forgotten_are_looked_for_and_sent_where_they_are_not_there() {
    let mut world = World::new().await;
    world.make_stream("out").await;
    for (seq, room) in [(1, "a"), (2, "b"), (3, "c")] {
        world.leave(seq, room, &["out.a"]).await;
    }
    let rows = world.waiting().await;
    let sending = |row: &OutboxRow| Sending { id: row.id, stream: "out".to_owned(), last_seq: 0 };
    let sending: Vec<Sending> = rows.iter().map(sending).collect();
    // Sent in 1970, and never answered; the second one is there.
    world.outbox.store.outbox_sending(&sending, 1).await.unwrap();
    let js = world.nats.jetstream().await.unwrap();
    let publish = async |id: &str| {
        let message = PublishMessage::build().message_id(id);
        js.send_publish("out.a", message).await.unwrap().await.unwrap().duplicate
    };
    assert!(!publish("default/h/EV_2/0").await);
    publish("probe").await;
    let forgotten = || async { !publish("probe").await };
    wait_until(Duration::from_secs(30), "the stream to forget ids", forgotten).await.unwrap();
    world.outbox.pass(&CancellationToken::new()).await.unwrap();
    assert!(world.waiting().await.is_empty());
    let mut stored = world.stored("out").await;
    stored.retain(|id| id != "probe");
    stored.sort_unstable();
    assert_eq!(stored, ["default/h/EV_1/0", "default/h/EV_2/0", "default/h/EV_3/0"]);
}

fn row(id: i64, key: &str, sent: Option<Sent>) -> OutboxRow {
    OutboxRow {
        id,
        handler: "h".into(),
        key: key.into(),
        subject: "s".to_owned(),
        msg_id: id.to_string(),
        headers: Vec::new(),
        body: bytes::Bytes::new(),
        queued_at: 0,
        sent,
        tries: 0,
        error: None,
    }
}

#[test]
fn a_round_takes_the_first_row_of_each_lane_and_none_of_a_blocked_one() {
    let rows = vec![row(1, "a", None), row(2, "a", None), row(3, "b", None), row(4, "c", None)];
    let blocked = HashSet::from([lane_of(&row(0, "c", None))]);
    let (first, later) = one_of_each_lane(rows, &blocked);
    assert_eq!(first.iter().map(|row| row.id).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(later.iter().map(|row| row.id).collect::<Vec<_>>(), [2]);
}

#[test]
fn a_message_of_unknown_fate_is_sent_again_only_when_its_stream_says_that_it_lacks_it() {
    let ids = Ok(HashSet::from(["there".to_owned()]));
    assert_eq!(fate(Some(&ids), "there"), Fate::Stored);
    assert_eq!(fate(Some(&ids), "elsewhere"), Fate::Lost);
    let failed = Err("no leader".to_owned());
    assert_eq!(fate(Some(&failed), "there"), Fate::Unknown("no leader".to_owned()));
    assert!(matches!(fate(None, "there"), Fate::Unknown(_)), "silence is no answer");
}

#[test]
fn an_unanswered_row_is_asked_about_unless_the_window_surely_knows_its_id() {
    let target =
        |seconds| Target { stream: "S".to_owned(), duplicate_window: Duration::from_secs(seconds), last_seq: 9 };
    let sent = Some(Sent { at_ms: 1_000_000, stream: "S".to_owned(), last_seq: 4 });
    for (window, now, asked) in
        [(120, 1_000_000, false), (120, 1_100_000, false), (120, 1_111_000, true), (0, 1_000_000, true)]
    {
        assert_eq!(must_ask(&row(1, "a", sent.clone()), &target(window), now), asked, "{window} {now}");
    }
    assert!(!must_ask(&row(1, "a", None), &target(0), 0), "a row that was never sent is not unknown");
}
