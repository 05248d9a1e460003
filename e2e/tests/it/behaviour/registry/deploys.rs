//! Deploys that go well.

use std::fs;

use anyhow::{Result, ensure};
use serde_json::json;

use super::super::site::{Site, WINDOW};
use super::{OUT, deploy, greet, push, standing, wait_standing};

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_waits_for_its_first_deploy_takes_each_one_and_goes_back_where_it_is_told_to() -> Result<()> {
    let site = Site::start(WINDOW, &[greet(json!({}))?]).await?;
    site.post("track_published", "blue", "EV_1").await?;
    wait_standing(&site, "greet", "waiting").await?;
    let behave = push(&site, "behave").await?;
    deploy(&site, &behave).await?;
    site.wait_out(OUT, 1).await?;

    let publisher = push(&site, "publisher").await?;
    ensure!(publisher != behave && push(&site, "publisher").await? == publisher, "pushed twice");
    // The name alone is what was pushed last.
    let ended = site.ask_one(&["deploy", "greet", "--plugin", "greet"]).await?;
    ensure!(ended["plugin"] == publisher && ended["runners"][0]["state"] == "serving", "{ended}");
    site.post("track_published", "blue", "EV_2").await?;
    site.wait_out(OUT, 2).await?;

    let back = site.ask_one(&["rollback", "greet"]).await?;
    ensure!(back["plugin"] == behave && back["outcome"] == "serving", "{back}");
    site.post("track_published", "blue", "EV_3").await?;
    site.wait_out(OUT, 3).await?;
    let further = site.refusal(&["rollback", "greet"]).await?;
    ensure!(further.contains("has no earlier deploy"), "{further}");

    let versions = site.ask(&["plugin", "list"]).await?;
    let names: Vec<&str> = versions.iter().filter_map(|version| version["plugin"].as_str()).collect();
    ensure!(names == [publisher.as_str(), behave.as_str()], "{names:?}");
    let needed = site.refusal(&["plugin", "rm", &behave]).await?;
    ensure!(needed.contains("is needed by greet (deployed)") && needed.contains("--force"), "{needed}");
    site.ask_one(&["plugin", "rm", &publisher]).await?;
    let inspected = site.ask_one(&["plugin", "inspect", "greet"]).await?;
    ensure!(inspected["plugin"] == behave && inspected["uses"]["greet"] == "deployed", "{inspected}");

    // After a restart it is the same; compiled code that is damaged meanwhile is made anew.
    let site = site
        .restart_after(|rig| {
            let compiled: Vec<_> = fs::read_dir(rig.data().join("plugins/compiled"))?.collect::<Result<_, _>>()?;
            ensure!(compiled.len() == 2, "{compiled:?}");
            compiled.iter().try_for_each(|file| Ok(fs::write(file.path(), b"damaged")?))
        })
        .await?;
    site.post("track_published", "blue", "EV_4").await?;
    site.wait_out(OUT, 4).await?;
    ensure!(site.log().contains("it is compiled anew"), "{}", site.log());
    ensure!(behave.ends_with(standing(&site, "greet").await?["serving"].as_str().unwrap_or("?")), "another serves");
    let ended = site.end().await?;
    let plugins: Vec<&str> = ended.messages(OUT).iter().map(|message| message.header("plugin")).collect();
    assert_eq!(ended.out(OUT), ["EV_1", "EV_2", "EV_3", "EV_4"]);
    assert_eq!(plugins, ["behave", "publisher", "behave", "behave"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_handler_runs_its_version_and_is_not_deployed_to() -> Result<()> {
    let site = Site::start(WINDOW, &[greet(json!({ "plugin": "greet@sha256:00000000" }))?]).await?;
    let behave = push(&site, "behave").await?;
    wait_standing(&site, "greet", "refused").await?;
    let said = standing(&site, "greet").await?["error"].to_string();
    ensure!(said.contains("the registry has no plugin `greet@sha256:00000000`"), "{said}");
    let short = behave.get(.."greet@sha256:".len() + 12).unwrap_or_default().to_owned();
    let site = site.restart(&[greet(json!({ "plugin": short }))?]).await?;
    site.post("track_published", "blue", "EV_1").await?;
    site.wait_out(OUT, 1).await?;
    let refused = site.call(&["deploy", "greet", "--plugin", &behave]).await?;
    ensure!(refused.0 == 64 && refused.1.contains("is pinned by its configuration"), "{refused:?}");
    let refused = site.call(&["deploy", "nobody", "--plugin", &behave]).await?;
    ensure!(refused.0 == 64 && refused.1.contains("no runner that is alive has a handler `nobody`"), "{refused:?}");
    site.end().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_goes_with_its_runner_and_one_that_was_killed_is_forgotten() -> Result<()> {
    let site = Site::start(WINDOW, &[greet(json!({}))?]).await?;
    wait_standing(&site, "greet", "waiting").await?;
    let first = standing(&site, "greet").await?["runner"].clone();
    let site = site.restart(&[greet(json!({}))?]).await?;
    site.wait("the second runner to report", || async { Ok(standing(&site, "greet").await?["runner"] != first) })
        .await?;
    ensure!(site.ask(&["status"]).await?.len() == 1, "the first one said goodbye");
    let site = site.kill_and_start().await?;
    site.wait("the killed runner to be forgotten", || async {
        let runners: Vec<_> = site.ask(&["status"]).await?.into_iter().map(|line| line["runner"].clone()).collect();
        Ok(runners.len() == 1)
    })
    .await?;
    // Reports are in the server's memory only.
    site.restart_server().await?;
    wait_standing(&site, "greet", "waiting").await?;
    site.end().await?;
    Ok(())
}
