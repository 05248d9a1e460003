//! A runner stops, dies, or sleeps: another one goes on with its shards.

use anyhow::Result;
use rustix::process::Signal;

use super::{Fleet, SHARDS, busy, rooms, wait_spread};
use crate::rig::LONG;

/// What a runner says when it finds another one dead.
const DEAD: &str = "has not told that it lives";

#[tokio::test]
async fn a_clean_stop_hands_over_at_once_what_was_in_flight_is_committed_first() -> Result<()> {
    let fleet = Fleet::start(&[busy("only")?]).await?;
    let (first, second) = (fleet.runner().await?, fleet.runner().await?);
    wait_spread(&[(&first, SHARDS / 2), (&second, SHARDS / 2)], 1).await?;
    let rooms = rooms(30, 10)?;
    let load = fleet.load(&rooms);
    load.let_out(150);
    load.wait_accepted(100).await?;
    first.process.sigterm()?;
    assert!(first.process.wait_exit(LONG).await?.success(), "{}", first.process.log());
    wait_spread(&[(&second, SHARDS)], 1).await?;
    load.let_out(150);
    load.finish().await?;
    fleet.all_is_well(&rooms).await?;
    let log = second.process.log();
    assert!(!log.contains(DEAD), "it did not wait for a lease to run out: {log}");
    assert!(!log.contains("suspects=1"), "nothing was in flight any more: {log}");
    Ok(())
}

#[tokio::test]
async fn after_kill_9_another_runner_goes_on_and_nothing_is_lost_repeated_or_reordered() -> Result<()> {
    let fleet = Fleet::start(&[busy("only")?]).await?;
    let (first, second) = (fleet.runner().await?, fleet.runner().await?);
    wait_spread(&[(&first, SHARDS / 2), (&second, SHARDS / 2)], 1).await?;
    let rooms = rooms(30, 10)?;
    let load = fleet.load(&rooms);
    load.let_out(150);
    load.wait_accepted(100).await?;
    first.process.kill9()?;
    load.let_out(150);
    load.finish().await?;
    wait_spread(&[(&second, SHARDS)], 1).await?;
    fleet.all_is_well(&rooms).await?;
    second.process.wait_log(DEAD, LONG).await
}

#[tokio::test]
async fn a_runner_that_was_asleep_wakes_without_its_shards_and_repeats_nothing() -> Result<()> {
    let fleet = Fleet::start(&[busy("only")?]).await?;
    let (first, second) = (fleet.runner().await?, fleet.runner().await?);
    wait_spread(&[(&first, SHARDS / 2), (&second, SHARDS / 2)], 1).await?;
    let rooms = rooms(30, 10)?;
    let load = fleet.load(&rooms);
    load.let_out(150);
    load.wait_accepted(100).await?;
    first.process.signal(Signal::STOP)?;
    load.let_out(100);
    wait_spread(&[(&second, SHARDS)], 1).await?;
    load.wait_accepted(200).await?;
    first.process.signal(Signal::CONT)?;
    // What it was doing it may not commit; what it was about to do it does not begin.
    first.process.wait_log("lost", LONG).await?;
    load.let_out(50);
    load.finish().await?;
    fleet.all_is_well(&rooms).await?;
    // It is a runner like any other again.
    wait_spread(&[(&first, SHARDS / 2), (&second, SHARDS / 2)], 1).await?;
    second.process.wait_log(DEAD, LONG).await
}
