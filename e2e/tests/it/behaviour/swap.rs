//! A plugin's file changes while events come: no event is lost or handled twice, and a broken file changes nothing.

use std::fs;

use anyhow::Result;
use futures_util::future::try_join_all;
use serde_json::json;
use testkit::fixtures;

use super::redrive::deploy;
use super::site::{Site, Sums, WINDOW};
use crate::rig::{Rig, handler};

const ROOMS: usize = 10;
const EVENTS: usize = 30;

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_is_swapped_under_load_loses_nothing_and_later_events_go_to_the_new_one() -> Result<()> {
    let config = json!({ "publish_to": "out.meter", "subject": "out.meter", "default": "sleep:5" });
    let meter = handler("meter", "behave", config, json!({ "plugin": "./meter.wasm", "concurrency": 2 }))?;
    let rig = Rig::new(json!({}))?;
    deploy("behave", &rig.path("meter.wasm"))?;
    let site = Site::start_in(rig, WINDOW, &[meter]).await?;
    let ids: Vec<Vec<String>> =
        (0..ROOMS).map(|room| (0..EVENTS).map(|number| format!("EV_{room}-{number}")).collect()).collect();
    let rooms: Vec<String> = (0..ROOMS).map(|room| format!("room-{room}")).collect();
    let post = try_join_all(rooms.iter().zip(&ids).map(|(room, ids)| site.post_all("track_published", room, ids)));
    let swap = async {
        site.wait_out("out.meter", 20).await?;
        deploy("publisher", &site.path("meter.wasm"))?;
        site.wait_activations("meter", "taken", 2.0).await
    };
    let (posted, swapped) = tokio::join!(post, swap);
    posted?;
    swapped?;
    site.post("room_finished", "room-0", "EV_0-last").await?;
    site.wait_out("out.meter", ROOMS * EVENTS + 1).await?;
    let ended = site.end().await?;
    let out = ended.out("out.meter");
    assert_eq!(out.len(), ROOMS * EVENTS + 1);
    for (room, ids) in ids.iter().enumerate() {
        let of_room = out.iter().filter(|id| id.starts_with(&format!("EV_{room}-")) && *id != "EV_0-last");
        assert_eq!(of_room.collect::<Vec<_>>(), ids.iter().collect::<Vec<_>>());
    }
    let plugins: Vec<&str> = ended.messages("out.meter").iter().map(|message| message.header("plugin")).collect();
    assert_eq!((plugins.first(), plugins.last()), (Some(&"behave"), Some(&"publisher")));
    assert_eq!(ended.books("meter")?, Sums { done: 301, ..Sums::default() });
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_plugin_file_is_refused_and_counted_and_the_old_one_serves_on() -> Result<()> {
    let config = json!({ "publish_to": "out.meter", "subject": "out.meter" });
    let meter = handler("meter", "behave", config, json!({ "plugin": "./meter.wasm" }))?;
    let rig = Rig::new(json!({}))?;
    let file = rig.path("meter.wasm");
    deploy("behave", &file)?;
    let site = Site::start_in(rig, WINDOW, &[meter]).await?;
    let good = fs::read(fixtures::plugin("publisher")?)?;
    let halved = good.get(..good.len() / 2).unwrap_or_default().to_vec();
    let of = |guest: &str| -> Result<Vec<u8>> { Ok(fs::read(fixtures::plugin(guest)?)?) };
    let broken = [b"not a component".to_vec(), halved, of("check_fails")?, of("wrong_world")?, Vec::new()];
    let mut refused = 0.0;
    for (number, bytes) in broken.iter().enumerate() {
        fs::write(&file, bytes)?;
        refused += 1.0;
        site.wait_activations("meter", "refused", refused).await?;
        site.post("track_published", "blue", &format!("EV_{number}")).await?;
        site.wait_out("out.meter", number + 1).await?;
    }
    // Not even a file that is gone stops it, and the next good one is taken.
    fs::remove_file(&file)?;
    site.post("track_published", "blue", "EV_gone").await?;
    site.wait_out("out.meter", broken.len() + 1).await?;
    fs::write(&file, &good)?;
    site.wait_activations("meter", "taken", 2.0).await?;
    site.post("track_published", "blue", "EV_last").await?;
    site.wait_out("out.meter", broken.len() + 2).await?;
    let ended = site.end().await?;
    assert_eq!(ended.out("out.meter"), ["EV_0", "EV_1", "EV_2", "EV_3", "EV_4", "EV_gone", "EV_last"]);
    let plugins: Vec<&str> = ended.messages("out.meter").iter().map(|message| message.header("plugin")).collect();
    assert_eq!(plugins, ["behave", "behave", "behave", "behave", "behave", "behave", "publisher"]);
    Ok(())
}
