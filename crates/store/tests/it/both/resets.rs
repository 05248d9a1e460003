//! Streams that were wiped or restored under a handler.

use lanes::{BYGONE, Books, CommitReply, Known, LaneChange, Origin, Progress};
use store::{DeadFilter, LIVE, StreamIdentity};

use super::world::{
    HANDLER, World, claiming, commit, died, done, failed, identity, owner_of, parked, row, row_of, sent_back, stream,
};

/// Handled 1 and 2, parked 3 and 5, dead 4, failed once 8.
async fn used() -> World {
    let world = World::new().await;
    let owner = world.own().await;
    let progress = Progress {
        floor: 5,
        ranges: vec![(7, 7)],
        books: Books { done: 2, filtered: 1, parked: 2, dead: 1, ..Books::default() },
        anchor: Some((5, "EV_5".into())),
    };
    let mut batch = commit(
        &owner,
        progress,
        vec![
            row(1, Origin::Stream, done()),
            row(2, Origin::Stream, done()),
            row(3, Origin::Stream, parked(1)),
            row(4, Origin::Stream, died(1)),
            row(5, Origin::Stream, parked(0)),
            row(8, Origin::Stream, failed(1)),
        ],
    );
    batch.lanes = vec![LaneChange::Waiting { key: "room".into(), due: 0 }];
    assert_eq!(world.commit(&owner, batch).await, CommitReply::Done);
    assert_eq!(world.books().await.unwrap()[0].unaccounted(), 0);
    world
}

fn anew() -> StreamIdentity {
    StreamIdentity { created: "2026-02-02T00:00:00Z".into(), first_seq: 1, last_seq: 3 }
}

#[tokio::test]
async fn a_stream_that_was_made_anew_is_read_from_its_beginning() {
    let world = used().await.restart().await;
    let mut again = claiming("process-2", 0);
    again.stream = anew();
    let claim = world.claim_of(again).await.unwrap();
    let words = claim.reset.clone().unwrap();
    assert!(words.contains("2026-02-02T00:00:00Z") && words.contains(&stream().created), "{words}");
    assert_eq!(claim.stored_stream, Some(stream().created));
    let progress = &claim.claimed.progress;
    assert_eq!((progress.floor, progress.ranges.as_slice(), &progress.anchor), (0, [].as_slice(), &None));
    assert!(claim.claimed.attempts.is_empty());
    assert_eq!(claim.claimed.lanes[0].events, 2);
    // The next claim of the same stream changes nothing.
    let mut again = claiming("process-3", 0);
    again.stream = anew();
    let next = world.claim_of(again).await.unwrap();
    assert_eq!((next.reset, next.stored_stream), (None, Some(anew().created)));
    assert_eq!(next.claimed.progress, claim.claimed.progress);
}

#[tokio::test]
async fn a_stream_that_ends_below_the_floor_is_read_from_its_beginning() {
    let world = used().await.restart().await;
    let mut again = claiming("process-2", 0);
    again.stream = StreamIdentity { first_seq: 3, last_seq: 4, ..stream() };
    let claim = world.claim_of(again).await.unwrap();
    let words = claim.reset.unwrap();
    assert!(words.contains("ends at sequence 4") && words.contains("up to 5"), "{words}");
    assert_eq!(claim.claimed.progress.floor, 2);
}

#[tokio::test]
async fn an_owner_can_ask_for_a_reset_and_is_told_the_shard_anew() {
    let world = used().await;
    let owner = owner_of(&world.claim().await.claimed);
    let claimed = world.reset_progress(&owner, &anew(), "the message at the floor is another one").await.unwrap();
    assert_eq!((claimed.epoch, claimed.progress.floor), (owner.epoch, 0));
    assert_eq!(claimed.lanes.len(), 1);
    let mut again = claiming("process-3", 0);
    again.stream = anew();
    assert_eq!(world.claim_of(again).await.unwrap().reset, None);
}

