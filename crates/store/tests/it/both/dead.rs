//! Dead letters: what is kept, listed, published, and how they come back.

use std::sync::Arc;

use lanes::{AttemptState, Cause, Change, CommitReply, Crash, LaneChange, Origin, Settled};
use store::{DeadFilter, LIVE, OutboxRow};

use super::world::{
    HANDLER, World, attempts, commit, died, done, event, failed, identity, progress, report, row, row_of, sent_back,
    waiting,
};

async fn feed(world: &World) -> Vec<OutboxRow> {
    world.outbox_waiting(0, 100).await.unwrap().rows
}

#[tokio::test]
async fn a_dead_letter_keeps_the_event_its_cause_and_its_history() {
    let world = World::new().await;
    let owner = world.own().await;
    world.put_done(&owner, vec![row(1, Origin::Stream, failed(1))]).await;
    world.put_done(&owner, vec![row(1, Origin::Stream, failed(2))]).await;
    world.put_done(&owner, vec![row(1, Origin::Stream, died(3))]).await;
    let letter = world.dead_get(HANDLER, "EV_1").await.unwrap().unwrap();
    let summary = &letter.summary;
    assert_eq!((summary.cause.as_str(), summary.message.as_deref()), ("permanent", Some("permanent \"in words\"")));
    assert_eq!((summary.n, summary.attempts, summary.seq, summary.shard), (1, 3, 1, 0));
    assert_eq!((summary.key.as_str(), summary.kind.as_str()), ("room", "room_started"));
    assert_eq!((summary.first_at, summary.redriven_at, summary.held), (1_700_000_001_000, None, false));
    assert!(summary.died_at > 1_700_000_000_000);
    assert_eq!(letter.body, event(1, "EV_1").body);
    assert_eq!(letter.headers["ce-id"], "EV_1");
    assert_eq!(letter.digest.as_deref(), Some("sha256:one"));
    let history: Vec<_> = letter.history.iter().map(|row| (row.attempt, row.outcome.as_str())).collect();
    assert_eq!(history, [(1, "retry"), (2, "retry"), (3, "permanent")]);
    let last = &letter.history[2];
    assert_eq!((last.started_at, last.duration_us, last.peak_memory), (1_700_000_001_000, 250, 65_536));
    assert_eq!(last.error.as_deref(), Some("permanent \"in words\""));
    assert_eq!(last.backtrace.as_deref(), Some("at main"));
    assert_eq!(last.stderr.as_deref(), Some("last words\n"));
    assert_eq!(last.logs.as_deref(), Some("info hello"));
    assert_eq!(last.digest.as_deref(), Some("sha256:one"));
    assert!(world.dead_get(HANDLER, "EV_2").await.unwrap().is_none());
    assert!(world.dead_get("nobody", "EV_1").await.unwrap().is_none());
}

#[tokio::test]
async fn a_death_is_published_through_the_outbox_of_the_same_commit() {
    let world = World::new().await;
    let owner = world.own().await;
    world.put_done(&owner, vec![row(1, Origin::Stream, died(3))]).await;
    let feed = feed(&world).await;
    let [message] = feed.as_slice() else { panic!("{feed:?}") };
    assert_eq!(message.subject, "rw.dead.billing.room_started");
    assert_eq!(message.msg_id, "dead/billing/EV_1/1");
    assert_eq!((&*message.handler, &*message.key), (HANDLER, "room"));
    assert_eq!(message.body, event(1, "EV_1").body);
    let header = |name: &str| message.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
    assert_eq!(header("Nats-Msg-Id"), None);
    assert_eq!(header("ce-id"), Some("EV_1"));
    assert_eq!(header("Rw-Handler"), Some("billing"));
    assert_eq!(header("Rw-Cause"), Some("permanent"));
    assert_eq!(header("Rw-Error"), Some("permanent%20\"in%20words\""));
    assert_eq!(header("Rw-Attempts"), Some("3"));
    assert_eq!(header("Rw-Plugin-Digest"), Some("sha256:one"));
    assert_eq!(header("Rw-First-Attempt-At"), Some("2023-11-14T22:13:21.000Z"));
    assert!(header("Rw-Died-At").is_some());
}

#[tokio::test]
async fn a_process_that_died_leaves_no_report_and_the_letter_says_so() {
    let world = World::new().await;
    let owner = world.own().await;
    let change = Change::Dead { attempts: AttemptState::default(), cause: Cause::ProcessDied, report: None };
    world.put_done(&owner, vec![row(1, Origin::Stream, change)]).await;
    let letter = world.dead_get(HANDLER, "EV_1").await.unwrap().unwrap();
    assert_eq!(letter.summary.cause, "process_died");
    assert_eq!(letter.summary.message.as_deref(), Some("the runner's process died whenever this event ran"));
    assert!(letter.history.is_empty());
    assert_eq!(letter.digest, None);
}

