//! `plugin test --record` and `--replay`: calls are made once, and from then on answered from a file.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};
use testkit::fixtures;

use crate::call::{Called, Place};

/// A server that answers everything with a text, and counts what it was asked.
fn upstream() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let head = BufReader::new(connection.try_clone().unwrap()).lines();
            let _ = head.map_while(Result::ok).take_while(|line| !line.is_empty()).count();
            count.fetch_add(1, Ordering::SeqCst);
            let answer = "HTTP/1.1 201 Created\r\nx-seen: yes\r\ncontent-length: 4\r\nconnection: close\r\n\r\nmade";
            let _ = connection.write_all(answer.as_bytes());
        }
    });
    (url, asked)
}

/// A handler with a secret that sends what the test's config says, as `{"url": …}`.
fn place(url: &str) -> Place {
    let place = Place::new();
    std::fs::create_dir(place.path().join("tests")).unwrap();
    place.write("token", "psst-psst\n");
    let handler = json!({
        "name": "caller", "plugin": fixtures::plugin("behave").unwrap(), "on": "*", "secrets": ["TOKEN"],
        "config": {"publish_to": "out.calls"}, "allow": {"publish": ["out.>"], "http": [url]},
    });
    let config = json!({ "secrets": {"TOKEN": {"file": "token"}}, "handlers": [handler] });
    place.write("roomwire.yaml", &config.to_string());
    place
}

fn sends(place: &Place, plan: &Value) {
    let file = place.path().join("tests/first.json");
    let mut fixture: Value = std::fs::read_to_string(&file).map_or_else(
        |_| json!({ "event": {"event": "room_finished", "id": "EV_1", "room": {"name": "r1"}} }),
        |text| serde_json::from_str(&text).unwrap(),
    );
    fixture["config"] = json!({ "default": format!("request:{plan}") });
    std::fs::write(file, fixture.to_string()).unwrap();
}

fn test(place: &Place, more: &[&str]) -> Called {
    place.call(&[&["plugin", "test", "--handler", "caller"], more].concat())
}

#[test]
fn what_was_recorded_is_replayed_without_a_network_and_a_call_that_differs_fails_the_test() {
    let (url, asked) = upstream();
    let place = place(&url);
    let plan = |path: &str, body: &str| {
        let headers = json!([["authorization", "Bearer psst-psst"]]);
        json!({ "url": format!("{url}{path}"), "method": "POST", "body": body, "headers": headers })
    };
    sends(&place, &plan("/rooms", "r1"));
    let recorded = test(&place, &["--record", "--update"]);
    assert_eq!((recorded.code, asked.load(Ordering::SeqCst)), (0, 1), "{}{}", recorded.stdout, recorded.stderr);
    let text = std::fs::read_to_string(place.path().join("tests/first.calls.json")).unwrap();
    assert!(!text.contains("psst") && text.contains("Bearer [secret TOKEN]"), "{text}");
    let calls: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&calls[0]["http"]["body"], &calls[0]["answer"]["body"]), (&json!("r1"), &json!("made")));

    let replayed = test(&place, &["--replay"]);
    assert!(replayed.code == 0 && replayed.stdout.contains("1 passed"), "{}{}", replayed.stdout, replayed.stderr);

    sends(&place, &plan("/rooms", "r2"));
    let differs = test(&place, &["--replay"]);
    assert_eq!(differs.code, 1, "{}", differs.stderr);
    for words in ["calls: not recorded, or recorded otherwise: ", r#""body":"r2""#, "calls: recorded and not made: "] {
        assert!(differs.stdout.contains(words), "{words}: {}", differs.stdout);
    }
    assert_eq!(test(&place, &["--replay", "--update"]).code, 1, "what is expected says nothing of calls");
    assert_eq!(asked.load(Ordering::SeqCst), 1, "nothing went out");
    assert_eq!(test(&place, &["--replay", "--record"]).code, 64);
}

#[test]
fn one_call_by_hand_is_recorded_and_replayed_too() {
    let (url, asked) = upstream();
    let place = place(&url);
    let run = |path: &str, more: &[&str]| {
        let plan = json!({ "url": format!("{url}{path}"), "headers": [["authorization", "Bearer psst-psst"]] });
        let set = format!("default=request:{plan}");
        place.call(&[&["plugin", "run", "--handler", "caller", "--set", &set], more].concat())
    };
    let recorded = run("/rooms", &["--record", "made.calls.json"]);
    assert_eq!((recorded.code, asked.load(Ordering::SeqCst)), (0, 1), "{}{}", recorded.stdout, recorded.stderr);
    let text = std::fs::read_to_string(place.path().join("made.calls.json")).unwrap();
    assert!(!text.contains("psst") && text.contains("Bearer [secret TOKEN]"), "{text}");
    let replayed = run("/rooms", &["--replay", "made.calls.json"]);
    assert!(replayed.code == 0 && replayed.stdout.contains("done"), "{}{}", replayed.stdout, replayed.stderr);
    let differs = run("/others", &["--replay", "made.calls.json"]);
    assert_eq!(differs.code, 1, "{}", differs.stdout);
    for words in ["not recorded, or recorded otherwise: ", "recorded and not made: "] {
        assert!(differs.stderr.contains(words), "{words}: {}", differs.stderr);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1, "nothing went out");
    let absent = run("/rooms", &["--replay", "absent.json"]);
    assert!(absent.code == 1 && absent.stderr.contains("cannot read absent.json"), "{}", absent.stderr);
    assert_eq!(run("/rooms", &["--replay", "a", "--record", "b"]).code, 64);
}

#[test]
fn a_call_that_failed_fails_again_and_a_test_that_calls_nothing_has_no_recording() {
    let nobody = {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let place = place(&nobody);
    sends(&place, &json!({ "url": format!("{nobody}/x"), "then": "retry" }));
    let recorded = test(&place, &["--record", "--update"]);
    assert_eq!(recorded.code, 0, "{}{}", recorded.stdout, recorded.stderr);
    let file = place.path().join("tests/first.calls.json");
    let calls: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(calls[0]["failed"]["error"], "connection-refused", "{calls}");
    let replayed = test(&place, &["--replay"]);
    assert_eq!(replayed.code, 0, "{}{}", replayed.stdout, replayed.stderr);
    place.write("tests/first.calls.json", "{}");
    let wrong = test(&place, &["--replay"]);
    assert!(wrong.code == 64 && wrong.stderr.contains("write it anew with `--record`"), "{}", wrong.stderr);
    place.write(
        "tests/first.json",
        r#"{"event": {"event": "room_finished", "id": "EV_1", "room": {"name": "r1"}}, "config": {"default": "ok"}}"#,
    );
    assert_eq!(test(&place, &["--record", "--update"]).code, 0);
    assert!(!file.exists());
}
