//! What operators do with dead letters and with handlers: count, skip, drop, redrive some of them; pause and go on.

use anyhow::Result;
use serde_json::{Value, json};

use super::site::{Site, Sums, WINDOW};
use crate::rig::handler;

/// Its rooms wait behind dead letters; those of `EV_no-…` name a thing each, those of `EV_trap-…` trap.
fn holds() -> Result<Value> {
    let behaviours = json!({
        "publish_to": "out.holds",
        "id:EV_no-1": "permanent:no plan 17 for `ann`",
        "id:EV_no-2": "permanent:no plan 4 for `bob`",
        "id:EV_trap-1": "trap",
    });
    handler("holds", "behave", behaviours, json!({ "on_dead": "hold", "retry": { "crash_attempts": 1 } }))
}

fn ids(letters: &[Value]) -> Vec<&str> {
    let mut ids: Vec<_> = letters.iter().filter_map(|letter| letter["id"].as_str()).collect();
    ids.sort_unstable();
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_counted_by_error_and_skipped_and_dropped_by_filter() -> Result<()> {
    let site = Site::start(WINDOW, &[holds()?]).await?;
    for (room, id) in [("red", "EV_no-1"), ("green", "EV_no-2"), ("blue", "EV_trap-1")] {
        site.post("track_published", room, id).await?;
        site.post("room_finished", room, &format!("EV_after-{id}")).await?;
        site.wait_state("holds", id, "dead").await?;
        site.wait_state("holds", &format!("EV_after-{id}"), "parked").await?;
    }
    let groups = site.ask(&["dlq", "group"]).await?;
    let counted: Vec<_> = groups.iter().map(|group| (&group["cause"], &group["letters"], &group["rooms"])).collect();
    assert_eq!(counted, [(&json!("permanent"), &json!(2), &json!(2)), (&json!("trap"), &json!(1), &json!(1))]);
    let like = groups[0]["fingerprint"].as_str().unwrap_or_default();
    assert_eq!(ids(&site.ask(&["dlq", "list", "--like", like]).await?), ["EV_no-1", "EV_no-2"]);
    assert_eq!(ids(&site.ask(&["dlq", "list", "--cause", "trap", "--type", "track_published"]).await?), ["EV_trap-1"]);
    assert_eq!(site.ask(&["dlq", "list", "--type", "room_started"]).await?, Vec::<Value>::new());
    assert_eq!(site.ask(&["dlq", "list", "--until", "1h"]).await?, Vec::<Value>::new());
    assert_eq!(ids(&site.ask(&["dlq", "list", "--since", "1h"]).await?).len(), 3);

    let meant = site.ask(&["dlq", "drop", "--all", "--like", like, "--dry-run"]).await?;
    assert_eq!(ids(&meant), ["EV_no-1", "EV_no-2"]);
    assert_eq!(site.ask(&["dlq", "list"]).await?.len(), 3, "a dry run changes nothing");
    assert_eq!(site.ask_one(&["dlq", "skip", "EV_no-1"]).await?["handler"], "holds");
    site.wait_state("holds", "EV_no-1", "skipped").await?;
    site.wait_state("holds", "EV_after-EV_no-1", "done").await?;
    assert!(site.ask_one(&["dlq", "show", "EV_no-1"]).await?["body"].as_str().is_some_and(|body| body.contains("ann")));
    assert_eq!(ids(&site.ask(&["dlq", "drop", "--all", "--like", like, "--rate", "1000"]).await?), ["EV_no-2"]);
    site.wait_state("holds", "EV_after-EV_no-2", "done").await?;
    assert_eq!(site.ask_one(&["dlq", "show", "EV_no-2"]).await?["body"], "", "it is erased");
    assert!(site.refusal(&["dlq", "redrive", "EV_no-2"]).await?.contains("no dead letter with id `EV_no-2`"));
    assert_eq!(ids(&site.ask(&["dlq", "list"]).await?), ["EV_trap-1"]);

    let ended = site.end().await?;
    assert_eq!(ended.sorted("out.holds"), ["EV_after-EV_no-1", "EV_after-EV_no-2"]);
    assert_eq!(ended.books("holds")?, Sums { done: 2, skipped: 2, parked: 1, dead: 1, ..Sums::default() });
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_handler_waits_over_a_restart_and_its_neighbour_does_not() -> Result<()> {
    let meter = |name: &str| handler(name, "behave", json!({ "publish_to": format!("out.{name}") }), json!({}));
    let handlers = [meter("waits")?, meter("works")?];
    let site = Site::start(WINDOW, &handlers).await?;
    assert_eq!(site.ask_one(&["handler", "pause", "waits"]).await?["handler"], "waits");
    site.post("room_started", "blue", "EV_1").await?;
    site.wait_state("works", "EV_1", "done").await?;
    let site = site.restart(&handlers).await?;
    site.post("room_finished", "blue", "EV_2").await?;
    site.wait_state("works", "EV_2", "done").await?;
    let listed = site.ask(&["handler", "list"]).await?;
    let states: Vec<_> = listed.iter().map(|handler| (&handler["handler"], &handler["state"])).collect();
    assert_eq!(states, [(&json!("waits"), &json!("paused")), (&json!("works"), &json!("running"))]);
    assert_eq!(site.states(&["EV_1", "EV_2"]).await?.values().filter(|of| of.contains_key("waits")).count(), 0);
    assert!(site.refusal(&["handler", "resume", "nobody"]).await?.contains("no handler is named `nobody`"));
    site.ask_one(&["handler", "resume", "waits"]).await?;
    site.wait_out("out.waits", 2).await?;
    let ended = site.end().await?;
    for name in ["waits", "works"] {
        assert_eq!(ended.out(&format!("out.{name}")), ["EV_1", "EV_2"]);
    }
    Ok(())
}
