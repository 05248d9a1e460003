//! Uses each capability that a command has once, by the event's type: what must come of it is in
//! e2e/conformance/roll-call.json. Of what it lacks it says so.

#![expect(clippy::indexing_slicing, reason = "what is not there of JSON is null, and no panic")]
#![expect(clippy::print_stdout, reason = "the lines on stdout are what a command has to say")]
#![expect(clippy::print_stderr, reason = "the lines on stderr are its logs")]

use std::env;
use std::io;

use serde::Serialize;
use serde_json::{Value, json};

fn main() -> io::Result<()> {
    let event: Value = serde_json::from_str(&io::read_to_string(io::stdin())?).map_err(io::Error::other)?;
    match text(&event["kind"]) {
        "participant_joined" => joined(&event),
        "participant_left" => left(&event),
        "room_started" => say(&json!({ "permanent": "it lacks http" })),
        "room_finished" => send("/finished", &[("x-room", text(&event["room"]))], text(&event["raw"])),
        "track_published" => {
            let token = format!("Bearer {}", config("TOKEN"));
            let sid = json!({ "sid": event["event"]["track"]["sid"] }).to_string();
            send("/tracks", &[("authorization", &token), ("content-type", "application/json")], &sid);
        }
        "track_unpublished" => say(&json!({ "send": { "method": "GET", "url": "http://not-granted.invalid/" } })),
        "egress_started" => say(&json!({ "permanent": "it lacks livekit" })),
        "egress_ended" => one(&event),
        "ingress_ended" => say(&json!({ "kv": { "bucket": "not-granted", "key": "last", "delete": true } })),
        _ => say(&json!({ "skip": "not on the roll" })),
    }
    Ok(())
}

fn joined(event: &Value) {
    #[derive(Serialize)]
    struct Arrival<'a> {
        room: &'a str,
        identity: &'a str,
        joined: i64,
    }
    let (room, identity, bucket) = (text(&event["room"]), text(&event["participant"]), config("bucket"));
    eprintln!("INFO:roll-call:{identity} joined");
    let joined = text(&event["kv"][&bucket]["joined"]).parse().unwrap_or(0) + 1;
    say(&json!({ "kv": { "bucket": bucket, "key": "joined", "add": 1 } }));
    say(&json!({ "kv": { "bucket": bucket, "key": "last", "set": identity } }));
    tell(&Arrival { room, identity, joined });
}

fn left(event: &Value) {
    #[derive(Serialize)]
    struct Departure<'a> {
        room: &'a str,
        last: &'a Value,
        keys: Vec<&'a str>,
    }
    let bucket = config("bucket");
    let found = &event["kv"][&bucket];
    say(&json!({ "kv": { "bucket": bucket, "key": "last", "delete": true } }));
    let there = found.as_object().into_iter().flatten().filter(|(key, value)| *key != "last" && !value.is_null());
    tell(&Departure {
        room: text(&event["room"]),
        last: &found["last"],
        keys: there.map(|(key, _)| key.as_str()).collect(),
    });
}

fn one(event: &Value) {
    two(event);
}

fn two(event: &Value) {
    three(event);
}

#[expect(clippy::panic, reason = "what becomes of a panic is what is looked at")]
fn three(event: &Value) {
    panic!("three calls deep in {}", text(&event["kind"]));
}

fn send(path: &str, headers: &[(&str, &str)], body: &str) {
    let headers: serde_json::Map<_, _> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let url = format!("{}{path}", config("endpoint"));
    say(&json!({ "send": { "method": "POST", "url": url, "headers": headers, "body": body } }));
}

/// A message with this JSON, as text: its keys keep their order.
fn tell(what: &impl Serialize) {
    let data = serde_json::to_string(what).unwrap_or_default();
    say(&json!({ "publish": { "subject": config("subject"), "data": data } }));
}

fn say(line: &Value) {
    println!("{line}");
}

fn config(key: &str) -> String {
    env::var(key).unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
