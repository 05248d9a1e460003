//! What every handler has settled leaves the stream once it is old, and the ledger later.

use anyhow::Result;
use serde_json::json;
use testkit::{stored, wait_until};

use crate::rig::{LONG, Load, Rig, handler, make_out, published, webhooks};

const EVENTS: usize = 20;

#[tokio::test]
async fn settled_events_leave_their_stream_when_they_are_old_whether_or_not_a_handler_wanted_them() -> Result<()> {
    let idle = json!({ "on": ["egress_ended"] });
    let handlers = [
        handler("effects", "publisher", json!({ "subject": "out.effects" }), json!({}))?,
        // None of the events is for it: its floor must move all the same.
        handler("rarely", "publisher", json!({ "subject": "out.rarely" }), idle)?,
    ];
    let streams = json!({ "shards": 1, "duplicate_window": "100ms", "keep": "1s", "max_bytes": "64MiB" });
    let rig = Rig::new(json!({ "streams": streams, "state": { "keep": "2s" }, "handlers": handlers }))?;
    let up = rig.up("127.0.0.1:0").await?;
    make_out(up.nats()).await?;
    let load = Load::start(&up.poster(), vec![webhooks("room", EVENTS)?]);
    load.let_out(EVENTS);
    load.finish().await?;
    assert_eq!(published(up.nats(), EVENTS).await?.len(), EVENTS);
    wait_until(LONG, "the events to leave their stream", || async {
        stored(up.nats(), "RW_EVENTS_").await.is_ok_and(|events| events.is_empty())
    })
    .await?;
    // The stream is empty before the runner has read the server's answer, by which it counts.
    wait_until(LONG, "the runner to count what it removed", || async {
        let trimmed = up.metric("roomwire_runner_trimmed_events_total").await;
        trimmed.is_ok_and(|trimmed| trimmed.iter().any(|(_, count)| *count >= 20.0))
    })
    .await?;
    wait_until(LONG, "the ledger to forget them", || async {
        let forgotten = up.metric("roomwire_runner_ledger_trimmed_total").await;
        forgotten.is_ok_and(|forgotten| forgotten.iter().any(|(_, count)| *count >= 20.0))
    })
    .await?;

    // What comes after goes on as if nothing had been taken away.
    let load = Load::start(&up.poster(), vec![webhooks("room", EVENTS)?]);
    load.let_out(EVENTS);
    load.finish().await?;
    published(up.nats(), 2 * EVENTS).await?;
    Ok(())
}

#[tokio::test]
async fn a_handler_that_stands_still_holds_its_events_until_it_is_removed() -> Result<()> {
    let steady = handler("steady", "publisher", json!({ "subject": "out.steady" }), json!({}))?;
    let stuck = handler("stuck", "publisher", json!({ "subject": "out.stuck" }), json!({}))?;
    let config = |handlers: &[&serde_json::Value]| {
        let streams = json!({ "shards": 1, "duplicate_window": "100ms", "keep": "1s", "max_bytes": "64MiB" });
        json!({ "streams": streams, "handlers": handlers })
    };
    let rig = Rig::new(config(&[&steady, &stuck]))?;
    let up = rig.up("127.0.0.1:0").await?;
    make_out(up.nats()).await?;
    rig.roomwire_json(&["handler", "pause", "stuck", "--nats", up.nats()]).await?;
    let load = Load::start(&up.poster(), vec![webhooks("room", EVENTS)?]);
    load.let_out(EVENTS);
    load.finish().await?;
    assert_eq!(published(up.nats(), EVENTS).await?.len(), EVENTS);
    assert_eq!(stored(up.nats(), "RW_EVENTS_").await?.len(), EVENTS);
    let trimmed = up.metric("roomwire_runner_trimmed_events_total").await?;
    assert!(trimmed.iter().all(|(_, count)| *count == 0.0), "one has not settled them: {trimmed:?}");
    rig.configure(config(&[&steady]))?;
    wait_until(LONG, "the events to leave their stream", || async {
        stored(up.nats(), "RW_EVENTS_").await.is_ok_and(|events| events.is_empty())
    })
    .await
}
