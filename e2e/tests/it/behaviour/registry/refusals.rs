//! What cannot run: it reaches no event, and what served before serves on, also after a restart.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use testkit::fixtures;

use super::super::site::{Site, WINDOW};
use super::{OUT, deploy, greet, push, sha256, smuggle, standing, wait_standing};

#[tokio::test(flavor = "multi_thread")]
async fn whatever_cannot_run_is_refused_with_its_reason_and_the_old_version_serves_on() -> Result<()> {
    let site = Site::start(WINDOW, &[greet(json!({}))?]).await?;
    let good = push(&site, "publisher").await?;
    deploy(&site, &good).await?;
    let of = |guest: &str| -> Result<Vec<u8>> { Ok(fs::read(fixtures::plugin(guest)?)?) };
    let digest = |number: usize| format!("{number:064x}");
    let wrong_world = of("wrong_world")?;
    let compiled = fs::read_dir(site.path("data/plugins/compiled"))?.next().context("nothing is compiled")??;
    let machine_code = fs::read(compiled.path())?.split_off(32);
    let cases = [
        (smuggle(&site, &digest(1), &of("behave")?).await?, "is damaged: its digest is another one"),
        (smuggle(&site, &digest(2), &vec![0; (64 << 20) + 1]).await?, "more than the 64 MiB"),
        (smuggle(&site, &sha256(&wrong_world), &wrong_world).await?, "does not fit the world"),
        (smuggle(&site, &sha256(&machine_code), &machine_code).await?, "is precompiled machine code"),
        (push(&site, "check_fails").await?, "refused its configuration: this plugin never passes its check"),
    ];
    for (number, (plugin, reason)) in cases.iter().enumerate() {
        let said = site.refusal(&["deploy", "greet", "--plugin", plugin]).await?;
        ensure!(said.contains(reason) && said.contains("1 of 1 runner refused it"), "{plugin}: {said}");
        ensure!(good.ends_with(standing(&site, "greet").await?["serving"].as_str().unwrap_or("?")), "{plugin}");
        site.post("track_published", "blue", &format!("EV_{number}")).await?;
        site.wait_out(OUT, number + 1).await?;
    }
    // The wanted version is still the bad one: a runner that starts takes the one before.
    let site = site.kill_and_start().await?;
    site.post("track_published", "blue", "EV_last").await?;
    site.wait_out(OUT, cases.len() + 1).await?;
    wait_standing(&site, "greet", "refused").await?;
    let ended = site.end().await?;
    ensure!(ended.messages(OUT).iter().all(|message| message.header("plugin") == "publisher"));
    assert_eq!(ended.out(OUT).len(), cases.len() + 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn readyz_and_a_metric_name_a_version_that_was_refused_until_one_serves_that_is_wanted() -> Result<()> {
    let site = Site::start(WINDOW, &[greet(json!({}))?]).await?;
    let held_back = async || {
        let found = site.metric("roomwire_runner_plugin_held_back").await?;
        anyhow::Ok(found.into_iter().map(|(labels, value)| format!("{labels} {value}")).collect::<Vec<_>>())
    };
    wait_standing(&site, "greet", "waiting").await?;
    let nothing = "ready\nhandler greet: nothing of plugin `greet` is deployed yet; nothing serves, its events wait\n";
    assert_eq!(site.readyz().await?, (200, nothing.to_owned()));
    let good = push(&site, "publisher").await?;
    deploy(&site, &good).await?;
    site.wait("nothing to be wrong", || async { Ok(site.readyz().await? == (200, "ready\n".to_owned())) }).await?;
    assert_eq!(held_back().await?, ["{handler=\"greet\"} 0"]);

    let bad = push(&site, "check_fails").await?;
    let short = |plugin: &str| plugin.get("greet@".len()..).and_then(|it| it.get(..19)).unwrap_or_default().to_owned();
    site.refusal(&["deploy", "greet", "--plugin", &bad]).await?;
    let (status, said) = site.readyz().await?;
    let (begins, ends) = (
        format!("ready\nhandler greet: the newest version, {}, is refused: ", short(&bad)),
        format!("; {} serves\n", short(&good)),
    );
    ensure!(status == 200 && said.starts_with(&begins) && said.ends_with(&ends), "{status}: {said}");
    ensure!(said.contains("this plugin never passes its check") && said.lines().count() == 2, "{said}");
    assert_eq!(held_back().await?, ["{handler=\"greet\"} 1"]);
    let line = standing(&site, "greet").await?;
    ensure!(line["state"] == "refused" && good.ends_with(line["serving"].as_str().unwrap_or("?")), "{line}");
    ensure!(line["error"].as_str().is_some_and(|it| it.contains("this plugin never passes its check")), "{line}");

    site.ask_one(&["rollback", "greet"]).await?;
    site.wait("nothing to be wrong any more", || async { Ok(site.readyz().await?.1 == "ready\n") }).await?;
    assert_eq!(held_back().await?, ["{handler=\"greet\"} 0"]);
    site.end().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_loops_or_traps_is_a_refusal_like_any_other() -> Result<()> {
    for (check, reason) in [("loop", "`check` ended as timeout"), ("trap", "`check` ended as trap")] {
        let site = Site::start(WINDOW, &[greet(json!({ "timeout": "500ms", "config": { "check": check } }))?]).await?;
        let good = push(&site, "publisher").await?;
        deploy(&site, &good).await?;
        let bad = push(&site, "check_fails").await?;
        let said = site.refusal(&["deploy", "greet", "--plugin", &bad]).await?;
        ensure!(said.contains(reason), "{said}");
        site.post("track_published", "blue", "EV_1").await?;
        site.wait_out(OUT, 1).await?;
        site.end().await?;
    }
    Ok(())
}
