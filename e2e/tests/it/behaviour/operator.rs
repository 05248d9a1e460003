//! What operators type against a running system, with JSON as its answer.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use livekit::generate::KINDS;
use serde_json::{Value, json};
use testkit::{NatsServer, Process, fixtures};

use super::site::{Site, Sums, WINDOW};
use crate::rig::{LONG, Rig, handler};

fn ids(objects: &[Value]) -> Vec<&str> {
    objects.iter().filter_map(|object| object["id"].as_str()).collect()
}

fn meter() -> Result<Value> {
    handler("meter", "behave", json!({ "publish_to": "out.meter" }), json!({}))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_that_is_sent_is_accepted_listed_and_handled() -> Result<()> {
    let site = Site::start(WINDOW, &[meter()?]).await?;
    let mut sent = Vec::new();
    for kind in KINDS.into_iter().chain(["room_painted", "room.painted"]) {
        let line = site.ask_one(&["sim", "send", "--type", kind, "--room", "blue", "--identity", "ann"]).await?;
        assert_eq!((&line["type"], &line["status"], &line["accepted"]), (&json!(kind), &json!(200), &json!(true)));
        sent.push((line["id"].as_str().context("an id")?.to_owned(), kind));
    }
    let listed = site.ask(&["events", "list", "--limit", "100"]).await?;
    let rows: Vec<_> =
        listed.iter().filter_map(|row| Some((row["id"].as_str()?.to_owned(), row["type"].as_str()?))).collect();
    assert_eq!(rows, sent);
    site.wait_out("out.meter", sent.len()).await?;
    let ended = site.end().await?;
    let mut ids: Vec<String> = sent.into_iter().map(|(id, _)| id).collect();
    ids.sort();
    assert_eq!(ended.sorted("out.meter"), ids);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn meetings_and_recordings_are_handled_each_event_once_and_in_the_order_of_their_rooms() -> Result<()> {
    let site = Site::start(WINDOW, &[meter()?]).await?;
    let mut sent: Vec<String> = Vec::new();
    let meeting = site.ask(&["sim", "meeting", "--participants", "4", "--rooms", "3"]).await?;
    assert_eq!(meeting.len(), 3 * 18);
    sent.extend(ids(&meeting).into_iter().map(str::to_owned));
    for recording in fixtures::RECORDINGS {
        let path = fixtures::path(recording).display().to_string();
        let lines = fixtures::text(recording)?.lines().filter(|line| !line.trim().is_empty()).count();
        let replayed = site.ask(&["sim", "replay", &path, "--speed", "0"]).await?;
        assert_eq!(replayed.len(), lines, "{recording}");
        assert!(replayed.iter().all(|line| line["accepted"] == true), "{recording}: {replayed:?}");
        sent.extend(ids(&replayed).into_iter().map(str::to_owned));
    }
    // Recordings hold repeats, which share an id.
    let distinct: BTreeSet<String> = sent.iter().cloned().collect();
    assert!(distinct.len() < sent.len());
    site.wait_out("out.meter", distinct.len()).await?;
    let listed = site.ask(&["events", "list", "--limit", "1000"]).await?;
    assert_eq!(ids(&listed).len(), distinct.len());
    let ended = site.end().await?;
    let out = ended.out("out.meter");
    assert_eq!((out.len(), out.iter().cloned().collect::<BTreeSet<_>>()), (distinct.len(), distinct));
    let mut keys: Vec<&str> = listed.iter().filter_map(|row| row["key"].as_str()).collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        let rows: Vec<&Value> = listed.iter().filter(|row| row["key"] == key).collect();
        let accepted: Vec<&str> = rows.iter().filter_map(|row| row["id"].as_str()).collect();
        let handled: Vec<&str> = out.iter().map(String::as_str).filter(|id| accepted.contains(id)).collect();
        assert_eq!(handled, accepted, "{key}: {rows:?}");
    }
    assert_eq!(ended.books("meter")?, Sums { done: out.len() as u64, ..Sums::default() });
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_shows_what_comes_as_objects_until_ctrl_c() -> Result<()> {
    let site = Site::start(WINDOW, &[]).await?;
    site.post("room_started", "blue", "EV_before").await?;
    let data = site.path("data").display().to_string();
    // It finds the running `up` in its data folder.
    let tail = Process::start("roomwire", ["events", "tail", "--room", "blue", "--output", "json", "--data", &data])?;
    let rows = || tail.log().lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).collect::<Vec<_>>();
    let mut number = 0;
    while rows().is_empty() {
        number += 1;
        site.post("room_started", "green", &format!("EV_green-{number}")).await?;
        site.post("room_finished", "blue", &format!("EV_blue-{number}")).await?;
        anyhow::ensure!(tail.ended()?.is_none(), "{}", tail.log());
    }
    let row = rows().into_iter().next().context("a row")?;
    assert_eq!((&row["type"], &row["room"], &row["key"]), (&json!("room_finished"), &json!("blue"), &json!("blue")));
    tail.sigint()?;
    assert!(tail.wait_exit(LONG).await?.success(), "{}", tail.log());
    assert!(rows().iter().all(|row| row["room"] == "blue" && row["id"] != "EV_before"), "{}", tail.log());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_there_is_not_is_refused_in_words() -> Result<()> {
    let site = Site::start(WINDOW, &[meter()?]).await?;
    assert_eq!(site.ask(&["dlq", "list"]).await?, Vec::<Value>::new());
    assert_eq!(site.ask(&["dlq", "redrive", "--handler", "meter", "--all"]).await?, Vec::<Value>::new());
    for arguments in [&["dlq", "show", "EV_none"][..], &["dlq", "redrive", "EV_none"]] {
        assert!(site.refusal(arguments).await?.contains("no dead letter with id `EV_none`"), "{arguments:?}");
    }
    let refused = site.refusal(&["dlq", "redrive", "EV_none", "--handler", "nobody"]).await?;
    assert!(refused.contains("no handler `nobody` on this runner"), "{refused}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_runner_the_command_that_starts_one_is_told() -> Result<()> {
    let (nats, rig) = (NatsServer::start().await?, Rig::new(json!({}))?);
    for arguments in [&["dlq", "list"][..], &["dlq", "show", "EV_1"], &["dlq", "redrive", "EV_1"]] {
        let output = rig.roomwire(&[arguments, &["--nats", &nats.url()]].concat()).await?;
        let words = String::from_utf8(output.stderr)?;
        assert_eq!(output.status.code(), Some(1), "{words}");
        assert!(words.contains("no runner answers on `rw.ctl.runner`; start it with `roomwire up`"), "{words}");
    }
    Ok(())
}
