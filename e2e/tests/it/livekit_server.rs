//! The scenario that `make e2e-livekit` plays on a real livekit-server: played on a stand-in, as far as that goes.

use std::path::PathBuf;
use std::process::Output;

use anyhow::{Context as _, Result, ensure};
use testkit::{nats_server_binary, release_binary, workspace};
use tokio::process::Command;
use tokio::time::timeout;

use crate::rig::LONG;

fn folder() -> PathBuf {
    workspace().join("e2e/livekit-server")
}

async fn scenario(patience: &str, loses: &str) -> Result<Output> {
    let mut command = Command::new("python3");
    command.arg(folder().join("scenario.py")).args(["--without-media", "--patience", patience]);
    command.arg("--server").arg(folder().join("stand_in.py"));
    command.arg("--roomwire").arg(release_binary("roomwire")?);
    command.arg("--nats-server").arg(nats_server_binary()?);
    command.env("STAND_IN_LOSES", loses).env("PYTHONDONTWRITEBYTECODE", "1").kill_on_drop(true);
    let output = timeout(LONG, command.output()).await.context("the scenario does not end")?;
    output.context("cannot run python3: install Python 3.9 or newer")
}

#[tokio::test]
async fn the_scenario_passes_where_all_that_was_sent_is_stored() -> Result<()> {
    let output = scenario("45", "").await?;
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{said}{errors}");
    assert!(said.ends_with("6 events, all sent, stored once and in order\n"), "{said}");
    Ok(())
}

#[tokio::test]
async fn the_scenario_fails_where_an_event_is_missing_that_the_server_has_sent() -> Result<()> {
    let output = scenario("3", "participant_connection_aborted").await?;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(
        errors.contains("and it is not stored") && errors.contains("0 times participant_connection_aborted"),
        "{errors}"
    );
    Ok(())
}
