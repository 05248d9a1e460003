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
