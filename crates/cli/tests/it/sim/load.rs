//! `roomwire sim load`: what it sends is stored, and its verdict is what happened.

use std::collections::HashSet;

use serde_json::{Value, json};
use testkit::{Process, wait_until};
use tokio::net::TcpListener;

use super::{Receiver, SOON};
use crate::call::{Called, Place};

fn verdict(called: &Called) -> Value {
    let [verdict] = called.json().try_into().unwrap();
    verdict
}

async fn stored_ids(receiver: &Receiver) -> Vec<String> {
    let stored = testkit::stored(&receiver.nats.url(), "RW_EVENTS_").await.unwrap();
    stored.iter().map(|message| message.header("ce-id").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_is_delivered_and_stored_and_ends_with_0() {
    let receiver = Receiver::start().await;
    let load = ["sim", "load", "--rooms", "10", "--rate", "100", "--duration", "1s", "--seed", "7"];
    let called = receiver.call(&[&load[..], &["--url", &receiver.url]].concat()).await;
    let verdict = verdict(&called);
    assert_eq!((called.code, &verdict["passed"]), (0, &json!(true)), "{verdict} {}", called.stderr);
    assert_eq!((&verdict["sent"], &verdict["delivered"]), (&json!(100), &json!(100)));
    assert_eq!((&verdict["seed"], &verdict["answer_ms"]["count"]), (&json!(7), &json!(100)));
    assert_eq!(stored_ids(&receiver).await.len(), 100);
    let again = receiver.call(&[&load[..], &["--url", &receiver.url]].concat()).await;
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert_eq!(stored_ids(&receiver).await.len(), 100, "the same seed has the same ids");
}

#[tokio::test(flavor = "multi_thread")]
async fn under_chaos_each_event_is_stored_once_and_only_clocks_too_far_ahead_are_refused() {
    let receiver = Receiver::start().await;
    let load = ["sim", "load", "--rooms", "16", "--rate", "400", "--duration", "1s", "--seed", "3"];
    let chaos = ["--chaos", "dup,reorder,skew,unknown", "--url", &receiver.url];
    let called = receiver.call(&[&load[..], &chaos].concat()).await;
    let verdict = verdict(&called);
    assert_eq!(called.code, 0, "{verdict} {}", called.stderr);
    let number = |name: &str| verdict[name].as_u64().unwrap();
    let copies = |name: &str| verdict["duplicates"][name].as_u64().unwrap();
    assert!(number("rightly_refused") > 0 && copies("sent") > 0, "{verdict}");
    assert_eq!(number("sent"), 400 + copies("sent"));
    assert_eq!(number("sent"), number("delivered") + number("rightly_refused"));
    let ids = stored_ids(&receiver).await;
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "an event is stored twice");
    assert_eq!(u64::try_from(ids.len()).unwrap(), number("delivered") - copies("delivered"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_counted_by_status_and_ends_with_1() {
    let receiver = Receiver::start().await;
    let load = ["sim", "load", "--rate", "50", "--duration", "1s", "--key", "devkey", "--url", &receiver.url];
    let wrong = ["--secret", "another-secret-another-secret-another"];
    let called = receiver.call(&[&load[..], &wrong].concat()).await;
    let verdict = verdict(&called);
    assert_eq!((called.code, &verdict["refused"], &verdict["delivered"]), (1, &json!({"401": 50}), &json!(0)));
    let called = receiver.place.call_beside(&[&load[..], &wrong].concat()).await;
    assert!(called.stdout.ends_with("failed: not everything was delivered\n"), "{}", called.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupted_it_tells_what_is_unfinished_and_ends_with_1() {
    // Nobody accepts: connections are made, and no answer ever comes.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (place, url) = (Place::new(), format!("http://{}/livekit", silent.local_addr().unwrap()));
    let load = ["--output", "json", "sim", "load", "--rate", "100", "--duration", "1h", "--url", &url];
    let load = Process::spawn("roomwire", place.command(&load)).unwrap();
    let connected = || async { tokio::time::timeout(SOON, silent.accept()).await.is_ok() };
    wait_until(SOON, "a connection", connected).await.unwrap();
    load.sigint().unwrap();
    assert_eq!(load.wait_exit(SOON).await.unwrap().code(), Some(1), "{}", load.log());
    let log = load.log();
    let verdict: Value = log.lines().find_map(|line| serde_json::from_str(line).ok()).unwrap();
    assert_eq!((&verdict["interrupted"], &verdict["delivered"]), (&json!(true), &json!(0)));
    assert_eq!(verdict["unfinished"], verdict["sent"]);
    assert!(verdict["sent"].as_u64().unwrap() > 0);
}

/// Runs a command on a terminal of its own, whose text becomes its output.
const ON_A_TERMINAL: &str = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";

#[tokio::test(flavor = "multi_thread")]
async fn on_a_terminal_a_line_shows_how_far_it_is() {
    let receiver = Receiver::start().await;
    let load = ["sim", "load", "--rate", "100", "--duration", "2s", "--url", &receiver.url];
    let load = receiver.place.command(&load);
    let mut terminal = std::process::Command::new("python3");
    terminal.args(["-c", ON_A_TERMINAL]).arg(load.get_program()).args(load.get_args());
    terminal.current_dir(receiver.place.path()).env("TERM", "xterm").env("COLUMNS", "100").env("LINES", "24");
    let terminal = Process::spawn("python3", terminal).unwrap();
    assert!(terminal.wait_exit(SOON).await.unwrap().success(), "{}", terminal.log());
    let shown = terminal.log();
    let lines: Vec<&str> = shown.split(['\r', '\n']).filter(|line| line.contains(" under way")).collect();
    let counted = |words: &str| lines.iter().any(|line| line.contains(words));
    assert!(lines.len() > 1 && counted(" sent, ") && counted(" delivered, 0 failed, "), "{shown}");
    assert!(shown.contains("passed: everything was delivered that had to be"), "{shown}");
}

#[test]
fn numbers_that_cannot_be_are_usage_errors() {
    for wrong in [["--rate", "0"], ["--rooms", "0"], ["--duration", "soon"], ["--chaos", "everything"]] {
        let called = Place::new().call(&[&["sim", "load"], &wrong[..]].concat());
        assert_eq!((called.code, called.stdout.as_str()), (64, ""), "{wrong:?}");
    }
}
