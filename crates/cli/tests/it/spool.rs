//! `roomwire spool`: a receiver that was killed while NATS was away, and what an operator does then.

use std::time::Duration;

use livekit::generate::{Names, event};
use testkit::http::Http;
use testkit::{NatsServer, Process, wait_until};

use crate::call::Place;

const SOON: Duration = Duration::from_secs(20);

/// A receiver without NATS that has taken three events, and its webhook's address.
async fn with_three_events(place: &Place, nats: &NatsServer) -> Process {
    place.write(
        "roomwire.yaml",
        &format!("livekit: {{ keys: {{ devkey: {} }} }}\nreceiver: {{ spool: {{}} }}\n", testkit::webhook::SECRET),
    );
    let url = nats.url();
    let args = ["--config=roomwire.yaml", "--listen=127.0.0.1:0", "--admin=127.0.0.1:0", "--nats", &url];
    let process = Process::start_in("roomwire-receiver", args, place.path(), &[]).unwrap();
    process.wait_log("listening", SOON).await.unwrap();
    let log = process.log();
    let webhook = log.split_once("webhook=\"").unwrap().1.split_once('"').unwrap().0.to_owned();
    let http = Http::new();
    for room in ["a", "a", "b"] {
        let body = event("room_started", &Names::new(room, ""));
        wait_until(SOON, "accepted", || async {
            testkit::webhook::deliver(&http, &webhook, &body).await.is_ok_and(|answer| answer.status == 200)
        })
        .await
        .unwrap();
    }
    process
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_told_and_sent_once_its_receiver_is_gone() {
    let (nats, place) = (NatsServer::start().await.unwrap(), Place::new());
    nats.kill().unwrap();
    let receiver = with_three_events(&place, &nats).await;
    let status = place.call_beside(&["spool", "status", "--output", "json"]).await;
    let [status] = &status.json()[..] else { panic!("{}", status.stderr) };
    assert_eq!(
        (&status["path"], &status["events"], &status["rooms"]),
        (&".roomwire/spool.db".into(), &3.into(), &2.into())
    );
    assert!(status["bytes"].as_u64().unwrap() > 1000 && status["oldest_received_at"].is_string(), "{status}");

    nats.restart().await.unwrap();
    receiver.signal(rustix::process::Signal::STOP).unwrap();
    let nats_url = nats.url();
    let drain = ["spool", "drain", "--nats", &nats_url];
    let held = place.call_beside(&drain).await;
    assert_eq!(held.code, 1);
    let words = format!("the spool .roomwire/spool.db cannot be used: another process ({}) has it", receiver.pid());
    assert!(held.stderr.contains(&words), "{}", held.stderr);

    receiver.kill9().unwrap();
    let waiting: u64 =
        place.call_beside(&["spool", "status", "--output", "json"]).await.json()[0]["events"].as_u64().unwrap();
    let drained = place.call_beside(&drain).await;
    assert_eq!(
        (drained.code, drained.stdout),
        (0, format!(".roomwire/spool.db: {waiting} events sent\n")),
        "{}",
        drained.stderr
    );
    assert_eq!(testkit::stored(&nats_url, "RW_EVENTS_").await.unwrap().len(), 3);
    let status = place.call_beside(&["spool", "status"]).await;
    assert_eq!(status.stdout, ".roomwire/spool.db: nothing waits\n");
}

#[test]
fn a_spool_that_is_not_there_is_told_with_what_to_do() {
    let called = Place::new().call(&["spool", "status", "--path", "none.db"]);
    assert_eq!(called.code, 1);
    let words = "error: there is no spool at none.db; name the file that `receiver.spool.path` names\n";
    assert_eq!(called.stderr, words);
}
