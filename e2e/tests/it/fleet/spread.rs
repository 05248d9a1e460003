//! Who owns what, as runners come and go.

use anyhow::Result;

use super::{Fleet, SHARDS, busy, rooms, wait_spread};
use crate::rig::LONG;

#[tokio::test]
async fn shards_are_spread_evenly_and_again_when_a_runner_joins_or_leaves() -> Result<()> {
    let fleet = Fleet::start(&[busy("one")?, busy("two")?]).await?;
    let all = 2 * SHARDS;
    let first = fleet.runner().await?;
    wait_spread(&[(&first, all)], 2).await?;
    let second = fleet.runner().await?;
    wait_spread(&[(&first, all / 2), (&second, all / 2)], 2).await?;
    let third = fleet.runner().await?;
    // Eight by three, and four of each handler by three: who has one more of them takes turns. Names decide who.
    testkit::wait_until(LONG, "shards to be spread over three", || async {
        let mut sums = Vec::new();
        for runner in [&first, &second, &third] {
            let shards = super::shards(runner).await;
            if shards.len() != 2 || shards.iter().any(|count| !(1..=2).contains(count)) {
                return false;
            }
            sums.push(shards.iter().sum::<usize>());
        }
        sums.sort_unstable();
        sums == [2, 3, 3]
    })
    .await?;
    second.process.sigterm()?;
    assert!(second.process.wait_exit(LONG).await?.success(), "{}", second.process.log());
    wait_spread(&[(&first, all / 2), (&third, all / 2)], 2).await?;
    Ok(())
}

#[tokio::test]
async fn while_runners_join_and_leave_every_event_is_handled_once_and_in_order() -> Result<()> {
    let fleet = Fleet::start(&[busy("only")?]).await?;
    let first = fleet.runner().await?;
    let rooms = rooms(30, 12)?;
    let load = fleet.load(&rooms);
    load.let_out(90);
    let second = fleet.runner().await?;
    load.let_out(90);
    let third = fleet.runner().await?;
    load.let_out(90);
    load.wait_accepted(200).await?;
    first.process.sigterm()?;
    assert!(first.process.wait_exit(LONG).await?.success(), "{}", first.process.log());
    load.let_out(90);
    load.finish().await?;
    fleet.all_is_well(&rooms).await?;
    for runner in [&second, &third] {
        let log = runner.process.log();
        assert!(!log.contains("has not told that it lives"), "nobody died: {log}");
        assert!(!log.contains("lost"), "nothing was taken that was not given back: {log}");
    }
    Ok(())
}
