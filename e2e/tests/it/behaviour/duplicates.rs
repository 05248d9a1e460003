//! One id is handled once, however often it comes.

use anyhow::Result;
use serde_json::json;

use super::site::{SHORTEST_WINDOW, Site, Sums, WINDOW};
use crate::rig::handler;

/// How many events are stored.
async fn events(site: &Site) -> Result<usize> {
    Ok(site.count("RW_EVENTS_0", "rw.ev.>").await? + site.count("RW_EVENTS_1", "rw.ev.>").await?)
}

/// Posts an event until one more copy of it is stored.
async fn post_another_copy(site: &Site, room: &str, id: &str) -> Result<()> {
    let before = events(site).await?;
    site.wait("another copy of the event", || async {
        site.post("room_started", room, id).await?;
        Ok(events(site).await? > before)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_comes_again_within_the_duplicate_window_is_stored_and_handled_once() -> Result<()> {
    let meter = handler("meter", "behave", json!({ "publish_to": "out.meter" }), json!({}))?;
    let site = Site::start(WINDOW, &[meter]).await?;
    site.post_all("room_started", "blue", &["EV_1", "EV_2", "EV_1", "EV_1", "EV_2", "EV_3"]).await?;
    site.wait_out("out.meter", 3).await?;
    assert_eq!(events(&site).await?, 3);
    let ended = site.end().await?;
    assert_eq!(ended.out("out.meter"), ["EV_1", "EV_2", "EV_3"]);
    assert_eq!(ended.books("meter")?, Sums { done: 3, ..Sums::default() });
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_comes_again_after_the_duplicate_window_is_handled_once_whatever_became_of_it() -> Result<()> {
    let behaviours = json!({ "publish_to": "out.meter", "id:EV_dead": "permanent", "id:EV_waits": "retry" });
    let retry = json!({ "retry": { "initial": "1h", "max": "1h", "for": "24h" } });
    let meter = [handler("meter", "behave", behaviours, retry)?];
    let mut site = Site::start(SHORTEST_WINDOW, &meter).await?;
    let events = [("EV_done", "green", "done"), ("EV_dead", "red", "dead"), ("EV_waits", "yellow", "parked")];
    for (id, room, state) in events {
        post_another_copy(&site, room, id).await?;
        site.wait_state("meter", id, state).await?;
        post_another_copy(&site, room, id).await?;
    }
    // What is known of ids outlives the process.
    site = site.restart(&meter).await?;
    for (id, room, _) in events {
        post_another_copy(&site, room, id).await?;
        site.post("room_finished", room, &format!("{id}-next")).await?;
    }
    // What came behind the last copies was looked at, so they were too.
    for (id, state) in [("EV_done-next", "done"), ("EV_dead-next", "done"), ("EV_waits-next", "parked")] {
        site.wait_state("meter", id, state).await?;
    }
    let letter = site.ask_one(&["dlq", "show", "EV_dead"]).await?;
    assert_eq!((&letter["attempts"], letter["history"].as_array().map(Vec::len)), (&json!(1), Some(1)), "{letter}");
    let ended = site.end().await?;
    assert_eq!(ended.sorted("out.meter"), ["EV_dead-next", "EV_done", "EV_done-next"]);
    assert_eq!(ended.books("meter")?, Sums { done: 3, dead: 1, parked: 2, duplicate: 6, ..Sums::default() });
    Ok(())
}
