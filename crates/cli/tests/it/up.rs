//! `roomwire up` with its own nats-server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use testkit::http::Http;
use testkit::{NatsServer, Process, wait_until};

use crate::call::Place;

pub(crate) const SOON: Duration = Duration::from_mins(1);

/// A running `up`.
pub(crate) struct Up {
    pub(crate) process: Process,
    ready: Value,
}

impl Up {
    /// Starts one in a folder, on free ports.
    pub(crate) async fn start(place: &Place, further: &[&str]) -> Self {
        let file = place.path().join("ready.json");
        let _ = std::fs::remove_file(&file);
        let arguments = ["up", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--ready-file", "ready.json"];
        let process = Process::spawn("roomwire", place.command(&[&arguments, further].concat())).unwrap();
        let ready = serde_json::from_str(&process.wait_file(&file, SOON).await.unwrap()).unwrap();
        Self { process, ready }
    }

    pub(crate) fn text(&self, key: &str) -> &str {
        self.ready[key].as_str().unwrap()
    }

    /// Ctrl-C, and 0 is expected.
    pub(crate) async fn stop(self) {
        self.process.sigint().unwrap();
        let status = self.process.wait_exit(SOON).await.unwrap();
        assert!(status.success(), "{status}: {}", self.process.log());
    }
}

/// The process of the nats-server that keeps its data in this folder.
fn nats_pid(place: &Place) -> Option<String> {
    let text = std::fs::read_to_string(place.path().join(".roomwire/nats/nats.pid")).ok()?;
    let pid = text.trim().to_owned();
    let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
    line.contains(place.path().to_str()?).then_some(pid)
}

async fn is_ready(http: &Http, up: &Up) -> bool {
    http.get(&format!("{}/readyz", up.text("admin"))).await.is_ok_and(|answer| answer.status == 200)
}

fn event_log() -> PathBuf {
    testkit::fixtures::plugin("event_log").unwrap()
}

fn with_handler(place: &Place, plugin: &Path) {
    let plugin = plugin.display();
    place.write("roomwire.yaml", &format!("handlers:\n  - {{ name: log, plugin: {plugin}, on: [\"*\"] }}\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_serves_until_ctrl_c_and_leaves_nothing_running() {
    let place = Place::new();
    let up = Up::start(&place, &[]).await;
    assert_eq!(up.ready["pid"], up.process.pid());
    assert!(is_ready(&Http::new(), &up).await);
    let sent = place.call_beside(&["sim", "send"]).await;
    assert_eq!(sent.code, 0, "the running `up` is found in its data folder: {}", sent.stderr);
    let listed = place.call_beside(&["--output", "json", "events", "list"]).await;
    assert_eq!(listed.json().len(), 1, "{}", listed.stderr);
    assert!(nats_pid(&place).is_some());
    up.stop().await;
    assert_eq!(nats_pid(&place), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_stored_is_there_after_a_restart_on_the_same_port() {
    let place = Place::new();
    let first = Up::start(&place, &[]).await;
    let port = first.text("nats").rsplit(':').next().unwrap().to_owned();
    assert_eq!(place.call_beside(&["sim", "send"]).await.code, 0);
    first.stop().await;
    let second = Up::start(&place, &[]).await;
    assert_eq!(second.text("nats").rsplit(':').next().unwrap(), port);
    assert_eq!(place.call_beside(&["--output", "json", "events", "list"]).await.json().len(), 1);
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_with_9_it_leaves_no_nats_server_that_stops_the_next_start() {
    let place = Place::new();
    let first = Up::start(&place, &[]).await;
    assert!(nats_pid(&place).is_some());
    first.process.kill9().unwrap();
    wait_until(SOON, "nats-server to end with it", || async { nats_pid(&place).is_none() }).await.unwrap();
    Up::start(&place, &[]).await.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nats_server_that_dies_is_started_again() {
    let place = Place::new();
    let up = Up::start(&place, &[]).await;
    let first = nats_pid(&place).unwrap();
    assert_eq!(std::process::Command::new("kill").args(["-9", &first]).status().unwrap().code(), Some(0));
    let http = Http::new();
    wait_until(SOON, "another nats-server", || async { nats_pid(&place).is_some_and(|pid| pid != first) })
        .await
        .unwrap();
    wait_until(SOON, "ready again", || async { is_ready(&http, &up).await }).await.unwrap();
    assert_eq!(place.call_beside(&["sim", "send"]).await.code, 0);
    up.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_on_one_data_folder_are_refused_in_words() {
    let place = Place::new();
    let up = Up::start(&place, &[]).await;
    let second = place.call_beside(&["up", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]).await;
    assert_eq!(second.code, 1);
    assert_eq!(
        second.stderr,
        format!(
            "error: another `roomwire up` (process {}) runs on .roomwire; stop it, or choose another folder with \
             `--data`\n",
            up.process.pid()
        )
    );
    up.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_refused_before_anything_is_started() {
    let place = Place::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let called = place.call_beside(&["up", "--listen", &address, "--admin", "127.0.0.1:0"]).await;
    assert_eq!(called.code, 1);
    assert!(called.stderr.starts_with(&format!("error: {address} is taken, so webhooks cannot")), "{}", called.stderr);
    assert!(!place.path().join(".roomwire/nats").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_configuration_ends_with_64() {
    let place = Place::new();
    place.write("roomwire.yaml", "livekit:\n  keys: { APIabc: \"${NOWHERE_SET}\" }\n");
    let called = place.call_beside(&["up"]).await;
    assert_eq!(called.code, 64);
    assert!(
        called.stderr.contains("needs the environment variable NOWHERE_SET, which is not set"),
        "{}",
        called.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_named_is_used_and_left_running() {
    let nats = NatsServer::start().await.unwrap();
    let place = Place::new();
    let up = Up::start(&place, &["--nats", &nats.url()]).await;
    assert_eq!(up.text("nats"), nats.url());
    assert_eq!(place.call_beside(&["sim", "send"]).await.code, 0);
    assert!(!place.path().join(".roomwire/nats").exists());
    up.stop().await;
    nats.client().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_ends_with_0_when_every_event_was_handled() {
    let place = Place::new();
    with_handler(&place, &event_log());
    let arguments =
        ["--output", "json", "up", "--exit-after-demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let called = place.call_beside(&arguments).await;
    assert_eq!(called.code, 0, "{}{}", called.stdout, called.stderr);
    let events: Vec<Value> = called.json().into_iter().filter(|line| line["id"].is_string()).collect();
    assert_eq!(events.len(), 12);
    for event in &events {
        assert_eq!((&event["status"], &event["handlers"]["log"]), (&200.into(), &"done".into()), "{event}");
    }
    assert_eq!(nats_pid(&place), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_ends_with_1_when_an_event_became_a_dead_letter() {
    let place = Place::new();
    let plugin = testkit::fixtures::plugin("behave").unwrap();
    place.write(
        "roomwire.yaml",
        &format!(
            "handlers:\n  - name: bad\n    plugin: {}\n    on: [room_finished]\n    config: {{ default: permanent }}\n",
            plugin.display()
        ),
    );
    let arguments =
        ["--output", "json", "up", "--exit-after-demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let called = place.call_beside(&arguments).await;
    assert_eq!(called.code, 1, "{}{}", called.stdout, called.stderr);
    let dead: Vec<Value> = called.json().into_iter().filter(|line| line["handlers"]["bad"] == "dead").collect();
    assert_eq!(dead.len(), 1, "{}", called.stdout);
}
