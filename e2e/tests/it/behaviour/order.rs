//! Events of one room are handled in the order in which they were accepted, through retries and long waits.

use anyhow::Result;
use futures_util::future::try_join_all;
use serde_json::json;

use super::site::{Site, Sums, WINDOW};
use crate::rig::handler;

const ROOMS: usize = 10;
const EVENTS: usize = 15;

#[tokio::test(flavor = "multi_thread")]
async fn a_rooms_events_keep_their_order_while_some_are_retried() -> Result<()> {
    let ids: Vec<Vec<String>> =
        (0..ROOMS).map(|room| (0..EVENTS).map(|number| format!("EV_{room}-{number}")).collect()).collect();
    let mut behaviours = json!({ "publish_to": "out.meter" });
    for (room, ids) in ids.iter().enumerate() {
        // Neighbours, and the first and last of some rooms, are among them.
        for (number, id) in ids.iter().enumerate().filter(|(number, _)| (number + room) % 4 < 2) {
            let fails = if number % 3 == 0 { "trap-until:2" } else { "retry-until:3" };
            behaviours[format!("id:{id}")] = json!(fails);
        }
    }
    let meter = handler("meter", "behave", behaviours, json!({ "retry": { "initial": "10ms", "max": "50ms" } }))?;
    let site = Site::start(WINDOW, &[meter]).await?;
    let rooms: Vec<String> = (0..ROOMS).map(|room| format!("room-{room}")).collect();
    try_join_all(rooms.iter().zip(&ids).map(|(room, ids)| site.post_all("track_published", room, ids))).await?;
    site.wait_out("out.meter", ROOMS * EVENTS).await?;
    let ended = site.end().await?;
    let out = ended.out("out.meter");
    for (room, ids) in ids.iter().enumerate() {
        let of_room: Vec<&String> = out.iter().filter(|id| id.starts_with(&format!("EV_{room}-"))).collect();
        assert_eq!(of_room, ids.iter().collect::<Vec<_>>());
    }
    assert_eq!(out.len(), ROOMS * EVENTS);
    assert_eq!(ended.books("meter")?, Sums { done: 150, ..Sums::default() });
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_waits_long_is_parked_alone_and_goes_on_in_order() -> Result<()> {
    let behaviours = json!({ "publish_to": "out.meter", "id:EV_1": "retry-until:2" });
    let meter = [handler("meter", "behave", behaviours, json!({ "retry": { "initial": "6s", "jitter": 0 } }))?];
    let mut site = Site::start(WINDOW, &meter).await?;
    let ids = ["EV_1", "EV_2", "EV_3", "EV_4", "EV_5", "EV_6"];
    let (before, after) = ids.split_at(3);
    site.post_all("track_published", "slow", before).await?;
    for id in before {
        site.wait_state("meter", id, "parked").await?;
    }
    site.post("track_published", "quick", "EV_quick").await?;
    site.wait_state("meter", "EV_quick", "done").await?;
    // What is parked is taken over with the rest.
    site = site.restart(&meter).await?;
    site.post_all("track_published", "slow", after).await?;
    site.wait_out("out.meter", 7).await?;
    let ended = site.end().await?;
    let seen: Vec<(String, &str)> = ended
        .messages("out.meter")
        .iter()
        .map(|message| (String::from_utf8_lossy(&message.body).into_owned(), message.header("attempt")))
        .collect();
    let seen: Vec<(&str, &str)> = seen.iter().map(|(id, attempt)| (id.as_str(), *attempt)).collect();
    let expected =
        [("EV_quick", "1"), ("EV_1", "2"), ("EV_2", "1"), ("EV_3", "1"), ("EV_4", "1"), ("EV_5", "1"), ("EV_6", "1")];
    assert_eq!(seen, expected);
    assert_eq!(ended.books("meter")?, Sums { done: 7, ..Sums::default() });
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_order_an_event_waits_for_no_other_of_its_room() -> Result<()> {
    let behaviours = json!({ "publish_to": "out.meter", "id:EV_1": "retry" });
    let rules = json!({ "order": "none", "retry": { "initial": "1h", "max": "1h", "for": "24h" } });
    let site = Site::start(WINDOW, &[handler("meter", "behave", behaviours, rules)?]).await?;
    site.post("track_published", "blue", "EV_1").await?;
    site.wait_state("meter", "EV_1", "parked").await?;
    site.post_all("track_published", "blue", &["EV_2", "EV_3"]).await?;
    site.wait_out("out.meter", 2).await?;
    let ended = site.end().await?;
    assert_eq!(ended.sorted("out.meter"), ["EV_2", "EV_3"]);
    assert_eq!(ended.books("meter")?, Sums { done: 2, parked: 1, ..Sums::default() });
    Ok(())
}