#[tokio::test]
async fn after_a_reset_the_books_still_balance() {
    let world = used().await;
    let owner = owner_of(&world.claim().await.claimed);
    let claimed = world.reset_progress(&owner, &anew(), "why").await.unwrap();
    assert_eq!(world.books().await.unwrap()[0].unaccounted(), 0);
    // Two of the new stream are handled, and a parked one of before.
    let mut after = claimed.progress;
    after.floor = 2;
    after.books.done += 3;
    after.books.parked -= 1;
    let old = &world.load(HANDLER, LIVE, 0, "room", BYGONE, 1).await.unwrap()[0];
    let rows = vec![
        row_of(1, "EV_new_1", Origin::Stream, done()),
        row_of(2, "EV_new_2", Origin::Stream, done()),
        row_of(old.seq, "EV_3", Origin::Parked, done()),
    ];
    assert_eq!(world.commit(&owner, commit(&owner, after, rows)).await, CommitReply::Done);
    let books = &world.books().await.unwrap()[0];
    assert_eq!((books.unaccounted(), books.carried), (0, 6));
}

#[tokio::test]
async fn what_was_handled_before_a_reset_is_known_after_it() {
    let world = used().await;
    let owner = owner_of(&world.claim().await.claimed);
    world.reset_progress(&owner, &anew(), "why").await.unwrap();
    let known = world.look_up(HANDLER, LIVE, &[(6, identity("EV_1")), (7, identity("EV_8"))]).await.unwrap();
    assert_eq!(known, [Known { asked: 6, seq: 1 }]);
}

#[tokio::test]
async fn what_waits_or_is_dead_keeps_its_order_and_meets_no_new_sequence() {
    let world = used().await;
    let owner = owner_of(&world.claim().await.claimed);
    world.reset_progress(&owner, &anew(), "why").await.unwrap();
    // New events with the old sequences.
    let rows = vec![row_of(3, "EV_new_3", Origin::Stream, parked(0)), row_of(4, "EV_new_4", Origin::Stream, died(1))];
    assert_eq!(world.put(&owner, rows).await, CommitReply::Done);
    let owner = owner_of(&world.claim().await.claimed);
    world.reset_progress(&owner, &anew(), "and again").await.unwrap();
    let waits = world.load(HANDLER, LIVE, 0, "room", BYGONE, 9).await.unwrap();
    let ids: Vec<_> = waits.iter().map(|stored| &*stored.identity.id).collect();
    assert_eq!(ids, ["EV_3", "EV_5", "EV_new_3"]);
    assert!(waits.iter().all(|stored| stored.seq >= BYGONE));
    let mut dead = world.dead_list(&DeadFilter::default()).await.unwrap();
    dead.sort_by_key(|letter| letter.seq);
    let ids: Vec<_> = dead.iter().map(|letter| letter.event_id.as_str()).collect();
    assert_eq!(ids, ["EV_4", "EV_new_4"]);
    let found = world.dead_event(HANDLER, "EV_4").await.unwrap().unwrap();
    assert_eq!(found.seq, dead[0].seq);
    world.put_done(&owner, vec![row_of(found.seq, "EV_4", Origin::Dead, sent_back(1))]).await;
    world.put_done(&owner, vec![row_of(found.seq, "EV_4", Origin::Parked, done())]).await;
}

#[tokio::test]
async fn what_a_gone_stream_left_of_a_room_stands_before_what_the_new_one_brings() {
    let world = used().await;
    let owner = owner_of(&world.claim().await.claimed);
    world.reset_progress(&owner, &anew(), "why").await.unwrap();
    let rows = vec![row_of(1, "EV_new_1", Origin::Stream, parked(0)), row_of(2, "EV_new_2", Origin::Stream, parked(0))];
    assert_eq!(world.put(&owner, rows).await, CommitReply::Done);
    let waits = world.load(HANDLER, LIVE, 0, "room", BYGONE, 9).await.unwrap();
    let ids: Vec<_> = waits.iter().map(|stored| &*stored.identity.id).collect();
    assert_eq!(ids, ["EV_3", "EV_5", "EV_new_1", "EV_new_2"]);
    let rest = world.load(HANDLER, LIVE, 0, "room", waits[0].seq + 1, 9).await.unwrap();
    assert_eq!(rest.len(), 3, "a read may begin among them");
}
