//! Claims: epochs, fences, and what the new owner is told.

use lanes::{Books, CommitReply, LaneChange, Origin, Progress};
use store::{Error, LIVE, Owner};

use super::world::{
    HANDLER, World, attempts, claiming, commit, done, failed, owner_of, parked, progress, row, stream, waiting,
};

#[tokio::test]
async fn a_new_handler_begins_where_it_is_told() {
    let world = World::new().await;
    let mut claiming = claiming("process-1", 3);
    claiming.begin_floor = 40;
    let claim = world.claim_of(claiming.clone()).await.unwrap();
    assert!(claim.fresh);
    assert_eq!((claim.reset.clone(), claim.stored_stream.clone()), (None, None));
    assert_eq!((claim.claimed.shard, claim.claimed.epoch), (3, 1));
    let books = Books { base: 40, ..Books::default() };
    assert_eq!(claim.claimed.progress, Progress { floor: 40, books, ..Progress::default() });
    assert_eq!(claim.owner(&claiming), Owner::live(HANDLER, 3, 1));
}

#[tokio::test]
async fn the_next_owner_goes_on_where_the_last_commit_was() {
    let world = World::new().await;
    let owner = world.own().await;
    let progress = Progress {
        floor: 5,
        ranges: vec![(7, 9), (12, 12)],
        books: Books { base: 0, done: 3, skipped: 1, filtered: 2, duplicate: 1, parked: 1, dead: 1 },
        anchor: Some((5, "EV_5".into())),
    };
    assert_eq!(world.commit(&owner, commit(&owner, progress.clone(), vec![])).await, CommitReply::Done);
    let mut claiming = claiming("process-2", 0);
    claiming.begin_floor = 99;
    let claim = world.claim_of(claiming).await.unwrap();
    assert!(!claim.fresh);
    assert_eq!(claim.claimed.epoch, 2);
    assert_eq!(claim.claimed.progress, progress);
    assert_eq!(claim.stored_stream, Some(stream().created));
    assert_eq!(claim.reset, None);
}

#[tokio::test]
async fn nothing_of_an_old_epoch_is_written_any_more() {
    let world = World::new().await;
    let old = world.own().await;
    let new = world.own().await;
    assert_eq!(world.put(&old, vec![row(1, Origin::Stream, done())]).await, CommitReply::Lost);
    assert!(matches!(world.release(&old).await, Err(Error::Lost { shard: 0, .. })));
    assert!(matches!(world.mark_alone(&old, 1).await, Err(Error::Lost { .. })));
    assert!(matches!(world.reset_progress(&old, &stream(), "why").await, Err(Error::Lost { .. })));
    assert_eq!(world.count("select count(*) from ledger").await, 0);
    world.put_done(&new, vec![row(1, Origin::Stream, done())]).await;
    let again = world.put(&old, vec![row(1, Origin::Stream, done())]).await;
    assert_eq!(again, CommitReply::Lost, "that the ledger has it by now is nothing to an old owner");
}

#[tokio::test]
async fn a_commit_for_what_nobody_claimed_is_lost() {
    let world = World::new().await;
    let owner = Owner::live("nobody", 0, 1);
    assert_eq!(world.put(&owner, vec![row(1, Origin::Stream, done())]).await, CommitReply::Lost);
    let mine = world.own().await;
    let other_shard = Owner { shard: 1, ..mine.clone() };
    assert_eq!(world.put(&other_shard, vec![row(1, Origin::Stream, done())]).await, CommitReply::Lost);
    let other_run = Owner { run: "replay".into(), ..mine };
    assert_eq!(world.put(&other_run, vec![row(1, Origin::Stream, done())]).await, CommitReply::Lost);
}

#[tokio::test]
async fn shards_handlers_and_runs_do_not_know_each_other() {
    let world = World::new().await;
    let live = world.own().await;
    let mut replay = claiming("process-1", 0);
    replay.run = "replay";
    let claim = world.claim_of(replay.clone()).await.unwrap();
    assert!(claim.fresh);
    let replay = claim.owner(&replay);
    let mut other = claiming("process-1", 0);
    other.handler = "other";
    let claim = world.claim_of(other.clone()).await.unwrap();
    assert!(claim.fresh);
    for owner in [live, replay, claim.owner(&other)] {
        world.put_done(&owner, vec![row(1, Origin::Stream, done())]).await;
    }
    assert_eq!(world.count("select count(*) from ledger").await, 3);
}

#[tokio::test]
async fn a_claim_tells_of_parked_lanes_and_held_ones() {
    let world = World::new().await;
    let owner = world.own().await;
    let mut batch =
        commit(&owner, progress(3), vec![row(1, Origin::Stream, parked(1)), row(2, Origin::Stream, parked(0))]);
    batch.lanes = waiting(77);
    batch.lanes.push(LaneChange::Held { key: "stuck".into() });
    batch.lanes.push(LaneChange::Waiting { key: "brief".into(), due: 1 });
    batch.lanes.push(LaneChange::Gone { key: "brief".into() });
    assert_eq!(world.commit(&owner, batch).await, CommitReply::Done);
    let lanes = world.claim().await.claimed.lanes;
    let told: Vec<_> = lanes.iter().map(|lane| (&*lane.key, lane.events, lane.due, lane.held)).collect();
    assert_eq!(told, [("room", 2, 77, false), ("stuck", 0, 0, true)]);
}

