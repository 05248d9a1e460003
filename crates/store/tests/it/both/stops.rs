//! When nothing was tried of a handler.

use store::{LIVE, Stop};

use super::world::{HANDLER, World};

#[tokio::test]
async fn a_breakers_time_grows_and_is_kept() {
    let world = World::new().await;
    assert_eq!(world.stops(HANDLER, LIVE).await.unwrap(), []);
    for (from, until) in [(100, 200), (100, 400), (100, 300), (500, 600)] {
        world.stop(HANDLER, LIVE, Stop::Between(now() + from, now() + until)).await.unwrap();
    }
    let world = world.restart().await;
    let kept: Vec<_> = world.stops(HANDLER, LIVE).await.unwrap();
    let lengths: Vec<_> = kept.iter().map(|(from, until)| until.unwrap() - from).collect();
    assert_eq!(lengths, [300, 100]);
    assert_eq!(world.stops("another", LIVE).await.unwrap(), []);
}

#[tokio::test]
async fn a_pause_lasts_until_it_is_ended_and_begins_once() {
    let world = World::new().await;
    world.stop(HANDLER, LIVE, Stop::Pause(now() + 1)).await.unwrap();
    world.stop(HANDLER, LIVE, Stop::Pause(now() + 5)).await.unwrap();
    let world = world.restart().await;
    assert_eq!(world.stops(HANDLER, LIVE).await.unwrap(), [(now() + 1, None)]);
    world.stop(HANDLER, LIVE, Stop::Resume(now() + 9)).await.unwrap();
    world.stop(HANDLER, LIVE, Stop::Resume(now() + 99)).await.unwrap();
    assert_eq!(world.stops(HANDLER, LIVE).await.unwrap(), [(now() + 1, Some(now() + 9))]);
    world.stop(HANDLER, LIVE, Stop::Pause(now() + 20)).await.unwrap();
    assert_eq!(world.stops(HANDLER, LIVE).await.unwrap().len(), 2);
}

#[tokio::test]
async fn what_is_long_over_is_forgotten() {
    let world = World::new().await;
    world.stop(HANDLER, LIVE, Stop::Between(1, 2)).await.unwrap();
    assert_eq!(world.stops(HANDLER, LIVE).await.unwrap(), []);
}

/// A time that is near enough to be kept, and the same in each call.
fn now() -> u64 {
    use std::sync::LazyLock;
    static NOW: LazyLock<u64> = LazyLock::new(|| {
        let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        u64::try_from(time.as_millis()).unwrap()
    });
    *NOW
}
