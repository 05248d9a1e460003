//! The receiver is killed, or NATS is gone below it: an answer of 200 always means stored.

use std::collections::HashSet;

use anyhow::Result;
use serde_json::json;
use testkit::{NatsServer, wait_until};

use crate::rig::{
    LONG, Load, Rig, Webhook, event_id, events_stored, free_address, ids, ids_by_room, repeats, webhooks,
};

fn rooms(rooms: usize, events: usize) -> Result<Vec<Vec<Webhook>>> {
    (0..rooms).map(|room| webhooks(&format!("room-{room}"), events)).collect()
}

#[tokio::test]
async fn a_receiver_killed_under_load_has_stored_all_that_it_accepted() -> Result<()> {
    let rig = Rig::new(json!({}))?;
    let nats = NatsServer::start().await?;
    let address = free_address()?;
    let mut receiver = rig.receiver(&nats.url(), &address).await?;
    let rooms = rooms(20, 15)?;
    let load = Load::start(&receiver.poster(), rooms.clone());
    for kill in 1..=2 {
        load.let_out(100);
        load.wait_accepted(100 * kill - 50).await?;
        receiver.process.kill9()?;
        // Before any repeat of what was not answered can arrive.
        let accepted = load.accepted();
        let events: HashSet<String> = events_stored(&nats.url()).await?.iter().map(event_id).collect();
        let lost: Vec<_> = accepted.iter().filter(|id| !events.contains(*id)).collect();
        assert_eq!(lost, [""; 0], "accepted and not stored");
        receiver = rig.receiver(&nats.url(), &address).await?;
    }
    load.let_out(100);
    assert_eq!(load.finish().await?.len(), 300);
    let events = events_stored(&nats.url()).await?;
    assert_eq!(ids_by_room(&events, &rooms), ids(&rooms));
    assert_eq!(repeats(&events), [""; 0], "an event that was sent again is stored twice");
    Ok(())
}

#[tokio::test]
async fn without_nats_the_answer_is_503_and_afterwards_each_repeat_is_stored_once_in_order() -> Result<()> {
    let rig = Rig::new(json!({ "receiver": { "answer_within": "500ms" } }))?;
    let nats = NatsServer::start().await?;
    let receiver = rig.receiver(&nats.url(), "127.0.0.1:0").await?;
    let (poster, rooms) = (receiver.poster(), rooms(10, 9)?);
    let load = Load::start(&poster, rooms.clone());

    load.let_out(30);
    load.wait_accepted(15).await?;
    nats.kill()?;
    let refused = Webhook::new("room_started", "refused")?;
    assert_eq!(poster.post(&refused).await?, 503, "NATS is dead");
    assert_eq!(poster.post(&refused).await?, 503, "NATS is dead");
    nats.restart().await?;

    load.let_out(30);
    load.wait_accepted(45).await?;
    nats.pause()?;
    // It stops a moment after it was told to.
    wait_until(LONG, "an answer of 503", || async { matches!(poster.post(&refused).await, Ok(503)) }).await?;
    assert_eq!(poster.post(&refused).await?, 503, "NATS does not answer");
    nats.resume()?;

    load.let_out(30);
    assert_eq!(load.finish().await?.len(), 90);
    poster.deliver(&refused).await?;
    let events = events_stored(&nats.url()).await?;
    let mut posted = rooms;
    posted.push(vec![refused]);
    assert_eq!(ids_by_room(&events, &posted), ids(&posted));
    assert_eq!(repeats(&events), [""; 0], "an event that was sent again is stored twice");
    receiver.process.sigterm()?;
    assert!(receiver.process.wait_exit(LONG).await?.success());
    Ok(())
}