#[tokio::test]
async fn a_lane_leaves_the_store_with_its_last_event() {
    let world = World::new().await;
    let owner = world.own().await;
    let mut batch = commit(&owner, progress(1), vec![row(1, Origin::Stream, parked(1))]);
    batch.lanes = waiting(77);
    assert_eq!(world.commit(&owner, batch).await, CommitReply::Done);
    let mut batch = commit(&owner, progress(1), vec![row(1, Origin::Parked, done())]);
    batch.lanes = vec![LaneChange::Gone { key: "room".into() }];
    assert_eq!(world.commit(&owner, batch).await, CommitReply::Done);
    assert!(world.claim().await.claimed.lanes.is_empty());
    assert!(world.load(HANDLER, LIVE, 0, "room", 0, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_claim_tells_of_the_attempts_of_events_that_are_neither_settled_nor_parked() {
    let world = World::new().await;
    let owner = world.own().await;
    let rows = (3..=6).map(|seq| row(seq, Origin::Stream, failed(1))).collect();
    assert_eq!(world.commit(&owner, commit(&owner, progress(2), rows)).await, CommitReply::Done);
    // Of these, 3 fails once more, 4 is handled, 5 is parked, and 6 is settled without a word, as duplicates are.
    let rows = vec![
        row(3, Origin::Stream, failed(2)),
        row(4, Origin::Stream, lanes_done(2)),
        row(5, Origin::Stream, parked(1)),
    ];
    let after = Progress { floor: 2, ranges: vec![(4, 6)], ..Progress::default() };
    assert_eq!(world.commit(&owner, commit(&owner, after, rows)).await, CommitReply::Done);
    assert_eq!(world.claim().await.claimed.attempts, [(3, attempts(2))]);
    assert_eq!(world.count("select count(*) from retrying").await, 1);
    assert_eq!(world.count("select count(*) from attempts").await, 5);
}

fn lanes_done(attempt: u32) -> lanes::Change<std::sync::Arc<store::Report>> {
    lanes::Change::Settled { state: lanes::Settled::Done, attempt, report: None }
}

#[tokio::test]
async fn a_released_shard_is_clean_and_claimed_again_with_the_next_epoch() {
    let world = World::new().await;
    let owner = world.own().await;
    world.mark(&owner, &[1, 2]).written().await;
    world.mark_alone(&owner, 2).await.unwrap();
    world.release(&owner).await.unwrap();
    assert!(world.books().await.unwrap()[0].clean);
    let world = world.restart().await;
    let claim = world.claim_as("process-2", 0).await;
    assert_eq!(claim.claimed.epoch, 2);
    assert!(claim.claimed.suspects.is_empty());
    assert!(!world.books().await.unwrap()[0].clean);
    assert_eq!(owner_of(&claim.claimed).epoch, 2);
}

#[tokio::test]
async fn a_progress_that_cannot_be_understood_is_refused_in_words_and_hurts_no_other() {
    let world = World::new().await;
    world.own().await;
    world.execute("update progress set ranges = 'x'").await;
    world.live_as("b").await;
    let (broken, other) = tokio::join!(world.store.claim(claiming("b", 0)), world.store.claim(claiming("b", 1)));
    let error = broken.unwrap_err();
    assert!(matches!(error, Error::Invalid { what: "ranges", .. }), "{error:?}");
    assert_eq!(error.to_string(), "cannot claim a shard: the store holds ranges that cannot be understood");
    assert!(other.unwrap().fresh);
}

#[tokio::test]
async fn every_call_can_be_spawned() {
    let world = World::new().await;
    let store = world.store.clone();
    tokio::spawn(async move {
        store.look_up(HANDLER, store::LIVE, &[]).await.unwrap();
        store.load(HANDLER, store::LIVE, 0, "room", 0, 1).await.unwrap();
        store.dead_list(&store::DeadFilter::default()).await.unwrap();
        store.dead_get(HANDLER, "EV_1").await.unwrap();
        store.dead_event(HANDLER, "EV_1").await.unwrap();
        store.outbox_waiting(0, 1).await.unwrap();
        store.counts().await.unwrap();
        store.outcomes(&[]).await.unwrap();
        store.beat(&super::world::member("process-1")).await.unwrap();
        let owner = owner_of(&store.claim(claiming("process-1", 0)).await.unwrap().claimed);
        store.mark(&owner, &[1]).written().await;
        store.mark_alone(&owner, 1).await.unwrap();
        store.commit(&owner, commit(&owner, progress(1), vec![row(1, Origin::Stream, done())])).await;
        store.outbox_sending(&[], 1).await.unwrap();
        store.outbox_sent(&[]).await.unwrap();
        store.reset_progress(&owner, &stream(), "why").await.unwrap();
        store.release(&owner).await.unwrap();
        store.leave("process-1").await.unwrap();
    })
    .await
    .unwrap();
}
