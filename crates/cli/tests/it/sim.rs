//! `roomwire sim` against a receiver, and what `roomwire events` then shows.

mod load;

use std::time::Duration;

use livekit::generate::KINDS;
use serde_json::json;
use testkit::{NatsServer, Process, wait_for};

use crate::call::Place;

const SOON: Duration = Duration::from_secs(30);

/// A receiver as a process of its own.
struct Receiver {
    nats: NatsServer,
    _process: Process,
    url: String,
    place: Place,
}

impl Receiver {
    async fn start() -> Self {
        let nats = NatsServer::start().await.unwrap();
        let place = Place::new();
        let ready = place.path().join("ready.json");
        let path = ready.to_str().unwrap().to_owned();
        let url = nats.url();
        let arguments =
            ["--nats", &url, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--ready-file", path.as_str()];
        let process = Process::start("roomwire-receiver", arguments).unwrap();
        let ready: serde_json::Value = serde_json::from_str(&process.wait_file(&ready, SOON).await.unwrap()).unwrap();
        Self { nats, _process: process, url: ready["webhook"].as_str().unwrap().to_owned(), place }
    }

    async fn call(&self, arguments: &[&str]) -> crate::call::Called {
        let nats = self.nats.url();
        self.place.call_beside(&[&["--output", "json", "--nats", nats.as_str()], arguments].concat()).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_of_event_is_sent_and_then_listed() {
    let receiver = Receiver::start().await;
    let mut sent = Vec::new();
    for kind in KINDS.into_iter().chain(["something_new"]) {
        let called = receiver.call(&["sim", "send", "--type", kind, "--room", "blue", "--url", &receiver.url]).await;
        assert_eq!(called.code, 0, "{}", called.stderr);
        let [line] = called.json().try_into().unwrap();
        assert_eq!(
            (&line["type"], &line["status"], &line["accepted"], &line["attempts"]),
            (&json!(kind), &json!(200), &json!(true), &json!(1))
        );
        sent.push((line["id"].clone(), json!(kind)));
    }
    let called = receiver.call(&["events", "list"]).await;
    let listed: Vec<_> = called.json().into_iter().map(|row| (row["id"].clone(), row["type"].clone())).collect();
    assert_eq!(listed, sent, "{}", called.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_filtered_by_type_room_key_time_and_number() {
    let receiver = Receiver::start().await;
    let called =
        receiver.call(&["sim", "meeting", "--rooms", "2", "--participants", "2", "--url", &receiver.url]).await;
    assert_eq!((called.code, called.json().len()), (0, 20), "{}", called.stderr);
    receiver.call(&["sim", "send", "--type", "egress_started", "--room", "simulated-0", "--url", &receiver.url]).await;
    for (filter, number) in [
        (&["--limit", "5"][..], 5),
        (&["--type", "participant_joined"], 4),
        (&["--room", "simulated-0"], 11),
        (&["--key", "simulated-0"], 10),
        (&["--room", "simulated-1", "--type", "room_started"], 1),
        (&["--room", "nowhere"], 0),
        (&["--since", "10m", "--limit", "100"], 21),
        (&["--since", "2100-01-01T00:00:00Z"], 0),
    ] {
        let called = receiver.call(&[&["events", "list"], filter].concat()).await;
        assert_eq!((called.code, called.json().len()), (0, number), "{filter:?} {}{}", called.stdout, called.stderr);
    }
    let newest = receiver.call(&["events", "list", "--limit", "1"]).await.json();
    assert_eq!(newest[0]["type"], "egress_started");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_replayed_in_order_with_fresh_ids_or_its_own() {
    let receiver = Receiver::start().await;
    let file = testkit::fixtures::path("livekit-1.11.0/meeting.jsonl");
    let file = file.to_str().unwrap();
    let replay = ["sim", "replay", file, "--speed", "0", "--url", &receiver.url];
    let first = receiver.call(&replay).await;
    assert_eq!((first.code, first.json().len()), (0, 12), "{}", first.stderr);
    let again = receiver.call(&replay).await;
    let ids = |called: &crate::call::Called| called.json().iter().map(|line| line["id"].clone()).collect::<Vec<_>>();
    assert_ne!(ids(&first), ids(&again));
    let kept = receiver.call(&[&replay[..], &["--keep-ids"]].concat()).await;
    assert_eq!(kept.json()[0]["id"], "EV_VGWsNSCZMepC");
    let listed = receiver.call(&["events", "list"]).await;
    assert_eq!(listed.json().len(), 36);
    assert_eq!(ids(&listed), [ids(&first), ids(&again), ids(&kept)].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_is_refused_is_reported_and_ends_with_1() {
    let receiver = Receiver::start().await;
    let secret = "another-secret-another-secret-another";
    let called = receiver.call(&["sim", "send", "--key", "devkey", "--secret", secret, "--url", &receiver.url]).await;
    assert_eq!(called.code, 1);
    let [line] = called.json().try_into().unwrap();
    assert_eq!((&line["status"], &line["accepted"]), (&json!(401), &json!(false)));
    let url = receiver.url.replace("/livekit", "/elsewhere");
    let called = receiver.place.call_beside(&["sim", "send", "--no-retry", "--url", &url]).await;
    assert_eq!(called.code, 1);
    assert!(called.stdout.ends_with("room_started  refused (404)\n"), "{}", called.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_configuration_lacks_is_a_usage_error() {
    let called = Place::new().call_beside(&["sim", "send", "--key", "APIabc"]).await;
    assert_eq!(called.code, 64);
    assert!(
        called
            .stderr
            .ends_with("error: the configuration has no key `APIabc`, only devkey; give its secret with `--secret`\n"),
        "{}",
        called.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_shows_events_as_they_come_until_it_is_interrupted() {
    let receiver = Receiver::start().await;
    let nats = receiver.nats.url();
    let tail =
        receiver.place.command(&["--output", "json", "--nats", &nats, "events", "tail", "--type", "room_started"]);
    let tail = Process::spawn("roomwire", tail).unwrap();
    // Shown is what comes after the consumers are there: events are sent until the first one shows.
    let row = wait_for(SOON, "an event to show", || async {
        receiver.call(&["sim", "send", "--room", "tailed", "--url", &receiver.url]).await;
        tail.log().lines().find_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
    })
    .await
    .unwrap();
    assert_eq!((&row["type"], &row["key"]), (&json!("room_started"), &json!("tailed")));
    tail.sigint().unwrap();
    assert!(tail.wait_exit(SOON).await.unwrap().success(), "{}", tail.log());
}
