//! Every part is killed in the middle of 1,000 events: what was accepted is published, once and in order.

use std::collections::HashSet;

use anyhow::{Result, bail, ensure};
use serde_json::json;
use testkit::{NatsServer, wait_until};

use crate::rig::{
    LONG, Load, Rig, Service, Webhook, event_id, events_stored, free_address, handler, ids, ids_by_room, make_out,
    published, repeats, wait_published, webhooks,
};

const ROOMS: usize = 50;
const EVENTS_OF_A_ROOM: usize = 20;
const EVENTS: usize = ROOMS * EVENTS_OF_A_ROOM;

#[tokio::test]
async fn kills_of_runner_nats_and_receiver_neither_lose_nor_repeat_nor_reorder_an_effect() -> Result<()> {
    let handlers = [handler("effects", "publisher", json!({ "subject": "out.effects" }), json!({}))?];
    let rig = Rig::new(json!({ "handlers": handlers }))?;
    let nats = NatsServer::start().await?;
    let out = make_out(&nats.url()).await?;
    let address = free_address()?;
    let receiver = rig.receiver(&nats.url(), &address).await?;
    let runner = rig.runner(&nats.url()).await?;

    let rooms: Vec<Vec<Webhook>> =
        (0..ROOMS).map(|room| webhooks(&format!("room-{room}"), EVENTS_OF_A_ROOM)).collect::<Result<_>>()?;
    let load = Load::start(&receiver.poster(), rooms.clone());

    load.let_out(400);
    wait_published(&out, 100).await?;
    runner.process.kill9()?;
    let runner = rig.runner(&nats.url()).await?;

    load.let_out(300);
    load.wait_accepted(550).await?;
    nats.kill()?;
    nats.restart().await?;

    load.let_out(300);
    load.wait_accepted(850).await?;
    receiver.process.kill9()?;
    let _receiver = rig.receiver(&nats.url(), &address).await?;

    let accepted: HashSet<String> = load.finish().await?.into_iter().collect();
    assert_eq!(accepted.len(), EVENTS);
    let events = events_stored(&nats.url()).await?;
    let of = |messages: &[_]| messages.iter().map(event_id).collect::<HashSet<String>>();
    assert!(accepted.is_subset(&of(&events)), "an accepted event is not stored");
    assert_eq!(repeats(&events), [""; 0], "an event is stored twice");
    assert_eq!(ids_by_room(&events, &rooms), ids(&rooms), "events of a room are stored in another order");

    let out = match published(&nats.url(), EVENTS).await {
        Ok(out) => out,
        Err(error) => bail!("{error:#}\n{}\n{}", runner.metrics().await.unwrap_or_default(), runner.process.log()),
    };
    assert_eq!(of(&events), of(&out), "stored and published events differ");
    assert_eq!(repeats(&out), [""; 0], "an effect is published twice");
    assert_eq!(ids_by_room(&out, &rooms), ids(&rooms), "effects of a room are published in another order");
    books_add_up(&rig, runner).await
}

/// The metric says so while it runs, the store says so once it has stopped.
async fn books_add_up(rig: &Rig, runner: Service) -> Result<()> {
    wait_until(LONG, "every shard accounted for", || async {
        let unaccounted = runner.metric("roomwire_runner_unaccounted").await.unwrap_or_default();
        let outbox = runner.metric("roomwire_runner_outbox_rows").await.unwrap_or_default();
        let all_zero = |values: &[(String, f64)]| values.iter().all(|(_, value)| *value == 0.0);
        unaccounted.len() == 4 && all_zero(&unaccounted) && outbox.len() == 1 && all_zero(&outbox)
    })
    .await?;
    runner.process.sigterm()?;
    let status = runner.process.wait_exit(LONG).await?;
    ensure!(status.success(), "the runner ended with {status}: {}", runner.process.log());
    let books = rig.books().await?;
    assert_eq!(books.len(), 4);
    for row in &books {
        assert_eq!((row.unaccounted(), row.clean), (0, true), "shard {}: {row:?}", row.shard);
    }
    let done: u64 = books.iter().map(|row| row.progress.books.done).sum();
    assert_eq!(done, EVENTS as u64, "{books:?}");
    Ok(())
}
