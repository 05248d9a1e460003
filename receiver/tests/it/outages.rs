//! What is ours to repair is answered 503, quickly, and LiveKit's next attempt succeeds once it is repaired.

use std::collections::BTreeSet;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use receiver::RunError;
use testkit::{NatsServer, NatsSettings, wait_until};

use crate::rig::{Rig, SOON, id_of, room_started};

#[tokio::test]
async fn without_nats_events_are_answered_503_until_it_is_back() -> Result<()> {
    let rig = Rig::start(|_| ()).await?;
    let body = room_started("outage");
    rig.nats.kill()?;
    wait_until(SOON, "it is noticed", || async { !rig.health.is_ready() }).await?;
    let answer = rig.send(&body).await?;
    assert_eq!((answer.status, answer.header("content-length"), answer.header("retry-after")), (503, "0", ""));
    assert_eq!(rig.answered(503, "not_connected"), 1);
    rig.nats.restart().await?;
    wait_until(SOON, "an event is accepted", || async { rig.send(&body).await.is_ok_and(|a| a.status == 200) }).await?;
    assert_eq!(rig.stored().await?.len(), 1);
    wait_until(SOON, "it is ready again", || async { rig.health.is_ready() }).await
}

#[tokio::test]
async fn a_receiver_that_starts_before_nats_becomes_ready_with_it() -> Result<()> {
    let nats = NatsServer::start().await?;
    nats.kill()?;
    let rig = Rig::start_on(nats, |_| ()).await?;
    assert_eq!(rig.send(&room_started("early")).await?.status, 503);
    assert_eq!(rig.answered(503, "not_ready"), 1);
    assert_eq!(rig.health.reasons(), [("receiver".to_owned(), "not connected to NATS".to_owned())]);
    rig.nats.restart().await?;
    rig.ready().await?;
    assert_eq!(rig.send(&room_started("early")).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn an_acknowledgement_that_does_not_come_is_answered_503_and_the_repeat_is_stored_once() -> Result<()> {
    let rig = Rig::start(|config| config.answer_within = Duration::from_millis(200)).await?;
    let body = room_started("unknown");
    rig.stall();
    assert_eq!(rig.send(&body).await?.status, 503);
    assert_eq!(rig.answered(503, "deadline"), 1);
    rig.go_on();
    wait_until(SOON, "the repeat is accepted", || async { rig.send(&body).await.is_ok_and(|a| a.status == 200) })
        .await?;
    assert_eq!(rig.stored().await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_connection_lost_under_way_is_answered_503_before_the_deadline() -> Result<()> {
    let rig = Rig::start(|_| ()).await?;
    rig.stall();
    let body = room_started("lost");
    let (answer, killed) = tokio::join!(rig.send(&body), async {
        wait_until(SOON, "it is in flight", || async { rig.metric("roomwire_receiver_in_flight") == 1 }).await?;
        rig.nats.kill()
    });
    killed?;
    assert_eq!((answer?.status, rig.answered(503, "connection_lost")), (503, 1));
    Ok(())
}

#[tokio::test]
async fn a_full_stream_refuses_new_events_keeps_the_old_and_still_knows_them() -> Result<()> {
    let rig = Rig::start(|config| {
        config.streams.shards = NonZeroU16::MIN;
        config.streams.max_bytes = 64 << 10;
    })
    .await?;
    let mut accepted = Vec::new();
    let refused = loop {
        let body = room_started("full");
        match rig.send(&body).await?.status {
            200 => accepted.push(body),
            _ => break body,
        }
    };
    assert_eq!(rig.answered(503, "stream_full"), 1);
    let ids: Vec<_> = rig.stored().await?.iter().map(|message| message.header("ce-id").to_owned()).collect();
    assert_eq!(ids, accepted.iter().map(|body| id_of(body)).collect::<Vec<_>>());
    assert_eq!(rig.send(&accepted[0]).await?.status, 200, "a repeat of a stored event is no loss");
    rig.nats.jetstream().await?.get_stream("RW_EVENTS_0").await?.purge().await?;
    assert_eq!(rig.send(&refused).await?.status, 200, "what was refused was not remembered as stored");
    Ok(())
}

#[tokio::test]
async fn a_stream_that_is_gone_is_answered_503_and_made_anew_while_nats_stays_connected() -> Result<()> {
    let rig = Rig::start(|config| config.streams.shards = NonZeroU16::MIN).await?;
    for turn in 1..=3 {
        rig.nats.jetstream().await?.delete_stream("RW_EVENTS_0").await?;
        let body = room_started("gone");
        assert_eq!(rig.send(&body).await?.status, 503);
        assert!(rig.answered(503, "no_stream") >= turn);
        let accepted = || async { rig.send(&body).await.is_ok_and(|answer| answer.status == 200) };
        wait_until(SOON, "the repeat is accepted", accepted).await?;
        assert_eq!(rig.stored().await?.len(), 1);
    }
    Ok(())
}

#[tokio::test]
async fn a_server_that_comes_back_with_an_empty_disk_gets_its_streams_again() -> Result<()> {
    let rig = Rig::start(|_| ()).await?;
    for _ in 0..3 {
        assert_eq!(rig.send(&room_started("before")).await?.status, 200);
        rig.nats.kill()?;
        std::fs::remove_dir_all(rig.nats.folder().join("data"))?;
        rig.nats.restart().await?;
        // One room in each shard and more: every stream must be there.
        let rooms: Vec<String> = (0..16).map(|room| room_started(&format!("room-{room}"))).collect();
        for body in &rooms {
            let accepted = || async { rig.send(body).await.is_ok_and(|answer| answer.status == 200) };
            wait_until(SOON, "it is accepted", accepted).await?;
        }
        assert_eq!(rig.stored().await?.len(), rooms.len());
        wait_until(SOON, "it is ready", || async { rig.health.is_ready() }).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_server_that_is_dead_without_saying_so_is_noticed_and_found_again_when_it_returns() -> Result<()> {
    let rig = Rig::start(|config| config.answer_within = Duration::from_millis(900)).await?;
    assert_eq!(rig.send(&room_started("before")).await?.status, 200);
    // The connection stays open, and not a byte comes. Promised is 10 s; a busy machine may need some more.
    rig.stall();
    let noticed = || async { rig.health.reasons().iter().any(|(_, why)| why == "not connected to NATS") };
    wait_until(Duration::from_secs(15), "the dead peer is noticed", noticed).await?;
    let body = room_started("during");
    assert_eq!(rig.send(&body).await?.status, 503);
    assert_eq!(rig.answered(503, "not_connected"), 1, "nobody waits for a server that is known to be dead");
    rig.go_on();
    // Promised is a second, for the connection; then the streams are looked at.
    let accepted = || async { rig.send(&body).await.is_ok_and(|answer| answer.status == 200) };
    wait_until(Duration::from_secs(5), "it is accepted", accepted).await?;
    wait_until(SOON, "it is ready", || async { rig.health.is_ready() }).await?;
    assert_eq!(rig.stored().await?.len(), 2);
    Ok(())
}

#[tokio::test]
async fn nothing_accepted_is_lost_when_nats_is_killed_under_load() -> Result<()> {
    let rig = Arc::new(Rig::start(|config| config.answer_within = Duration::from_millis(900)).await?);
    let rooms = (0..8).map(|room| {
        let rig = rig.clone();
        tokio::spawn(async move {
            let mut ids = Vec::new();
            for _ in 0..25 {
                let body = room_started(&format!("room-{room}"));
                // LiveKit gives up after five attempts; here it goes on, so that every event arrives in the end.
                wait_until(SOON * 3, "accepted", || async { rig.send(&body).await.is_ok_and(|a| a.status == 200) })
                    .await?;
                ids.push(id_of(&body));
            }
            anyhow::Ok(ids)
        })
    });
    let rooms: Vec<_> = rooms.collect();
    for accepted in [40, 100] {
        wait_until(SOON, "some are stored", || async { rig.answered(200, "stored") >= accepted }).await?;
        rig.nats.kill()?;
        rig.nats.restart().await?;
    }
    let mut sent = Vec::new();
    for room in rooms {
        sent.push(room.await??);
    }
    let stored = rig.stored().await?;
    let unique: BTreeSet<&str> = stored.iter().map(|message| message.header("ce-id")).collect();
    assert_eq!((stored.len(), unique.len()), (200, 200));
    for (room, ids) in sent.iter().enumerate() {
        let key = format!("room-{room}");
        let of_room = stored.iter().filter(|message| message.header("Rw-Key") == key);
        assert_eq!(&of_room.map(|message| message.header("ce-id")).collect::<Vec<_>>(), ids, "{key} is out of order");
    }
    Ok(())
}

#[tokio::test]
async fn a_receiver_with_another_number_of_shards_ends_with_an_error() -> Result<()> {
    let mut rig = Rig::start(|_| ()).await?;
    rig.shutdown.cancel();
    (&mut rig.running).await??;
    let nats = NatsServer::start().await?;
    let nats = std::mem::replace(&mut rig.nats, nats);
    let mut other = Rig::start_on(nats, |config| config.streams.shards = NonZeroU16::new(3).unwrap()).await?;
    let error = (&mut other.running).await?.unwrap_err();
    assert!(matches!(error, RunError::Streams(_)), "{error:?}");
    Ok(())
}

#[tokio::test]
async fn a_server_whose_messages_are_too_small_is_refused() -> Result<()> {
    let settings = NatsSettings { max_payload: "1MB".to_owned(), ..NatsSettings::default() };
    let mut rig = Rig::start_on(NatsServer::start_with(settings).await?, |_| ()).await?;
    let error = (&mut rig.running).await?.unwrap_err();
    assert!(matches!(error, RunError::Server(_)), "{error:?}");
    Ok(())
}