#[tokio::test]
async fn lists_are_filtered_and_the_newest_comes_first() {
    let world = World::new().await;
    let owner = world.own().await;
    let crashed = |crash| Change::Dead {
        attempts: attempts(1),
        cause: Cause::Crashed(crash),
        report: Some(Arc::new(report("trap"))),
    };
    world.put_done(&owner, vec![row(1, Origin::Stream, died(1))]).await;
    world.put_done(&owner, vec![row(2, Origin::Stream, crashed(Crash::OutOfMemory))]).await;
    world.put_done(&owner, vec![row(3, Origin::Stream, crashed(Crash::Trap))]).await;
    let ids = async |filter: DeadFilter| {
        let letters = world.dead_list(&filter).await.unwrap();
        letters.into_iter().map(|letter| letter.event_id).collect::<Vec<_>>()
    };
    let all = DeadFilter::default;
    assert_eq!(ids(all()).await, ["EV_3", "EV_2", "EV_1"]);
    assert_eq!(ids(DeadFilter { limit: Some(2), ..all() }).await, ["EV_3", "EV_2"]);
    assert_eq!(ids(DeadFilter { cause: Some("out_of_memory".into()), ..all() }).await, ["EV_2"]);
    assert_eq!(ids(DeadFilter { kind: Some("room_started".into()), ..all() }).await.len(), 3);
    assert!(ids(DeadFilter { kind: Some("other".into()), ..all() }).await.is_empty());
    assert!(ids(DeadFilter { handler: Some("other".into()), ..all() }).await.is_empty());
    assert!(ids(DeadFilter { since: Some(u64::MAX / 4), ..all() }).await.is_empty());
    assert_eq!(ids(DeadFilter { since: Some(1), handler: Some(HANDLER.into()), ..all() }).await.len(), 3);
}

#[tokio::test]
async fn a_letter_whose_lane_waits_for_an_operator_is_held() {
    let world = World::new().await;
    let owner = world.own().await;
    let mut batch = commit(&owner, progress(1), vec![row(1, Origin::Stream, died(1))]);
    batch.lanes = vec![LaneChange::Held { key: "room".into() }];
    assert_eq!(world.commit(&owner, batch).await, CommitReply::Done);
    assert!(world.dead_list(&DeadFilter::default()).await.unwrap()[0].held);
    assert!(world.dead_get(HANDLER, "EV_1").await.unwrap().unwrap().summary.held);
}

#[tokio::test]
async fn a_redriven_event_is_parked_again_and_keeps_its_history() {
    let world = World::new().await;
    let owner = world.own().await;
    world.put_done(&owner, vec![row(1, Origin::Stream, died(3))]).await;
    let dead = world.dead_event(HANDLER, "EV_1").await.unwrap().unwrap();
    assert_eq!((dead.seq, dead.made, dead.shard, &*dead.run, &*dead.key), (1, 3, 0, LIVE, "room"));
    assert_eq!(dead.identity, identity("EV_1"));
    assert_eq!(dead.event, event(1, "EV_1"));

    let mut batch = commit(&owner, progress(1), vec![row(1, Origin::Dead, sent_back(3))]);
    batch.lanes = waiting(0);
    assert_eq!(world.commit(&owner, batch).await, CommitReply::Done);
    assert!(world.dead_event(HANDLER, "EV_1").await.unwrap().is_none());
    assert!(world.dead_list(&DeadFilter::default()).await.unwrap().is_empty());
    let all = world.dead_list(&DeadFilter { redriven: true, ..DeadFilter::default() }).await.unwrap();
    assert!(all[0].redriven_at.is_some());
    let loaded = world.load(HANDLER, LIVE, 0, "room", 0, 9).await.unwrap();
    assert!(loaded[0].redriven);
    assert_eq!(loaded[0].attempts.made, 3);
    assert_eq!(loaded[0].event, event(1, "EV_1"));

    // Asked for twice: the second time it is not dead any more.
    let again = world.put(&owner, vec![row(1, Origin::Dead, sent_back(3))]).await;
    assert!(matches!(again, CommitReply::Refused(_)), "{again:?}");

    world.put_done(&owner, vec![row(1, Origin::Parked, failed(4))]).await;
    world.put_done(&owner, vec![row(1, Origin::Parked, died(5))]).await;
    let letter = world.dead_get(HANDLER, "EV_1").await.unwrap().unwrap();
    assert_eq!((letter.summary.n, letter.summary.attempts), (2, 5));
    let history: Vec<_> = letter.history.iter().map(|row| row.attempt).collect();
    assert_eq!(history, [3, 4, 5]);
    let ids: Vec<_> = feed(&world).await.into_iter().map(|message| message.msg_id).collect();
    assert_eq!(ids, ["dead/billing/EV_1/1", "dead/billing/EV_1/2"]);
    assert!(world.load(HANDLER, LIVE, 0, "room", 0, 9).await.unwrap().is_empty());
    assert_eq!(world.counts().await.unwrap()[0].dead, 1);
}

