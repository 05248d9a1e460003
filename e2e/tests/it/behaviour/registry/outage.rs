//! The registry cannot be reached: what serves goes on, a start takes what was deployed last, and what was deployed meanwhile
//! is taken once it can be reached again.

use std::time::Duration;

use anyhow::{Result, ensure};
use async_nats::jetstream;
use serde_json::{Value, json};

use super::super::site::{Site, WINDOW};
use super::{OUT, deploy, greet, push, wait_standing};
use crate::rig::Rig;

/// Whoever gives no name is `runner`; with `shut` that user gets no answer from the registry, and all else as before.
fn users(shut: bool) -> String {
    let shut = if shut {
        "publish: { deny: [\"$JS.API.*.*.KV_RW_DEPLOYS\", \"$JS.API.*.*.KV_RW_DEPLOYS.>\", \
         \"$JS.API.*.*.OBJ_RW_PLUGINS\", \"$JS.API.*.*.OBJ_RW_PLUGINS.>\"] }"
    } else {
        "publish: \">\""
    };
    format!(
        "no_auth_user: runner\nauthorization {{ users: [\n  {{ user: admin, password: admin }}\n  \
         {{ user: runner, password: runner, permissions: {{ {shut}, subscribe: \">\" }} }}\n] }}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_registry_is_out_of_reach_what_serves_goes_on_also_over_a_restart() -> Result<()> {
    let handlers = [greet(json!({}))?];
    let mut site = Site::start_with(Rig::new(json!({}))?, WINDOW, &handlers, json!({}), &users(false)).await?;
    let behave = push(&site, "behave").await?;
    deploy(&site, &behave).await?;
    let publisher = push(&site, "publisher").await?;
    site.reload_server(&users(true))?;
    site.wait("the registry to be out of reach", || async {
        let mut js = jetstream::new(site.client());
        js.set_timeout(Duration::from_millis(500));
        Ok(js.get_key_value("RW_DEPLOYS").await.is_err())
    })
    .await?;
    let admin = format!("nats://admin:admin@{}", site.server());
    let arguments = ["deploy", "greet", "--plugin", &publisher, "--no-wait", "--nats", &admin];
    let deployed: Vec<Value> = site.ask_elsewhere(&arguments).await?;
    ensure!(deployed.first().is_some_and(|line| line["outcome"] == "not_awaited"), "{deployed:?}");
    site.post("track_published", "blue", "EV_1").await?;
    site.wait_out(OUT, 1).await?;
    // It knows what it ran, and has a copy of it.
    let mut site = site.kill_and_start().await?;
    site.post("track_published", "blue", "EV_2").await?;
    site.wait_out(OUT, 2).await?;
    ensure!(site.log().contains("taking what was deployed last"), "{}", site.log());
    let (status, said) = site.readyz().await?;
    ensure!(status == 200 && said.contains("handler greet: what was deployed last is not known"), "{status}: {said}");
    site.reload_server(&users(false))?;
    site.wait("the second version to serve", || async {
        Ok(site.ask(&["status"]).await?.iter().any(|line| {
            line["state"] == "serving" && line["serving"].as_str().is_some_and(|digest| publisher.ends_with(digest))
        }))
    })
    .await?;
    site.wait("nothing to be wrong any more", || async { Ok(site.readyz().await?.1 == "ready\n") }).await?;
    site.post("track_published", "blue", "EV_3").await?;
    site.wait_out(OUT, 3).await?;
    let ended = site.end().await?;
    let plugins: Vec<&str> = ended.messages(OUT).iter().map(|message| message.header("plugin")).collect();
    assert_eq!(plugins, ["behave", "behave", "publisher"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_lost_everything_changes_nothing_for_what_serves() -> Result<()> {
    let site = Site::start(WINDOW, &[greet(json!({}))?]).await?;
    let behave = push(&site, "behave").await?;
    deploy(&site, &behave).await?;
    let js = jetstream::new(site.client());
    for stream in ["OBJ_RW_PLUGINS", "KV_RW_DEPLOYS", "KV_RW_RUNNERS"] {
        js.delete_stream(stream).await?;
    }
    site.post("track_published", "blue", "EV_1").await?;
    site.wait_out(OUT, 1).await?;
    // What is pushed and deployed anew counts, although its revisions begin again at 1.
    let publisher = push(&site, "publisher").await?;
    site.wait("a runner to report again", || async { Ok(!site.ask(&["status"]).await?.is_empty()) }).await?;
    deploy(&site, &publisher).await?;
    wait_standing(&site, "greet", "serving").await?;
    site.post("track_published", "blue", "EV_2").await?;
    site.wait_out(OUT, 2).await?;
    let ended = site.end().await?;
    let plugins: Vec<&str> = ended.messages(OUT).iter().map(|message| message.header("plugin")).collect();
    assert_eq!(plugins, ["behave", "publisher"]);
    Ok(())
}
