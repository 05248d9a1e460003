//! `up` is stopped while guests run: they end, what they did is kept, and nothing runs twice.

use anyhow::{Result, ensure};
use serde_json::json;
use testkit::wait_until;

use crate::rig::{LONG, Load, Rig, handler, ids, ids_by_room, make_out, published, repeats, webhooks};

const CONCURRENCY: u16 = 8;

#[tokio::test]
async fn a_stop_lets_running_guests_end_and_the_next_start_handles_the_rest_once() -> Result<()> {
    let config = json!({ "publish_to": "out.effects", "default": "sleep:400", "room-prefix:busy": "slow:100" });
    let handlers = [handler("effects", "behave", config, json!({ "concurrency": CONCURRENCY }))?];
    let rig = Rig::new(json!({ "handlers": handlers }))?;
    let first = rig.up("127.0.0.1:0").await?;
    make_out(first.nats()).await?;
    let mut rooms = Vec::new();
    for room in 0..12 {
        rooms.push(webhooks(&format!("room-{room}"), 2)?);
        rooms.push(webhooks(&format!("busy-{room}"), 2)?);
    }
    let load = Load::start(&first.poster(), rooms.clone());
    load.let_out(48);
    load.finish().await?;
    wait_until(LONG, "as many guests as may run", || async {
        let running = first.metric("roomwire_runner_events_running").await.unwrap_or_default();
        running.iter().any(|(_, value)| *value >= f64::from(CONCURRENCY))
    })
    .await?;
    first.process.sigint()?;
    let status = first.process.wait_exit(LONG).await?;
    ensure!(status.success(), "`up` ended with {status}: {}", first.process.log());

    let books = rig.books().await?;
    let done: u64 = books.iter().map(|row| row.progress.books.done).sum();
    assert!(done >= u64::from(CONCURRENCY), "what ran at the stop is not committed: {books:?}");
    for row in &books {
        assert_eq!((row.unaccounted(), row.clean), (0, true), "shard {}: {row:?}", row.shard);
    }

    let second = rig.up("127.0.0.1:0").await?;
    let out = published(second.nats(), 48).await?;
    assert_eq!(ids_by_room(&out, &rooms), ids(&rooms));
    assert_eq!(repeats(&out), [""; 0], "an event was handled twice");
    Ok(())
}
