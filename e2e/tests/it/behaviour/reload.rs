//! The configuration changes while events come: handlers come, change, are renamed and go, and their neighbours do not
//! notice; a bad one changes nothing.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use futures_util::future::try_join_all;
use serde_json::{Value, json};

use super::site::{Site, Sums, WINDOW};
use crate::rig::handler;

const ROOMS: usize = 10;
const EVENTS: usize = 40;

/// A handler that publishes to `out.NAME` what it has done, after a while.
fn busy(name: &str, more: Value) -> Result<Value> {
    handler(name, "behave", json!({ "publish_to": format!("out.{name}"), "default": "sleep:5" }), more)
}

fn ids(room: usize) -> Vec<String> {
    (0..EVENTS).map(|number| format!("EV_{room}-{number}")).collect()
}

async fn post(site: &Site) -> Result<()> {
    let rooms: Vec<(String, Vec<String>)> = (0..ROOMS).map(|room| (format!("room-{room}"), ids(room))).collect();
    try_join_all(rooms.iter().map(|(room, ids)| site.post_all("track_published", room, ids))).await.map(drop)
}

/// Waits until so many configurations were applied or refused.
async fn wait_reloads(site: &Site, outcome: &str, number: f64) -> Result<()> {
    site.wait(&format!("{number} configurations {outcome}"), || async {
        let all = site.metric("roomwire_runner_config_reloads_total").await?;
        Ok(all.iter().any(|(labels, value)| labels.contains(outcome) && *value >= number))
    })
    .await
}

fn each_room_is_in_order(out: &[String]) {
    for room in 0..ROOMS {
        let of_room: Vec<&String> = out.iter().filter(|id| id.starts_with(&format!("EV_{room}-"))).collect();
        assert_eq!(of_room, ids(room).iter().collect::<Vec<_>>());
    }
    assert_eq!(out.len(), ROOMS * EVENTS);
}

