//! Old entries leave the ledger, a step at a time; what somebody may still ask for stays.

use lanes::{Books, Known, Origin, Progress};
use store::{Aged, LIVE, LedgerPlace};

use super::world::{
    HANDLER, World, claiming, commit, died, done, failed, identity, owner_of, parked, row, row_of, sent_back,
};

const HOUR: u64 = 3_600_000;

fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_millis().try_into().unwrap()
}

/// Walks over the whole ledger; how many entries went at each step.
async fn walk(world: &World, settled_before: u64, limit: u32) -> Vec<u64> {
    let (mut after, mut steps) = (LedgerPlace::default(), Vec::new());
    loop {
        let Aged { removed, next } = world.ledger_age(settled_before, after, limit).await.unwrap();
        let Some(next) = next else { return steps };
        steps.push(removed);
        after = next;
    }
}

async fn known(world: &World, seqs: &[u64]) -> Vec<u64> {
    let asked: Vec<_> = seqs.iter().map(|&seq| (seq, identity(&format!("EV_{seq}")))).collect();
    let mut known: Vec<u64> =
        world.look_up(HANDLER, LIVE, &asked).await.unwrap().iter().map(|known| known.asked).collect();
    known.sort_unstable();
    known
}

/// 1 and 2 are done, 3 is parked, 4 dead, 5 done; 7 is done above the floor; 8 has failed once.
async fn used() -> World {
    let world = World::new().await;
    let owner = world.own().await;
    let books = Books { done: 4, parked: 1, dead: 1, ..Books::default() };
    let progress = Progress { floor: 5, ranges: vec![(7, 7)], books, ..Progress::default() };
    let rows = vec![
        row(1, Origin::Stream, done()),
        row(2, Origin::Stream, failed(1)),
        row(2, Origin::Stream, done()),
        row(3, Origin::Stream, parked(1)),
        row(4, Origin::Stream, died(1)),
        row(5, Origin::Stream, done()),
        row(7, Origin::Stream, done()),
        row(8, Origin::Stream, failed(1)),
    ];
    // An event has one row in a commit.
    let (first, rows): (Vec<_>, Vec<_>) = rows.into_iter().enumerate().partition(|(at, _)| *at == 1);
    for rows in [first, rows] {
        let rows = rows.into_iter().map(|(_, row)| row).collect();
        let reply = world.commit(&owner, commit(&owner, progress.clone(), rows)).await;
        assert_eq!(reply, lanes::CommitReply::Done);
    }
    world
}

#[tokio::test]
async fn a_copy_within_the_time_is_known_and_after_it_the_entry_and_its_attempts_are_gone() {
    let world = used().await;
    assert_eq!(walk(&world, now() - HOUR, 100).await.iter().sum::<u64>(), 0);
    assert_eq!(known(&world, &[1, 2, 3, 4, 5, 7, 8]).await, [1, 2, 3, 4, 5, 7]);
    let attempts = world.count("select count(*) from attempts").await;
    assert_eq!(walk(&world, now() + HOUR, 100).await.iter().sum::<u64>(), 3);
    // Who waits, is dead or lies above the floor is known as long as that is so.
    assert_eq!(known(&world, &[1, 2, 3, 4, 5, 7, 8]).await, [3, 4, 7]);
    let of_others = "select count(*) from attempts where event_id in ('EV_4', 'EV_8')";
    assert_eq!(world.count("select count(*) from attempts where event_id = 'EV_2'").await, 0);
    assert!(world.count(of_others).await >= 1);
    assert_eq!(world.count("select count(*) from attempts").await, attempts - 1);
    // The books stay as they are: they count, and do not look.
    assert_eq!(world.books().await.unwrap()[0].unaccounted(), 0);
}

#[tokio::test]
async fn what_was_dead_or_above_the_floor_goes_once_it_is_settled_below_it() {
    let world = used().await;
    let owner = owner_of(&world.claim().await.claimed);
    let deaths = "select count(*) from dead";
    walk(&world, now() + HOUR, 100).await;
    assert_eq!(world.count(deaths).await, 1, "it is dead now");
    world.put_done(&owner, vec![row(4, Origin::Dead, sent_back(1))]).await;
    walk(&world, now() + HOUR, 100).await;
    assert_eq!(world.count(deaths).await, 1, "what became of it is not known yet");
    world.put_done(&owner, vec![row(4, Origin::Parked, done()), row(9, Origin::Stream, done())]).await;
    walk(&world, now() - HOUR, 100).await;
    assert_eq!(world.count(deaths).await, 1, "it is not old");
    walk(&world, now() + HOUR, 100).await;
    assert_eq!(known(&world, &[1, 2, 3, 4, 5, 7, 9]).await, [3]);
    assert_eq!(world.count(deaths).await, 0);
}

#[tokio::test]
async fn a_step_looks_at_few_entries_and_a_walk_at_all_of_every_handler() {
    let world = World::new().await;
    let owner = world.own().await;
    let rows = |count: u64| (1..=count).map(|seq| row(seq, Origin::Stream, done())).collect();
    world.put_done(&owner, rows(10)).await;
    let other = world.claim_of(store::Claiming { handler: "audit", ..claiming("process-1", 0) }).await.unwrap();
    let other = store::Owner::live("audit", 0, other.claimed.epoch);
    world.put_done(&other, rows(5)).await;
    let steps = walk(&world, now() + HOUR, 4).await;
    assert!(steps.iter().all(|&removed| removed <= 4), "{steps:?}");
    assert_eq!(steps.iter().sum::<u64>(), 15);
    assert_eq!(world.count("select count(*) from ledger").await, 0);
    assert_eq!(walk(&world, now() + HOUR, 4).await, [0_u64; 0]);
}

#[tokio::test]
async fn the_ledger_stays_bounded_while_events_go_on() {
    let world = World::new().await;
    let owner = world.own().await;
    for round in 0..10_u64 {
        let row = |seq: u64| row_of(seq, &format!("EV_{seq}"), Origin::Stream, done());
        world.put_done(&owner, (round * 50 + 1..=round * 50 + 50).map(row).collect()).await;
        walk(&world, now() + HOUR, 20).await;
        assert_eq!(world.count("select count(*) from ledger").await, 0);
    }
    // An event that comes again after all that time is a new one.
    let asked = [(501, identity("EV_1"))];
    assert_eq!(world.look_up(HANDLER, LIVE, &asked).await.unwrap(), [] as [Known; 0]);
    world.put_done(&owner, vec![row_of(501, "EV_1", Origin::Stream, done())]).await;
    assert_eq!(world.look_up(HANDLER, LIVE, &asked).await.unwrap(), [Known { asked: 501, seq: 501 }]);
}
