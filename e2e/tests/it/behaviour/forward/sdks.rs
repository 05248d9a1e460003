//! Services that use LiveKit's own SDKs take what is forwarded, unchanged: the recorded meeting of a real server.

use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use livekit::recording::{Freshener, parse};
use serde_json::{Value, json};
use testkit::webhook::{KEY, SECRET};
use testkit::{Process, fixtures, wait_for};

use crate::behaviour::site::{Site, Sums, WINDOW};
use crate::rig::{LONG, forward};

/// A service in another language. It refuses its first request.
struct Endpoint {
    process: Process,
    url: String,
}

impl Endpoint {
    async fn start(mut command: Command) -> Result<Self> {
        command.env("LIVEKIT_API_KEY", KEY).env("LIVEKIT_API_SECRET", SECRET);
        let process = Process::spawn("endpoint", command)?;
        let port =
            wait_for(LONG, "the endpoint's port", || async { process.log().lines().next()?.parse::<u16>().ok() });
        let port = port.await.with_context(|| process.log())?;
        Ok(Self { process, url: format!("http://127.0.0.1:{port}/livekit") })
    }

    /// What the SDK accepted: event id, type and room, in order.
    fn accepted(&self) -> Vec<(String, String, String)> {
        let log = self.process.log();
        let events = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).filter(Value::is_object);
        let text = |event: &Value, key: &str| event[key].as_str().unwrap_or_default().to_owned();
        events.map(|event| (text(&event, "id"), text(&event, "event"), text(&event, "room"))).collect()
    }
}

/// The recorded meeting goes through Roomwire to the endpoint; each room's events arrive as they were sent.
async fn takes_the_meeting(endpoint: Endpoint) -> Result<()> {
    let site = Site::start(WINDOW, &[forward(&endpoint.url, &json!({ "sign": KEY }))?]).await?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let (mut freshener, mut sent) = (Freshener::new(), Vec::new());
    for recorded in parse(&fixtures::text("livekit-1.11.0/meeting.jsonl")?)? {
        let body = freshener.body(&recorded.body, now);
        let event: Value = serde_json::from_str(&body)?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        site.post_body(&body).await?;
        sent.push((text(&event["id"]), text(&event["event"]), text(&event["room"]["name"])));
    }
    ensure!(sent.len() > 10, "the recording is short");
    site.wait("the endpoint to have all", || async { Ok(endpoint.accepted().len() >= sent.len()) })
        .await
        .with_context(|| endpoint.process.log())?;
    let mut accepted = endpoint.accepted();
    // Rooms do not wait for each other.
    for events in [&mut sent, &mut accepted] {
        events.sort_by(|one, other| one.2.cmp(&other.2));
    }
    assert_eq!(accepted, sent);
    let done = u64::try_from(sent.len())?;
    assert_eq!(site.end().await?.books("app")?, Sums { done, ..Sums::default() });
    Ok(())
}

fn endpoints() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/endpoints"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_with_livekits_node_sdk_takes_what_is_forwarded_unchanged() -> Result<()> {
    ensure!(endpoints().join("node/node_modules").is_dir(), "run scripts/endpoints, which `make test` does");
    let mut command = Command::new("node");
    command.arg(endpoints().join("node/endpoint.mjs"));
    takes_the_meeting(Endpoint::start(command).await?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_with_livekits_python_sdk_takes_what_is_forwarded_unchanged() -> Result<()> {
    let python = endpoints().join("../../.tools/endpoint-venv/bin/python");
    ensure!(python.is_file(), "run scripts/endpoints, which `make test` does");
    let mut command = Command::new(python);
    command.arg(endpoints().join("python/endpoint.py"));
    takes_the_meeting(Endpoint::start(command).await?).await
}
