//! Another name for a handler, and what is left of one that was dropped.

use store::{Claiming, Dropped, LIVE, Owner, Renamed, Stop};

use super::world::{HANDLER, World, claiming};

/// Claims a shard and gives it back; the epoch in which that was.
async fn epoch(world: &World, handler: &str) -> u64 {
    let claim = world.claim_of(Claiming { handler, ..claiming("process-1", 3) }).await.unwrap();
    let epoch = claim.claimed.epoch;
    world.release(&Owner::live(handler, 3, epoch)).await.unwrap();
    epoch
}

async fn names(world: &World) -> Vec<String> {
    world.books().await.unwrap().into_iter().map(|row| row.handler).collect()
}

#[tokio::test]
async fn a_new_name_has_the_progress_of_the_old_one_which_is_free_again() {
    let world = World::new().await;
    assert_eq!(world.rename_handler("nobody", "else").await.unwrap(), Renamed::Nothing);
    assert_eq!(epoch(&world, HANDLER).await, 1);
    // A name without progress stands in nobody's way.
    world.stop("fresh", LIVE, Stop::Pause(5)).await.unwrap();
    assert_eq!(world.rename_handler(HANDLER, "fresh").await.unwrap(), Renamed::Done);
    assert_eq!(world.rename_handler(HANDLER, "fresh").await.unwrap(), Renamed::Nothing);
    assert_eq!(names(&world).await, ["fresh"]);
    assert_eq!(world.stops("fresh", LIVE).await.unwrap(), []);
    assert_eq!((epoch(&world, "fresh").await, epoch(&world, HANDLER).await), (2, 1));
    assert_eq!(world.rename_handler(HANDLER, "fresh").await.unwrap(), Renamed::Both);
    assert_eq!(names(&world).await, [HANDLER, "fresh"]);
}

#[tokio::test]
async fn of_a_dropped_handler_nothing_is_left_and_of_others_everything() {
    let world = World::new().await;
    assert_eq!(world.drop_handler(HANDLER).await.unwrap(), Dropped::Unknown);
    epoch(&world, HANDLER).await;
    epoch(&world, "other").await;
    assert_eq!(world.drop_handler(HANDLER).await.unwrap(), Dropped::Done);
    // Every runner of a fleet is told, and one of them answers.
    assert_eq!(world.drop_handler(HANDLER).await.unwrap(), Dropped::Done);
    assert_eq!(names(&world).await, ["other"]);
    assert_eq!((epoch(&world, HANDLER).await, epoch(&world, "other").await), (1, 2));
}
