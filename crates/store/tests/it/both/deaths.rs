//! Processes that die while events run, and at whose door that is laid.

use lanes::{Origin, Progress, Suspect};
use store::Owner;

use super::world::{HANDLER, World, commit, done, failed, owner_of, parked, progress, row};

fn suspect(seq: u64, deaths: u32, lone_deaths: u32) -> Suspect {
    Suspect { seq, deaths, lone_deaths }
}

#[tokio::test]
async fn what_was_in_flight_is_suspect_after_a_death_and_what_is_settled_is_not() {
    let world = World::new().await;
    let owner = world.own().await;
    world.mark(&owner, &[1, 2, 3]).written().await;
    world.mark(&owner, &[2, 3, 4, 9]).written().await;
    let after = Progress { floor: 2, ranges: vec![(9, 9)], ..Progress::default() };
    let rows = vec![row(2, Origin::Stream, done())];
    assert_eq!(world.commit(&owner, commit(&owner, after, rows)).await, lanes::CommitReply::Done);
    let world = world.restart().await;
    let claim = world.claim_as("process-2", 0).await;
    assert_eq!(claim.claimed.suspects, [suspect(3, 1, 0), suspect(4, 1, 0)]);
}

#[tokio::test]
async fn deaths_add_up_and_a_death_is_counted_once() {
    let mut world = World::new().await;
    for (deaths, claimer) in [(0, "a"), (1, "b"), (2, "c")] {
        let claim = world.claim_as(claimer, 0).await;
        let expected = if deaths == 0 { vec![] } else { vec![suspect(5, deaths, 0)] };
        assert_eq!(claim.claimed.suspects, expected);
        world.mark(&owner_of(&claim.claimed), &[5]).written().await;
        world = world.restart().await;
    }
    // Claimed without anything in flight: the suspects stay, and no death is added.
    assert_eq!(world.claim_as("d", 0).await.claimed.suspects, [suspect(5, 3, 0)]);
    let world = world.restart().await;
    assert_eq!(world.claim_as("e", 0).await.claimed.suspects, [suspect(5, 3, 0)]);
}

#[tokio::test]
async fn a_death_in_a_lone_run_is_that_event_s_alone_in_the_whole_process() {
    let world = World::new().await;
    let (first, second) = (world.claim_as("a", 0).await, world.claim_as("a", 1).await);
    world.mark(&owner_of(&second.claimed), &[7, 8]).written().await;
    world.mark(&owner_of(&first.claimed), &[3, 4]).written().await;
    world.mark_alone(&owner_of(&first.claimed), 3).await.unwrap();
    // Waits for the lone run to end, but is marked already.
    world.mark(&owner_of(&second.claimed), &[7, 8, 9]).written().await;
    let world = world.restart().await;
    assert_eq!(world.claim_as("b", 1).await.claimed.suspects, []);
    assert_eq!(world.claim_as("b", 0).await.claimed.suspects, [suspect(3, 1, 1)]);
}

#[tokio::test]
async fn a_lone_run_is_over_with_the_next_mark_of_its_shard() {
    let world = World::new().await;
    let owner = world.own().await;
    world.mark_alone(&owner, 3).await.unwrap();
    world.mark(&owner, &[3, 4]).written().await;
    let world = world.restart().await;
    assert_eq!(world.claim_as("b", 0).await.claimed.suspects, [suspect(3, 1, 0), suspect(4, 1, 0)]);
}

#[tokio::test]
async fn a_lone_run_is_over_with_a_commit_of_its_event() {
    let world = World::new().await;
    let owner = world.own().await;
    world.mark_alone(&owner, 3).await.unwrap();
    let rows = vec![row(3, Origin::Stream, failed(1))];
    assert_eq!(world.commit(&owner, commit(&owner, progress(2), rows)).await, lanes::CommitReply::Done);
    let world = world.restart().await;
    assert_eq!(world.claim_as("b", 0).await.claimed.suspects, []);
}

#[tokio::test]
async fn a_lone_run_that_went_well_is_over_with_its_commit() {
    let world = World::new().await;
    let (first, second) = (world.claim_as("a", 0).await, world.claim_as("a", 1).await);
    world.mark(&owner_of(&second.claimed), &[7]).written().await;
    world.mark_alone(&owner_of(&first.claimed), 3).await.unwrap();
    world.put_done(&owner_of(&first.claimed), vec![row(3, Origin::Stream, done())]).await;
    // Were it not over, this death would be laid at its door, and not at that of what runs.
    let world = world.restart().await;
    assert_eq!(world.claim_as("b", 1).await.claimed.suspects, [suspect(7, 1, 0)]);
    assert_eq!(world.claim_as("b", 0).await.claimed.suspects, []);
}

