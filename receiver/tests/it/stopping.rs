//! A graceful stop finishes what is in flight, takes nothing new, and ends in time.

use std::time::Duration;

use anyhow::Result;
use testkit::wait_until;
use tokio::net::TcpStream;

use crate::rig::{Rig, SOON, room_started};

#[tokio::test]
async fn what_is_in_flight_is_stored_and_answered_and_nothing_new_is_taken() -> Result<()> {
    let mut rig = Rig::start(|_| ()).await?;
    let idle = TcpStream::connect(&rig.address).await?;
    rig.stall();
    let body = room_started("stopping");
    let (answer, stopped) = tokio::join!(rig.send(&body), async {
        wait_until(SOON, "it is in flight", || async { rig.metric("roomwire_receiver_in_flight") == 1 }).await?;
        rig.shutdown.cancel();
        let refused = || async { TcpStream::connect(&rig.address).await.is_err() };
        wait_until(SOON, "nothing new is accepted", refused).await?;
        assert!(!rig.running.is_finished());
        rig.go_on();
        anyhow::Ok(())
    });
    stopped?;
    assert_eq!(answer?.status, 200);
    (&mut rig.running).await??;
    assert_eq!(rig.stored().await?.len(), 1);
    drop(idle);
    Ok(())
}

#[tokio::test]
async fn a_stop_ends_at_its_deadline_with_something_still_in_flight() -> Result<()> {
    let mut rig = Rig::start(|config| config.drain = Duration::from_millis(100)).await?;
    rig.stall();
    let body = room_started("stuck");
    let (answer, ended) = tokio::join!(rig.send(&body), async {
        wait_until(SOON, "it is in flight", || async { rig.metric("roomwire_receiver_in_flight") == 1 }).await?;
        rig.shutdown.cancel();
        wait_until(SOON, "it ended", || async { rig.running.is_finished() }).await
    });
    ended?;
    assert!(answer.is_err(), "the connection is closed without an answer, so LiveKit sends again");
    (&mut rig.running).await??;
    Ok(())
}
