//! Keys as a guest sees them: its own changes, those of finished invocations, then the store; and what is refused.

use serde_json::json;
use service::config::BucketConfig;
use store::{Claiming, Commit, Event, Headers, LIVE, Member, Owner, Store, StreamIdentity};

use super::rig::{Rig, published, rooms};
use super::*;
use crate::host::{Grant, Uncommitted};

const HANDLER: &str = "meter";

/// A guest whose behaviours work on keys, and the store that they are in.
pub(super) struct World {
    _folder: tempfile::TempDir,
    pub(super) store: Store,
    pub(super) uncommitted: Arc<Uncommitted>,
    owner: Owner,
    pub(super) rig: Rig,
}

/// A handler with these buckets, as its configuration says.
pub(super) fn grants(allow: &str, more: &str) -> Grants {
    let yaml = format!(
        "handlers:\n  - {{ name: {HANDLER}, plugin: ./a.wasm, on: \"*\", allow: {{ keyvalue: {allow} }}{more} }}"
    );
    let file = service::config::parse(&yaml, std::path::Path::new("roomwire.yaml")).unwrap();
    let handler = crate::config::Config::new(&file, String::new()).unwrap().handlers.remove(0);
    let grant = |bucket: &BucketConfig| (bucket.name.clone(), Arc::new(Grant::new(bucket, &handler)));
    let keyvalue = handler.allow.keyvalue.iter().map(grant).collect();
    Grants { keyvalue, stdin_keys: handler.stdin_keys, ..Grants::default() }
}

impl World {
    async fn new(grants: Grants, plans: &[&str]) -> Self {
        let behaviours: Vec<String> = plans.iter().map(|plan| format!("keys:{plan}")).collect();
        let config = rooms(behaviours.iter().map(String::as_str));
        Self::of(Rig::behave(config, LIMITS.timeout, grants).await).await
    }