#[tokio::test]
async fn a_lone_run_goes_on_through_the_commit_of_another_event() {
    let world = World::new().await;
    let owner = world.own().await;
    world.mark_alone(&owner, 3).await.unwrap();
    world.put_done(&owner, vec![row(2, Origin::Stream, done())]).await;
    let world = world.restart().await;
    assert_eq!(world.claim_as("b", 0).await.claimed.suspects, [suspect(3, 1, 1)]);
}

#[tokio::test]
async fn whoever_waits_for_a_mark_need_not_wait_for_those_before_it() {
    let world = World::new().await;
    let (first, second) = (world.claim_as("a", 0).await, world.claim_as("a", 1).await);
    for number in 1..20 {
        drop(world.mark(&owner_of(&first.claimed), &[number, number + 1]));
    }
    world.mark(&owner_of(&second.claimed), &[7]).written().await;
    let world = world.restart().await;
    assert_eq!(world.claim_as("b", 0).await.claimed.suspects, [suspect(19, 1, 0), suspect(20, 1, 0)]);
    assert_eq!(world.claim_as("b", 1).await.claimed.suspects, [suspect(7, 1, 0)]);
}

#[tokio::test]
async fn an_event_that_is_settled_is_no_suspect_any_more() {
    let world = World::new().await;
    let owner = world.own().await;
    world.mark(&owner, &[3, 4]).written().await;
    let world = world.restart().await;
    let owner = owner_of(&world.claim_as("b", 0).await.claimed);
    assert_eq!(world.count("select count(*) from suspects").await, 2);
    world.put_done(&owner, vec![row(3, Origin::Stream, done())]).await;
    assert_eq!(world.count("select count(*) from suspects").await, 1);
}

#[tokio::test]
async fn an_attempt_that_ends_clears_the_suspicion() {
    let world = World::new().await;
    let owner = world.own().await;
    world.mark(&owner, &[3, 4]).written().await;
    let world = world.restart().await;
    let owner = owner_of(&world.claim_as("b", 0).await.claimed);
    let rows = vec![row(3, Origin::Stream, failed(1))];
    assert_eq!(world.commit(&owner, commit(&owner, progress(2), rows)).await, lanes::CommitReply::Done);
    let world = world.restart().await;
    assert_eq!(world.claim_as("c", 0).await.claimed.suspects, [suspect(4, 1, 0)]);
}

#[tokio::test]
async fn an_event_that_is_parked_without_having_run_stays_suspect() {
    let world = World::new().await;
    let owner = world.own().await;
    world.mark_alone(&owner, 3).await.unwrap();
    let world = world.restart().await;
    let owner = owner_of(&world.claim_as("b", 0).await.claimed);
    world.mark_alone(&owner, 3).await.unwrap();
    world.put_done(&owner, vec![row(3, Origin::Stream, parked(0))]).await;
    let world = world.restart().await;
    assert_eq!(world.claim_as("c", 0).await.claimed.suspects, [suspect(3, 2, 2)]);
}

#[tokio::test]
async fn a_parked_event_that_runs_is_suspect_though_the_floor_has_passed_it() {
    let world = World::new().await;
    let owner = world.own().await;
    let rows = vec![row(1, Origin::Stream, parked(1)), row(2, Origin::Stream, done())];
    world.put_done(&owner, rows).await;
    world.mark(&owner, &[1, 2]).written().await;
    let world = world.restart().await;
    assert_eq!(world.claim_as("b", 0).await.claimed.suspects, [suspect(1, 1, 0)]);
}

#[tokio::test]
async fn a_takeover_inside_one_process_leaves_its_other_shards_alone() {
    let world = World::new().await;
    let (first, second) = (world.claim_as("a", 0).await, world.claim_as("a", 1).await);
    world.mark(&owner_of(&first.claimed), &[1]).written().await;
    world.mark(&owner_of(&second.claimed), &[2]).written().await;
    assert_eq!(world.claim_as("a", 0).await.claimed.suspects, [suspect(1, 1, 0)]);
    assert_eq!(world.count("select count(*) from suspects").await, 1);
}

#[tokio::test]
async fn a_mark_of_an_old_epoch_says_nothing() {
    let world = World::new().await;
    let old = world.own().await;
    let new = world.own().await;
    // The old owner's last mark comes late.
    world.mark(&new, &[4]).written().await;
    world.mark(&old, &[1]).written().await;
    let world = world.restart().await;
    assert_eq!(world.claim_as("b", 0).await.claimed.suspects, [suspect(4, 1, 0)]);
    assert_eq!(old, Owner::live(HANDLER, 0, 1));
}
