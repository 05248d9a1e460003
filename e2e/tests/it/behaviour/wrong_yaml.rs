//! A wrong configuration is refused with its place and the way out, and nothing is started.

use std::fs;
use std::path::Path;
use std::process::Output;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::{fixtures, release_binary};

use crate::rig::LONG;

/// The file, what is said of it after its name, and what the hint contains.
const WRONG: [(&str, &str, &str); 12] = [
    ("nats: { url: x }\nhandlrs: []\n", "2:1: unknown key `handlrs`", "did you mean `handlers`?"),
    ("HANDLER    timout: 1s\n", "6:5: unknown key `timout`", "did you mean `timeout`?"),
    ("HANDLER    timeout: 5 bananas\n", "6:14: `timeout` is `5 bananas`, which is not a duration", "`5s`"),
    ("HANDLER    timeout: 2h\n", "6:14: `timeout` is 2h", "it may be from 10ms to 1h"),
    ("HANDLER    memory: 8PiB\n", "6:13: `memory` is 8.0 PiB", "it may be from"),
    ("livekit:\n  keys: { APIabc: secret }\n", "2:19: the secret of key `APIabc` has 6 characters", "openssl rand"),
    ("livekit:\n  keys: { APIabc: \"${NO-NAME}\" }\n", "2:19: the secret of key `APIabc`", "${LIVEKIT_API_SECRET}"),
    ("HANDLER    when: event.room.name ==\n", "6:11: `when` is not a CEL expression", "README"),
    ("HANDLER    when: room.name == 'a'\n", "6:11: `when` uses `room`", "README"),
    ("HANDLER    on: [\"participant joined\"]\n", "6:", ""),
    ("HANDLER    allow: { publish: [\">\"] }\n", "6:24: `>` could reach", "begin with a word"),
    ("HANDLERHANDLER-AGAIN", "6:5: a second handler is named `meter`", "give each handler a name of its own"),
];

/// A handler on lines 1 to 5.
const HANDLER: &str = "handlers:\n  - name: meter\n    plugin: ./meter.wasm\n    on: [room_started]\n    start: all\n";

fn text(short: &str) -> String {
    let again = HANDLER.trim_start_matches("handlers:\n");
    short.replace("HANDLER-AGAIN", again).replace("HANDLER", HANDLER)
}

async fn roomwire(folder: &Path, arguments: &[&str]) -> Result<Output> {
    let mut command = tokio::process::Command::new(release_binary("roomwire")?);
    command.args(arguments).current_dir(folder).kill_on_drop(true);
    Ok(tokio::time::timeout(LONG, command.output()).await.context("roomwire does not end")??)
}

/// `up` on free ports, with the configuration of the folder; it must end by itself.
async fn up(folder: &Path) -> Result<Output> {
    roomwire(folder, &["up", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--ready-file", "ready.json"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mistake_ends_validate_and_up_with_64_its_place_and_a_hint_and_starts_nothing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    fs::copy(fixtures::plugin("behave")?, folder.path().join("meter.wasm"))?;
    for (short, place, hint) in WRONG {
        let file = text(short);
        fs::write(folder.path().join("roomwire.yaml"), &file)?;
        let validated = roomwire(folder.path(), &["config", "validate"]).await?;
        let told = String::from_utf8(validated.stdout)?;
        assert_eq!(validated.status.code(), Some(64), "{file}{told}");
        assert!(told.starts_with(&format!("roomwire.yaml:{place}")) && told.contains(hint), "{file}{told}");
        let ended = up(folder.path()).await?;
        let words = String::from_utf8(ended.stderr)?;
        assert_eq!(ended.status.code(), Some(64), "{file}{words}");
        assert!(words.contains(&format!("roomwire.yaml:{place}")) && words.contains(hint), "{file}{words}");
        assert!(!folder.path().join(".roomwire").exists() && !folder.path().join("ready.json").exists(), "{file}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variable_that_is_not_set_ends_up_with_64_and_a_plugin_that_is_missing_is_found_by_validate() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("roomwire.yaml");
    fs::write(&file, "livekit:\n  keys: { APIabc: \"${ROOMWIRE_TEST_NEVER_SET}\" }\n")?;
    let ended = up(folder.path()).await?;
    let words = String::from_utf8(ended.stderr)?;
    assert_eq!(ended.status.code(), Some(64), "{words}");
    let place = "roomwire.yaml:2:19: the secret of key `APIabc` needs the environment variable ROOMWIRE_TEST_NEVER_SET";
    assert!(words.contains(place) && words.contains("set ROOMWIRE_TEST_NEVER_SET, or write"), "{words}");
    assert!(!folder.path().join(".roomwire").exists());

    fs::write(&file, HANDLER)?;
    let validated = roomwire(folder.path(), &["config", "validate"]).await?;
    let told = String::from_utf8(validated.stdout)?;
    assert_eq!(validated.status.code(), Some(64), "{told}");
    assert!(told.starts_with("roomwire.yaml:3:13: the plugin of handler `meter` is not there: "), "{told}");
    assert!(told.contains("\n  build it, or correct the path"), "{told}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_without_handlers_is_valid() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for file in ["", "# nothing yet\n", "handlers: []\n", "streams: { shards: 2 }\n"] {
        fs::write(folder.path().join("roomwire.yaml"), file)?;
        let validated = roomwire(folder.path(), &["config", "validate", "--output", "json"]).await?;
        let told = String::from_utf8(validated.stdout)?;
        ensure!(validated.status.code() == Some(0), "{file}{told}");
        let told: Value = serde_json::from_str(&told)?;
        assert_eq!(told, json!({ "valid": true, "file": "roomwire.yaml", "handlers": [] }), "{file}");
    }
    Ok(())
}
