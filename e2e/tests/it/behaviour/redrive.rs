//! A dead letter comes back when an operator says so, in its place and with its history.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::fixtures;

use super::site::{Site, Sums, WINDOW};
use crate::rig::{Rig, handler};

/// Puts a built guest over a plugin's file as a deploy does: written beside it and renamed.
pub(super) fn deploy(guest: &str, file: &Path) -> Result<()> {
    let beside = file.with_extension("new");
    fs::copy(fixtures::plugin(guest)?, &beside).context("cannot copy the plugin")?;
    fs::rename(beside, file).context("cannot rename the plugin")
}

fn numbers(letter: &Value) -> Vec<u64> {
    let history = letter["history"].as_array().map(Vec::as_slice).unwrap_or_default();
    history.iter().filter_map(|attempt| attempt["attempt"].as_u64()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn with_hold_a_room_waits_for_the_redrive_and_with_continue_it_goes_on_without() -> Result<()> {
    let config = |out: &str| json!({ "publish_to": out, "subject": out, "id:EV_2": "permanent:not in this version" });
    let more = |on_dead: &str| json!({ "plugin": "./meter.wasm", "on_dead": on_dead });
    let handlers = [
        handler("holds", "behave", config("out.holds"), more("hold"))?,
        handler("passes", "behave", config("out.passes"), more("continue"))?,
    ];
    let rig = Rig::new(json!({}))?;
    deploy("behave", &rig.path("meter.wasm"))?;
    let site = Site::start_in(rig, WINDOW, &handlers).await?;
    site.post_all("track_published", "blue", &["EV_1", "EV_2", "EV_3", "EV_4"]).await?;
    site.post("track_published", "green", "EV_elsewhere").await?;
    site.wait_out("out.passes", 4).await?;
    site.wait_state("holds", "EV_2", "dead").await?;
    site.wait_state("holds", "EV_3", "parked").await?;
    site.wait_state("holds", "EV_4", "parked").await?;
    site.wait_state("holds", "EV_elsewhere", "done").await?;
    let letters = site.ask(&["dlq", "show", "EV_2"]).await?;
    let told: Vec<_> = letters.iter().map(|letter| (&letter["handler"], &letter["held"], &letter["error"])).collect();
    let error = json!("not in this version");
    assert_eq!(told, [(&json!("holds"), &json!(true), &error), (&json!("passes"), &json!(false), &error)]);

    deploy("publisher", &site.path("meter.wasm"))?;
    site.wait_activations("holds", "taken", 2.0).await?;
    site.wait_activations("passes", "taken", 2.0).await?;
    let redriven = site.ask(&["dlq", "redrive", "EV_2"]).await?;
    let redriven: Vec<_> = redriven.iter().map(|letter| (&letter["handler"], &letter["id"])).collect();
    assert_eq!(redriven, [(&json!("holds"), &json!("EV_2")), (&json!("passes"), &json!("EV_2"))]);
    site.wait_out("out.holds", 5).await?;
    site.wait_out("out.passes", 5).await?;
    assert_eq!(site.ask(&["dlq", "list"]).await?, Vec::<Value>::new());
    site.post("track_published", "blue", "EV_5").await?;
    site.wait_out("out.holds", 6).await?;
    site.wait_out("out.passes", 6).await?;
    assert!(site.refusal(&["dlq", "redrive", "EV_2"]).await?.contains("no dead letter with id `EV_2`"));

    let ended = site.end().await?;
    let blue = |subject| ended.out(subject).into_iter().filter(|id| id != "EV_elsewhere").collect::<Vec<_>>();
    assert_eq!(blue("out.holds"), ["EV_1", "EV_2", "EV_3", "EV_4", "EV_5"]);
    assert_eq!(blue("out.passes"), ["EV_1", "EV_3", "EV_4", "EV_2", "EV_5"]);
    let by_publisher = |subject| {
        let messages = ended.messages(subject);
        messages.iter().filter(|message| message.header("plugin") == "publisher").count()
    };
    assert_eq!((by_publisher("out.holds"), by_publisher("out.passes")), (4, 2));
    for name in ["holds", "passes"] {
        assert_eq!(ended.books(name)?, Sums { done: 6, ..Sums::default() }, "{name}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redriven_event_goes_on_counting_its_attempts_and_keeps_its_history() -> Result<()> {
    let behaviours = json!({ "publish_to": "out.meter", "id:EV_never": "permanent", "id:EV_third": "trap-until:3" });
    let meter = handler("meter", "behave", behaviours, json!({ "retry": { "initial": "10ms", "crash_attempts": 2 } }))?;
    let site = Site::start(WINDOW, &[meter]).await?;
    site.post("track_published", "blue", "EV_never").await?;
    site.post("track_published", "green", "EV_third").await?;
    site.wait_state("meter", "EV_never", "dead").await?;
    site.wait_state("meter", "EV_third", "dead").await?;
    assert_eq!(numbers(&site.ask_one(&["dlq", "show", "EV_never"]).await?), [1]);
    assert_eq!(numbers(&site.ask_one(&["dlq", "show", "EV_third"]).await?), [1, 2]);

    assert_eq!(site.ask_one(&["dlq", "redrive", "EV_third"]).await?["handler"], "meter");
    site.wait_state("meter", "EV_third", "done").await?;
    assert_eq!(site.ask_one(&["dlq", "redrive", "--handler", "meter", "--all"]).await?["id"], "EV_never");
    site.wait("another death", || async { Ok(site.count("RW_DEAD", "rw.dead.>").await? == 3) }).await?;
    let letter = site.ask_one(&["dlq", "show", "EV_never"]).await?;
    assert_eq!((numbers(&letter), &letter["attempts"]), (vec![1, 2], &json!(2)), "{letter:#}");
    let feed = site.stored("RW_DEAD").await?;
    let mut notices: Vec<&str> = feed.iter().map(|message| message.header("Nats-Msg-Id")).collect();
    notices.sort_unstable();
    assert_eq!(notices, ["dead/meter/EV_never/1", "dead/meter/EV_never/2", "dead/meter/EV_third/1"]);

    let ended = site.end().await?;
    let attempts: Vec<_> = ended.messages("out.meter").iter().map(|message| message.header("attempt")).collect();
    assert_eq!((ended.out("out.meter"), attempts), (vec!["EV_third".into()], vec!["3"]));
    assert_eq!(ended.books("meter")?, Sums { done: 1, dead: 1, ..Sums::default() });
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_changed_configuration_all_dead_letters_of_a_handler_come_back_in_order() -> Result<()> {
    let meter = |behaviour: &str| {
        handler("meter", "behave", json!({ "publish_to": "out.meter", "room:blue": behaviour }), json!({}))
    };
    let mut site = Site::start(WINDOW, &[meter("permanent")?]).await?;
    let ids: Vec<String> = (0..20).map(|number| format!("EV_{number:02}")).collect();
    site.post_all("track_published", "blue", &ids).await?;
    site.post("track_published", "green", "EV_well").await?;
    for id in &ids {
        site.wait_state("meter", id, "dead").await?;
    }
    site = site.restart(&[meter("ok")?]).await?;
    assert_eq!(site.ask(&["dlq", "redrive", "--handler", "meter", "--all"]).await?.len(), ids.len());
    site.wait_out("out.meter", 21).await?;
    let ended = site.end().await?;
    let blue: Vec<String> = ended.out("out.meter").into_iter().filter(|id| id != "EV_well").collect();
    assert_eq!(blue, ids);
    assert_eq!(ended.books("meter")?, Sums { done: 21, ..Sums::default() });
    Ok(())
}