    pub(super) async fn of(rig: Rig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("state.db").display());
        let store = Store::open(&url, &event::Prefix::default()).await.unwrap();
        store.beat(&Member { name: "me".to_owned(), handlers: [(HANDLER.to_owned(), 1)].into() }).await.unwrap();
        let stream = StreamIdentity { created: "now".into(), first_seq: 1, last_seq: 9 };
        let claiming = Claiming { handler: HANDLER, run: LIVE, shard: 0, claimer: "me", stream, begin_floor: 0 };
        let epoch = store.claim(claiming).await.unwrap().claimed.epoch;
        let owner = Owner::live(HANDLER, 0, epoch);
        Self { _folder: folder, store, uncommitted: Arc::default(), owner, rig }
    }

    /// Runs the nth plan for a room.
    async fn run(&self, plan: usize, room: &str) -> Finished {
        self.run_of(&self.rig, event(&format!("r{plan}")), room).await
    }

    /// Runs a guest, be it its own or another one, with the keys of a room.
    pub(super) async fn run_of(&self, rig: &Rig, event: wit::Event, room: &str) -> Finished {
        let access = Access {
            store: self.store.clone(),
            uncommitted: self.uncommitted.clone(),
            handler: HANDLER.into(),
            run: LIVE.into(),
            space: format!("default/{room}").into(),
        };
        handle(&rig.engine, &rig.generation, event, Lease::default(), Some(access)).await
    }

    async fn answer(&self, plan: usize, room: &str) -> serde_json::Value {
        serde_json::from_str(&published(&self.run(plan, room).await)).unwrap()
    }

    /// Commits what an invocation left as the event with this sequence.
    pub(super) async fn commit(&self, seq: u64, report: Arc<Report>) -> lanes::CommitReply {
        let identity = lanes::Identity { project: "default".into(), created: 0, id: format!("EV_{seq}").into() };
        let event = Event {
            seq,
            project: "default".into(),
            kind: "room_started".into(),
            headers: Headers::default(),
            body: bytes::Bytes::new(),
            identity: identity.clone(),
            key: "a".into(),
            received_at_ms: 0,
        };
        let change = lanes::Change::Settled { state: lanes::Settled::Done, attempt: 1, report: Some(report) };
        let origin = lanes::Origin::Stream;
        let row = lanes::Row { seq, identity, key: "a".into(), origin, change, event: Arc::new(event) };
        let progress = lanes::Progress { floor: seq, ..lanes::Progress::default() };
        let (shard, epoch) = (self.owner.shard, self.owner.epoch);
        let commit = Commit { commit: seq, shard, epoch, progress, rows: vec![row], lanes: Vec::new() };
        self.store.commit(&self.owner, commit).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invocation_sees_its_own_changes_and_only_a_commit_shows_them_to_others() {
    let plans = ["usage get a; set a 1; get a; exists a; delete a; exists a; set a 2; list", "usage get a; list"];
    let world = World::new(grants("[usage]", ""), &plans).await;
    let finished = world.run(0, "a").await;
    let answers: serde_json::Value = serde_json::from_str(&published(&finished)).unwrap();
    assert_eq!(answers, json!([null, null, "1", true, null, false, null, ["a"]]));
    assert_eq!(world.answer(1, "a").await, json!([null, []]), "nothing is written before the commit");
    let report = Arc::new(finished.report);
    assert!(world.uncommitted.add(&report));
    assert_eq!(world.answer(1, "a").await, json!(["2", ["a"]]), "the next one of the room sees it at once");
    assert_eq!(world.answer(1, "b").await, json!([null, []]), "another room has keys of its own");
    assert_eq!(world.commit(1, report).await, lanes::CommitReply::Done);
    assert_eq!(world.answer(1, "a").await, json!(["2", ["a"]]), "and in the store it is the same");
    assert_eq!(world.answer(1, "b").await, json!([null, []]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_invocation_leaves_nothing_of_keys() {
    let plans = ["usage set a 1; until 2", "usage set a 1; what"];
    let world = World::new(grants("[usage]", ""), &plans).await;
    for (plan, outcome) in [(0, Outcome::Retry { after_ms: None }), (1, Outcome::Permanent)] {
        let finished = world.run(plan, "a").await;
        assert_eq!(finished.outcome, outcome);
        assert!(finished.report.keyvalue.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_are_added_and_values_swapped_only_if_they_still_stand() {
    let plans = [
        "usage add n 2; add n -5; get n; set n many; add n 1; set n 9223372036854775807; add n 1",
        "usage swap k one; swap k two; swap-late k three; get k",
    ];
    let world = World::new(grants("[usage]", ""), &plans).await;
    let no_number = json!({ "error": "the value of `n` is no decimal number of 64 bits" });
    let too_much = json!({ "error": "9223372036854775807 and 1 are more than 64 bits can hold" });
    assert_eq!(world.answer(0, "a").await, json!([2, -3, "-3", null, no_number, null, too_much]));
    let failed = json!({ "failed": "between" });
    assert_eq!(world.answer(1, "a").await, json!([null, "one", failed, "between"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_rooms_that_change_a_shared_key_the_slower_one_runs_in_vain() {
    let world = World::new(grants("[{ name: totals, scope: shared }]", ""), &["totals add n 1", "totals get n"]).await;
    let first = Arc::new(world.run(0, "a").await.report);
    let second = Arc::new(world.run(0, "b").await.report);
    assert!(world.uncommitted.add(&first));
    assert!(!world.uncommitted.add(&second), "it has read what the first one changes");
    let second = Arc::new(world.run(0, "b").await.report);
    assert!(world.uncommitted.add(&second), "now it has seen it");
    // Should it get to the store before the one that it follows, it is refused there.
    let changed = lanes::Conflict { seq: 2, kind: lanes::ConflictKind::Changed };
    assert_eq!(world.commit(2, second.clone()).await, lanes::CommitReply::Refused(vec![changed]));
    assert_eq!(world.commit(1, first).await, lanes::CommitReply::Done);
    assert_eq!(world.commit(2, second).await, lanes::CommitReply::Done);
    assert_eq!(world.answer(1, "c").await, json!(["2"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_much_is_refused_in_words_that_name_the_limit() {
    let small = "[{ name: s, max_keys: 2, max_bytes: 1KiB, max_key: 5, max_value: 600 }]";
    let plans = [
        "s set abcdef x; set  x; large a 601; large a 600; large b 600; set b x; set c x",
        "s set a y; delete b; set c x; get a",
    ];
    let world = World::new(grants(small, ""), &plans).await;
    let error = |text: &str| json!({ "error": text });
    let finished = world.run(0, "a").await;
    let answers: serde_json::Value = serde_json::from_str(&published(&finished)).unwrap();
    let full = "bucket `s` is full: it holds 0 of 2 keys (`max_keys`) and 0 of 1024 bytes (`max_bytes`)";
    let expected = json!([
        error("a key of 6 bytes, where `max_key` of bucket `s` is 5"),
        error("a key must not be empty, nor have control characters in it"),
        error("a value of 601 bytes, where `max_value` of bucket `s` is 600"),
        null,
        error(full),
        null,
        error(full),
    ]);
    assert_eq!(answers, expected);
    assert_eq!(world.commit(1, Arc::new(finished.report)).await, lanes::CommitReply::Done);
    // What takes the place of something smaller or larger fits, and a removal makes room.
    assert_eq!(world.answer(1, "a").await, json!([null, null, null, "y"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_keys_are_listed_by_pages() {
    let sets: Vec<String> = (0..600).map(|number| format!("set k{number} v")).collect();
    let plans = [format!("many {}; list-all", sets.join("; ")), "many delete k5; set later v; list-all".to_owned()];
    let world = World::new(grants("[many]", ""), &plans.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let finished = world.run(0, "a").await;
    let answers: Vec<serde_json::Value> = serde_json::from_str(&published(&finished)).unwrap();
    assert_eq!(answers.last(), Some(&json!([600, 3])));
    assert_eq!(world.commit(1, Arc::new(finished.report)).await, lanes::CommitReply::Done);
    assert_eq!(world.answer(1, "a").await, json!([null, null, [600, 3]]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_is_not_granted_is_denied_and_the_log_says_what_to_write() {
    let world = World::new(grants("[usage]", ""), &["other get a"]).await;
    let finished = world.run(0, "a").await;
    let answers: serde_json::Value = serde_json::from_str(&published(&finished)).unwrap();
    assert_eq!(answers, json!([{ "error": "access denied" }]));
    let logs = super::rig::logs(&finished);
    assert!(logs.contains("bucket `other` is not granted; add it to the handler's `allow.keyvalue`"), "{logs}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_fails_is_no_failure_of_the_event() {
    let world = World::new(grants("[usage]", ""), &["usage get a"]).await;
    world.store.close().await;
    let finished = world.run(0, "a").await;
    assert_eq!((finished.outcome, &*finished.report.outcome), (Outcome::HostFailed, "host_failed"));
}

#[test]
fn keys_are_held_against_the_store_where_lanes_may_meet() {
    for (allow, more, contended) in
        [("[k]", "", false), ("[{ name: k, scope: shared }]", "", true), ("[k]", ", order: none", true)]
    {
        assert_eq!(grants(allow, more).keyvalue["k"].bucket.contended, contended, "{allow}{more}");
    }
}