#[tokio::test]
async fn a_redriven_event_that_is_handled_is_done() {
    let world = World::new().await;
    let owner = world.own().await;
    world.put_done(&owner, vec![row(1, Origin::Stream, died(1))]).await;
    world.put_done(&owner, vec![row(1, Origin::Dead, sent_back(1))]).await;
    world.put_done(&owner, vec![row(1, Origin::Parked, done())]).await;
    assert_eq!(world.count("select state from ledger").await, 1);
    assert_eq!(world.counts().await.unwrap()[0].dead, 0);
    assert_eq!(world.dead_get(HANDLER, "EV_1").await.unwrap().unwrap().summary.n, 1);
}

#[tokio::test]
async fn several_deaths_in_one_commit_have_numbers_of_their_own() {
    let world = World::new().await;
    let owner = world.own().await;
    world.put_done(&owner, vec![row(1, Origin::Stream, died(1))]).await;
    world.put_done(&owner, vec![row(1, Origin::Dead, sent_back(1))]).await;
    let rows = vec![
        row_of(3, "EV_b", Origin::Stream, died(1)),
        row(1, Origin::Parked, died(2)),
        row_of(4, "EV_c", Origin::Stream, died(1)),
    ];
    world.put_done(&owner, rows).await;
    let ids: Vec<_> = feed(&world).await.into_iter().map(|message| message.msg_id).collect();
    let expected = ["dead/billing/EV_1/1", "dead/billing/EV_b/1", "dead/billing/EV_1/2", "dead/billing/EV_c/1"];
    assert_eq!(ids, expected);
}

#[tokio::test]
async fn a_skipped_letter_is_settled_and_keeps_its_body_until_it_is_erased() {
    let world = World::new().await;
    let owner = world.own().await;
    world.put_done(&owner, vec![row(1, Origin::Stream, died(2)), row(2, Origin::Stream, died(1))]).await;
    let skipped = || Change::Settled { state: Settled::Skipped, attempt: 2, report: None };
    world.put_done(&owner, vec![row(1, Origin::Dead, skipped())]).await;
    let listed = world.dead_list(&DeadFilter::default()).await.unwrap();
    assert_eq!(listed.iter().map(|letter| letter.event_id.as_str()).collect::<Vec<_>>(), ["EV_2"]);
    assert!(world.dead_event(HANDLER, "EV_1").await.unwrap().is_none(), "it cannot be sent back");
    assert_eq!(world.outcomes(&["EV_1".to_owned()]).await.unwrap()[0].state, "skipped");
    // Whoever decides later is told so.
    let late = commit(&owner, progress(0), vec![row(1, Origin::Dead, sent_back(2))]);
    assert!(matches!(world.commit(&owner, late).await, CommitReply::Refused(_)));
    assert_eq!(world.dead_get(HANDLER, "EV_1").await.unwrap().unwrap().body, event(1, "EV_1").body);
    for id in ["EV_1", "EV_2"] {
        world.dead_erase(HANDLER, LIVE, id).await.unwrap();
    }
    let erased = world.dead_get(HANDLER, "EV_1").await.unwrap().unwrap();
    assert_eq!((erased.body.len(), erased.headers, erased.history.len()), (0, serde_json::json!({}), 1));
    let dead = world.dead_get(HANDLER, "EV_2").await.unwrap().unwrap();
    assert_eq!(dead.body, event(2, "EV_2").body, "what is dead is needed to run again");
}

#[tokio::test]
async fn a_list_ends_where_it_is_told() {
    let world = World::new().await;
    let owner = world.own().await;
    world.put_done(&owner, vec![row(1, Origin::Stream, died(1))]).await;
    let died_at = world.dead_list(&DeadFilter::default()).await.unwrap()[0].died_at;
    let until =
        async |until| world.dead_list(&DeadFilter { until: Some(until), ..DeadFilter::default() }).await.unwrap().len();
    assert_eq!((until(died_at).await, until(died_at - 1).await), (1, 0));
}