#[tokio::test(flavor = "multi_thread")]
async fn under_load_a_handler_comes_and_changes_and_a_runner_dies_and_nothing_is_lost_or_out_of_order() -> Result<()> {
    let steady = || busy("steady", json!({ "concurrency": 4 }));
    let mut site = Site::start(WINDOW, &[steady()?]).await?;
    let change = async {
        site.wait_out("out.steady", 20).await?;
        site.configure(&[steady()?, busy("late", json!({ "concurrency": 4 }))?])?;
        site.wait_out("out.late", 40).await?;
        let rules =
            json!({ "concurrency": 2, "retry": { "initial": "10ms" }, "when": "event.room.name != 'elsewhere'" });
        site.configure(&[steady()?, busy("late", rules)?])?;
        wait_reloads(&site, "applied", 2.0).await
    };
    let (posted, changed) = tokio::join!(post(&site), change);
    posted?;
    changed?;
    // Nobody but the one that changed was given back or claimed again.
    let epochs = |rows: &[(String, u64)], name: &str| -> Vec<u64> {
        rows.iter().filter(|(handler, _)| handler == name).map(|(_, epoch)| *epoch).collect()
    };
    let claims = site.claims();
    assert_eq!((epochs(&claims, "steady"), epochs(&claims, "late")), (vec![1, 1], vec![1, 1, 2, 2]));
    // What holds is what the file says, also for the next process.
    site = site.kill_and_start().await?;
    site.wait_out("out.steady", ROOMS * EVENTS).await?;
    site.wait_out("out.late", ROOMS * EVENTS).await?;
    site.post("track_published", "elsewhere", "EV_filtered").await?;
    site.wait_state("late", "EV_filtered", "filtered").await?;
    site.wait_state("steady", "EV_filtered", "done").await?;
    let ended = site.end().await?;
    let all = (ROOMS * EVENTS) as u64;
    for (name, books) in [
        ("steady", Sums { done: all + 1, ..Sums::default() }),
        ("late", Sums { done: all, filtered: 1, ..Sums::default() }),
    ] {
        let mut out = ended.out(&format!("out.{name}"));
        out.retain(|id| id != "EV_filtered");
        // What was sent and not noted when the process died is sent again.
        let mut seen = std::collections::HashSet::new();
        out.retain(|id| seen.insert(id.clone()));
        each_room_is_in_order(&out);
        assert_eq!(ended.books(name)?, books, "{name}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_is_removed_keeps_what_it_has_and_goes_on_there_and_begins_anew_once_it_was_dropped()
-> Result<()> {
    let steady = || busy("steady", json!({}));
    let gone = || {
        let config = json!({ "publish_to": "out.gone", "id:EV_dead": "permanent:no", "id:EV_waits": "retry" });
        handler("gone", "behave", config, json!({ "retry": { "initial": "1h", "max": "1h", "for": "24h" } }))
    };
    let site = Site::start(WINDOW, &[steady()?, gone()?]).await?;
    for (room, id) in [("blue", "EV_1"), ("red", "EV_dead"), ("green", "EV_waits")] {
        site.post("track_published", room, id).await?;
    }
    site.wait_state("gone", "EV_dead", "dead").await?;
    site.wait_state("gone", "EV_waits", "parked").await?;
    site.wait_out("out.gone", 1).await?;
    assert!(site.refusal(&["handler", "drop", "gone"]).await?.contains("handler `gone` is configured"));

    site.configure(&[steady()?])?;
    wait_reloads(&site, "applied", 1.0).await?;
    site.post("track_published", "blue", "EV_2").await?;
    site.wait_state("steady", "EV_2", "done").await?;
    let handlers = site.ask(&["handler", "list"]).await?;
    let of_gone = handlers.iter().find(|line| line["handler"] == "gone").context("it is listed")?;
    assert_eq!((&of_gone["state"], &of_gone["dead"], &of_gone["parked"]), (&json!("removed"), &json!(1), &json!(1)));
    assert_eq!(site.ask(&["dlq", "show", "EV_dead"]).await?.len(), 1);

    // It comes back, and takes what came meanwhile.
    site.configure(&[steady()?, gone()?])?;
    site.wait_state("gone", "EV_2", "done").await?;
    site.wait_out("out.gone", 2).await?;

    site.configure(&[steady()?])?;
    wait_reloads(&site, "applied", 3.0).await?;
    site.ask_one(&["handler", "drop", "gone"]).await?;
    assert!(site.refusal(&["handler", "drop", "nobody"]).await?.contains("nothing is stored"));
    assert!(site.ask(&["dlq", "list"]).await?.is_empty());
    let mut anew = gone()?;
    anew["start"] = json!("new");
    site.configure(&[steady()?, anew])?;
    wait_reloads(&site, "applied", 4.0).await?;
    site.post("track_published", "blue", "EV_3").await?;
    site.wait_state("gone", "EV_3", "done").await?;
    site.wait_out("out.gone", 3).await?;
    let ended = site.end().await?;
    assert_eq!(ended.sorted("out.gone"), ["EV_1", "EV_2", "EV_3"]);
    assert_eq!(ended.books("gone")?, Sums { done: 1, ..Sums::default() });
    assert_eq!(ended.books("steady")?, Sums { done: 5, ..Sums::default() });
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_handler_takes_all_over_and_does_nothing_twice() -> Result<()> {
    let named = |name: &str, more: Value| {
        let config = json!({ "publish_to": "out.meter", "id:EV_dead": "permanent:no", "id:EV_held": "retry-until:2" });
        let mut section = handler(name, "behave", config, json!({ "retry": { "initial": "6s", "jitter": 0 } }))?;
        if let (Value::Object(section), Value::Object(more)) = (&mut section, more) {
            section.extend(more);
        }
        anyhow::Ok(section)
    };
    let site = Site::start(WINDOW, &[named("old", json!({}))?]).await?;
    for (room, id) in [("blue", "EV_1"), ("red", "EV_dead"), ("green", "EV_held"), ("green", "EV_behind")] {
        site.post("track_published", room, id).await?;
    }
    site.wait_state("old", "EV_1", "done").await?;
    site.wait_state("old", "EV_dead", "dead").await?;
    site.wait_state("old", "EV_behind", "parked").await?;
    site.configure(&[named("fresh", json!({ "renamed_from": "old", "start": "all" }))?])?;
    wait_reloads(&site, "applied", 1.0).await?;
    site.post("track_published", "blue", "EV_2").await?;
    site.wait_out("out.meter", 4).await?;
    let letters = site.ask(&["dlq", "list"]).await?;
    assert_eq!(letters.iter().map(|letter| &letter["handler"]).collect::<Vec<_>>(), [&json!("fresh")]);
    // A process that starts with the word still in its file finds that it was done.
    let site = site.restart(&[named("fresh", json!({ "renamed_from": "old", "start": "all" }))?]).await?;
    site.post("track_published", "blue", "EV_3").await?;
    site.wait_out("out.meter", 5).await?;
    let ended = site.end().await?;
    assert_eq!(ended.sorted("out.meter"), ["EV_1", "EV_2", "EV_3", "EV_behind", "EV_held"]);
    assert_eq!(ended.books("fresh")?, Sums { done: 5, dead: 1, ..Sums::default() });
    assert_eq!(ended.books("old")?, Sums::default());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_configuration_is_refused_with_its_place_and_the_old_one_stays_until_a_good_one_comes() -> Result<()> {
    let steady = || busy("steady", json!({}));
    let site = Site::start(WINDOW, &[steady()?]).await?;
    let good = fs::read_to_string(site.path("roomwire.yaml"))?;
    let mut absent = busy("absent", json!({}))?;
    absent["plugin"] = json!("./absent.wasm");
    let with = |handlers: &[Value], more: (&str, Value)| -> Result<String> {
        let mut file: Value = serde_json::from_str(&good)?;
        file["handlers"] = json!(handlers);
        file[more.0] = more.1;
        Ok(file.to_string())
    };
    let nothing = || ("admin", json!({}));
    let bad = [
        ("handlers: [\n".to_owned(), "roomwire.yaml:"),
        (with(&[steady()?, busy("x", json!({ "timeout": "5 bananas" }))?], nothing())?, "which is not a duration"),
        (with(&[busy("steady", json!({ "when": "room.name == 'a'" }))?], nothing())?, "`when` uses `room`"),
        (with(&[steady()?, absent], nothing())?, "the plugin of handler `absent` is refused"),
        (with(&[steady()?], ("streams", json!({ "shards": 3 })))?, "`streams.shards` would change from `2` to `3`"),
        (
            with(&[busy("steady", json!({ "secrets": ["S"] }))?], ("secrets", json!({ "S": { "file": "none" } })))?,
            "secret `S`",
        ),
    ];
    let mut refused = 0.0;
    for (number, (text, why)) in bad.iter().enumerate() {
        fs::write(site.path("roomwire.yaml"), text)?;
        refused += 1.0;
        wait_reloads(&site, "refused", refused).await?;
        ensure!(site.log().contains(why), "{why} is not said: {}", site.log());
        assert_eq!(site.metric("roomwire_runner_config_refused").await?, [(String::new(), 1.0)], "{why}");
        let (status, said) = site.readyz().await?;
        ensure!(status == 200 && said.contains("configuration: the one as it is now is refused"), "{status}: {said}");
        ensure!(said.contains(why), "{why} is not said: {said}");
        site.post("track_published", "blue", &format!("EV_{number}")).await?;
        site.wait_out("out.steady", number + 1).await?;
    }
    fs::write(site.path("roomwire.yaml"), &good)?;
    site.wait("the refusal to be over", || async {
        Ok(site.metric("roomwire_runner_config_refused").await? == [(String::new(), 0.0)])
    })
    .await?;
    assert_eq!(site.readyz().await?, (200, "ready\n".to_owned()));
    let claims = site.claims();
    assert!(claims.iter().all(|(_, epoch)| *epoch == 1), "nobody was stopped: {claims:?}");
    let ended = site.end().await?;
    assert_eq!(ended.books("steady")?, Sums { done: bad.len() as u64, ..Sums::default() });
    Ok(())
}
