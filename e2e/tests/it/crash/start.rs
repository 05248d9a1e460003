//! What cannot start says why, in words that help, and ends with a code that tells the cases apart.

use std::net::TcpListener;
use std::process::Output;

use anyhow::Result;
use serde_json::json;
use testkit::NatsServer;

use crate::rig::{LONG, Rig, handler};

/// Something else stands in the way; 64 would say that the call itself is wrong.
const FAILURE: Option<i32> = Some(1);

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn a_second_up_on_the_same_data_is_refused_and_the_first_goes_on() -> Result<()> {
    let rig = Rig::new(json!({}))?;
    let first = rig.up("127.0.0.1:0").await?;
    let second = rig.roomwire(&["up", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]).await?;
    assert_eq!(second.status.code(), FAILURE, "{}", words(&second));
    let expected = format!("another `roomwire up` (process {})", first.process.pid());
    assert!(words(&second).contains(&expected), "{}", words(&second));
    assert!(words(&second).contains("--data"), "it does not say what to do: {}", words(&second));
    first.poster().deliver(&crate::rig::Webhook::new("room_started", "room")?).await?;
    first.process.sigint()?;
    assert!(first.process.wait_exit(LONG).await?.success());
    Ok(())
}

#[tokio::test]
async fn a_taken_port_is_named_with_the_flag_that_changes_it() -> Result<()> {
    let rig = Rig::new(json!({}))?;
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    for (flag, other) in [("--listen", "--admin"), ("--admin", "--listen")] {
        let output = rig.roomwire(&["up", flag, &address, other, "127.0.0.1:0"]).await?;
        assert_eq!(output.status.code(), FAILURE, "{}", words(&output));
        let expected = format!("{address} is taken");
        assert!(words(&output).contains(&expected) && words(&output).contains(flag), "{}", words(&output));
    }
    Ok(())
}

#[tokio::test]
async fn a_second_runner_on_the_same_state_is_refused() -> Result<()> {
    let rig = Rig::new(json!({ "handlers": [handler("effects", "behave", json!({}), json!({}))?] }))?;
    let nats = NatsServer::start().await?;
    let first = rig.runner(&nats.url()).await?;
    let data = rig.data().display().to_string();
    let second = rig.spawn("roomwire-runner", &["--nats", &nats.url(), "--data", &data], &[])?;
    let status = second.wait_exit(LONG).await?;
    assert_eq!(status.code(), FAILURE, "{}", second.log());
    assert!(second.log().contains("state.db"), "it does not name the state: {}", second.log());
    assert_eq!(first.process.ended()?, None);
    Ok(())
}

#[tokio::test]
async fn a_wrong_call_or_configuration_is_told_apart_from_a_failure() -> Result<()> {
    let rig = Rig::new(json!({ "handlerz": [] }))?;
    for (arguments, expected) in
        [(&["up", "--admin", "127.0.0.1:0"][..], "handlers"), (&["up", "--no-such-flag"], "--no-such-flag")]
    {
        let output = rig.roomwire(arguments).await?;
        assert_eq!(output.status.code(), Some(64), "{}", words(&output));
        assert!(words(&output).contains(expected), "{}", words(&output));
    }
    Ok(())
}
