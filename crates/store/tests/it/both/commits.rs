//! Commits: all of it or nothing, and which rows a refusal names.

use std::sync::Arc;

use lanes::{CommitReply, Conflict, ConflictKind, Identity, Known, LaneChange, Origin, Settled};
use store::{Error, LIVE, Row};

use super::world::{
    HANDLER, World, attempts, commit, died, done, done_with, effect, event, failed, identity, parked, progress, report,
    row, row_of, waiting,
};

fn refused(conflicts: &[(u64, ConflictKind)]) -> CommitReply {
    CommitReply::Refused(conflicts.iter().map(|&(seq, kind)| Conflict { seq, kind }).collect())
}

/// Everything a commit can write but the numbers of plugins, so that a test can see that nothing of one was.
async fn rows_in_all(world: &World) -> i64 {
    world
        .count(
            "select (select count(*) from ledger) + (select count(*) from parked) + (select count(*) from lanes)
                + (select count(*) from retrying) + (select count(*) from attempts) + (select count(*) from dead)
                + (select count(*) from outbox) + (select sum(floor) from progress)",
        )
        .await
}

#[tokio::test]
async fn the_ledger_knows_what_was_settled_under_whatever_sequence() {
    let world = World::new().await;
    let owner = world.own().await;
    let rows = vec![row(1, Origin::Stream, done()), row(2, Origin::Stream, parked(0)), row(3, Origin::Stream, died(1))];
    world.put_done(&owner, rows).await;
    let other_time = Identity { created: 0, ..identity("EV_1") };
    let other_project = Identity { project: "eu".into(), ..identity("EV_1") };
    let asked = [
        (1, identity("EV_1")),
        (12, identity("EV_2")),
        (13, identity("EV_3")),
        (14, identity("EV_4")),
        (15, other_time),
        (16, other_project),
    ];
    let mut known = world.look_up(HANDLER, LIVE, &asked).await.unwrap();
    known.sort_by_key(|known| known.asked);
    let expected = [(1, 1), (12, 2), (13, 3)].map(|(asked, seq)| Known { asked, seq });
    assert_eq!(known, expected);
    assert!(world.look_up("nobody", LIVE, &asked).await.unwrap().is_empty());
    assert!(world.look_up(HANDLER, "replay", &asked).await.unwrap().is_empty());
    assert!(world.look_up(HANDLER, LIVE, &[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_refused_commit_leaves_nothing() {
    let world = World::new().await;
    let owner = world.own().await;
    world.put_done(&owner, vec![row(1, Origin::Stream, done())]).await;
    let before = rows_in_all(&world).await;
    let mut batch = commit(
        &owner,
        progress(9),
        vec![
            row(2, Origin::Stream, done_with(vec![effect("a", "x")])),
            row(3, Origin::Stream, died(1)),
            row(4, Origin::Stream, parked(1)),
            row(5, Origin::Stream, failed(1)),
            row_of(6, "EV_1", Origin::Stream, done_with(vec![effect("a", "y")])),
        ],
    );
    batch.lanes = waiting(7);
    let reply = world.commit(&owner, batch).await;
    assert_eq!(reply, refused(&[(6, ConflictKind::Duplicate { of: 1 })]));
    assert_eq!(rows_in_all(&world).await, before);
}

#[tokio::test]
async fn the_rest_of_a_refused_commit_can_be_sent_again() {
    let world = World::new().await;
    let owner = world.own().await;
    world.put_done(&owner, vec![row(1, Origin::Stream, done()), row(2, Origin::Stream, done())]).await;
    let again = vec![
        row(1, Origin::Stream, done()),
        row_of(5, "EV_2", Origin::Stream, died(1)),
        row(6, Origin::Stream, died(1)),
        row_of(7, "EV_6", Origin::Stream, done()),
    ];
    let reply = world.put(&owner, again).await;
    let expected = [
        (1, ConflictKind::AlreadyOurs),
        (5, ConflictKind::Duplicate { of: 2 }),
        (7, ConflictKind::Duplicate { of: 6 }),
    ];
    assert_eq!(reply, refused(&expected));
    world.put_done(&owner, vec![row(6, Origin::Stream, died(1))]).await;
    assert_eq!(world.dead_list(&store::DeadFilter::default()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_parked_event_that_was_settled_before_is_not_settled_again() {
    let world = World::new().await;
    let owner = world.own().await;
    world.put_done(&owner, vec![row(1, Origin::Stream, parked(0)), row(2, Origin::Stream, parked(0))]).await;
    let settle = || vec![row(1, Origin::Parked, done_with(vec![effect("a", "x")]))];
    world.put_done(&owner, settle()).await;
    let mut again = settle();
    again.push(row(2, Origin::Parked, done()));
    assert_eq!(world.put(&owner, again).await, refused(&[(1, ConflictKind::AlreadyOurs)]));
    assert_eq!(world.count("select count(*) from outbox").await, 1);
    assert_eq!(
        world.put(&owner, vec![row(1, Origin::Parked, failed(2))]).await,
        refused(&[(1, ConflictKind::AlreadyOurs)])
    );
    assert_eq!(
        world.put(&owner, vec![row(1, Origin::Dead, parked(0))]).await,
        refused(&[(1, ConflictKind::AlreadyOurs)])
    );
}

#[tokio::test]
async fn a_failed_attempt_may_be_written_twice() {
    let world = World::new().await;
    let owner = world.own().await;
    for _ in 0..2 {
        world.put_done(&owner, vec![row(1, Origin::Stream, failed(1))]).await;
    }
    assert_eq!(world.count("select count(*) from attempts").await, 1);
}

#[tokio::test]
async fn a_row_that_cannot_be_stored_is_named_and_its_neighbours_are_not() {
    let world = World::new().await;
    let owner = world.own().await;
    world.refuse_in_ledger("EV_2").await;
    let rows = || vec![row(1, Origin::Stream, done()), row(2, Origin::Stream, done()), row(3, Origin::Stream, died(1))];
    let before = rows_in_all(&world).await;
    assert_eq!(world.put(&owner, rows()).await, refused(&[(2, ConflictKind::Unstorable)]));
    assert_eq!(rows_in_all(&world).await, before);
    let mut rest = rows();
    rest.remove(1);
    world.put_done(&owner, rest).await;
}

#[tokio::test]
async fn a_store_that_cannot_write_says_so_and_recovers() {
    let world = World::new().await;
    let owner = world.own().await;
    // Another process that holds what a writer needs, longer than the store waits for it.
    let held = world.hold_writes().await;
    assert_eq!(world.put(&owner, vec![row(1, Origin::Stream, done())]).await, CommitReply::Unavailable);
    held.end().await;
    world.put_done(&owner, vec![row(1, Origin::Stream, done())]).await;
}

#[tokio::test]
async fn a_closed_store_takes_no_commit() {
    let world = World::new().await;
    let owner = world.own().await;
    world.store.close().await;
    assert_eq!(world.put(&owner, vec![row(1, Origin::Stream, done())]).await, CommitReply::Unavailable);
    assert!(matches!(world.release(&owner).await, Err(Error::Closed)));
}

#[tokio::test]
async fn parked_events_come_back_as_they_were_by_sequence() {
    let world = World::new().await;
    let owner = world.own().await;
    let rows = [9, 2, 5, 7].map(|seq| row(seq, Origin::Stream, parked(u32::try_from(seq).unwrap()))).to_vec();
    world.put_done(&owner, rows).await;
    let loaded = world.load(HANDLER, LIVE, 0, "room", 3, 2).await.unwrap();
    let told: Vec<_> = loaded.iter().map(|stored| (stored.seq, stored.attempts, stored.redriven)).collect();
    assert_eq!(told, [(5, attempts(5), false), (7, attempts(7), false)]);
    assert_eq!(*loaded[0].event, *event(5, "EV_5"));
    assert_eq!(loaded[0].identity, identity("EV_5"));
    assert_eq!(loaded[0].bytes, loaded[0].event.occupies());
    assert!(world.load(HANDLER, LIVE, 1, "room", 0, 9).await.unwrap().is_empty());
    assert!(world.load(HANDLER, LIVE, 0, "other", 0, 9).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_parked_event_that_fails_again_keeps_its_place_with_new_attempts() {
    let world = World::new().await;
    let owner = world.own().await;
    world.put_done(&owner, vec![row(1, Origin::Stream, parked(0)), row(2, Origin::Stream, parked(0))]).await;
    let with_report =
        lanes::Change::Parked { attempts: attempts(2), redriven: false, report: Some(Arc::new(report("retry"))) };
    world.put_done(&owner, vec![row(1, Origin::Parked, failed(1)), row(2, Origin::Parked, with_report)]).await;
    let loaded = world.load(HANDLER, LIVE, 0, "room", 0, 9).await.unwrap();
    let told: Vec<_> = loaded.iter().map(|stored| (stored.seq, stored.attempts)).collect();
    assert_eq!(told, [(1, attempts(1)), (2, attempts(2))]);
    assert_eq!(world.count("select count(*) from attempts").await, 2);
    assert!(world.claim().await.claimed.attempts.is_empty());
}

#[tokio::test]
async fn names_with_any_character_and_empty_bodies_are_kept() {
    let world = World::new().await;
    let owner = world.own().await;
    let strange = "EV \u{0}\"\\\n🦀'--";
    let mut event = store::Event::clone(&event(1, strange));
    event.body = bytes::Bytes::new();
    event.key = "room \u{0} \"x\"".into();
    let change = parked(1);
    let event = Arc::new(event);
    let row =
        Row { seq: 1, identity: identity(strange), key: "l\u{0}ane".into(), origin: Origin::Stream, change, event };
    world.put_done(&owner, vec![row.clone()]).await;
    let loaded = world.load(HANDLER, LIVE, 0, "l\u{0}ane", 0, 9).await.unwrap();
    assert_eq!(loaded[0].event, row.event);
    assert!(world.load(HANDLER, LIVE, 0, "l", 0, 9).await.unwrap().is_empty());
    assert_eq!(world.look_up(HANDLER, LIVE, &[(5, identity(strange)), (6, identity("EV "))]).await.unwrap().len(), 1);
    world.put_done(&owner, vec![Row { origin: Origin::Parked, change: done(), ..row }]).await;
    assert!(world.load(HANDLER, LIVE, 0, "l\u{0}ane", 0, 9).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_ledger_says_how_an_event_was_settled() {
    let world = World::new().await;
    let owner = world.own().await;
    let settled = |state, report| lanes::Change::Settled { state, attempt: 3, report };
    let rows = vec![
        row(1, Origin::Stream, settled(Settled::Done, Some(Arc::new(report("done"))))),
        row(2, Origin::Stream, settled(Settled::Skipped, Some(Arc::new(report("skipped"))))),
        row(3, Origin::Stream, settled(Settled::Filtered, None)),
        row(4, Origin::Stream, parked(1)),
        row(5, Origin::Stream, died(1)),
    ];
    world.put_done(&owner, rows).await;
    let rows = world.settled().await;
    let expected = [
        (1, 3, Some(250), None),
        (2, 3, Some(250), Some("skipped \"in words\"".to_owned())),
        (3, 3, None, None),
        (4, 1, None, None),
        (5, 1, Some(250), None),
    ];
    assert_eq!(rows, expected);
    assert_eq!(world.count("select count(*) from plugins").await, 1);
    let asked = ["EV_5", "EV_1", "EV_9", "EV_2", "EV_4", "EV_3"].map(str::to_owned);
    let told = world.outcomes(&asked).await.unwrap();
    let told: Vec<_> = told.iter().map(|row| (row.event_id.as_str(), row.handler.as_str(), row.state)).collect();
    let words = [("EV_1", "done"), ("EV_2", "skipped"), ("EV_3", "filtered"), ("EV_4", "parked"), ("EV_5", "dead")];
    assert_eq!(told, words.map(|(id, word)| (id, HANDLER, word)));
}

#[tokio::test]
async fn the_books_are_told_with_what_waits() {
    let world = World::new().await;
    let owner = world.own().await;
    let mut after = progress(4);
    after.ranges = vec![(6, 7), (9, 9)];
    after.books = lanes::Books { done: 3, skipped: 1, parked: 1, dead: 1, ..lanes::Books::default() };
    let mut batch = commit(
        &owner,
        after.clone(),
        vec![
            row(1, Origin::Stream, done_with(vec![effect("a", "x"), effect("a", "y")])),
            row(2, Origin::Stream, parked(1)),
            row(3, Origin::Stream, died(1)),
        ],
    );
    batch.lanes = vec![LaneChange::Held { key: "room".into() }];
    assert_eq!(world.commit(&owner, batch).await, CommitReply::Done);
    let books = &world.books().await.unwrap()[0];
    assert_eq!((books.handler.as_str(), books.run.as_str(), books.shard, books.epoch), (HANDLER, LIVE, 0, 1));
    assert_eq!(books.progress, after);
    assert_eq!(books.unaccounted(), 1);
    let counts = &world.counts().await.unwrap()[0];
    assert_eq!((counts.handler.as_str(), counts.parked, counts.dead, counts.outbox), (HANDLER, 1, 1, 3));
}
