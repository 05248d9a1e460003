//! Plugins of the registry: pushed, deployed, taken back, refused; by the command line, on a runner that goes on meanwhile.

mod deploys;
mod outage;
mod refusals;
mod signatures;

use anyhow::{Context as _, Result, ensure};
use async_nats::jetstream;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use testkit::fixtures;

use super::site::Site;
use crate::rig::handler;

/// The subject that the handlers here publish to.
const OUT: &str = "out.greet";

/// A handler that takes plugin `greet` of the registry, with config that all guests here understand.
fn greet(more: Value) -> Result<Value> {
    let mut config = json!({ "publish_to": OUT, "subject": OUT });
    if let (Value::Object(config), Some(Value::Object(further))) = (&mut config, more.get("config")) {
        config.extend(further.clone());
    }
    let mut more = more;
    more["config"] = config;
    let named = json!({ "plugin": "greet" });
    let mut section = handler("greet", "behave", json!({}), named)?;
    if let (Value::Object(section), Value::Object(more)) = (&mut section, more) {
        section.extend(more);
    }
    Ok(section)
}

/// Pushes a guest as plugin `greet`: how it is named from then on.
async fn push(site: &Site, guest: &str) -> Result<String> {
    let file = fixtures::plugin(guest)?.display().to_string();
    let pushed = site.ask_one(&["plugin", "push", &file, "--name", "greet"]).await?;
    Ok(pushed["plugin"].as_str().context("no reference")?.to_owned())
}

/// Deploys a version, which must serve.
async fn deploy(site: &Site, plugin: &str) -> Result<()> {
    let ended = site.ask_one(&["deploy", "greet", "--plugin", plugin]).await?;
    ensure!(ended["outcome"] == "serving" && ended["plugin"] == plugin, "{ended}");
    Ok(())
}

/// What the one runner says of a handler.
async fn standing(site: &Site, handler: &str) -> Result<Value> {
    let all = site.ask(&["status"]).await?;
    all.into_iter().find(|line| line["handler"] == handler).with_context(|| format!("nothing of {handler}"))
}

/// Waits until the runner says so of a handler.
async fn wait_standing(site: &Site, handler: &str, state: &str) -> Result<()> {
    site.wait(&format!("{handler} to be {state}"), || async { Ok(standing(site, handler).await?["state"] == state) })
        .await
}

/// Puts bytes into the registry as no honest command does it; the reference that names them.
async fn smuggle(site: &Site, digest: &str, bytes: &[u8]) -> Result<String> {
    let store = jetstream::new(site.client()).get_object_store("RW_PLUGINS").await?;
    let mut bytes = bytes;
    store.put(format!("greet@{digest}").as_str(), &mut bytes).await?;
    Ok(format!("greet@sha256:{digest}"))
}

/// The digest of a plugin of these bytes.
fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
