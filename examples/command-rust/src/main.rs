//! Greets everybody who joins a room, in their language, a moment after they came.

use std::env;
use std::io;

use serde_json::{Value, json};

/// A line on stdout that ends the event otherwise than with `done`.
type End = Value;

fn main() {
    let event: Value = serde_json::from_reader(io::stdin()).expect("one JSON document on stdin");
    let ended = if event["kind"] == "roomwire.check" { check() } else { handle(&event) };
    if let Err(end) = ended {
        println!("{end}");
    }
}

fn handle(event: &Value) -> Result<(), End> {
    if event["kind"] != "participant_joined" {
        return Err(json!({ "skip": "nobody joined" }));
    }
    let (participant, room) = (&event["event"]["participant"], &event["event"]["room"]);
    if participant.is_null() {
        return Err(json!({ "permanent": "no participant in the event" }));
    }
    let identity = text(&participant["identity"]);
    let kind = if participant["kind"].is_null() { "STANDARD".to_owned() } else { text(&participant["kind"]) };
    if kind != "STANDARD" {
        eprintln!("DEBUG:greeter:{identity} is no person");
        return Err(json!({ "skip": format!("{kind} is not greeted") }));
    }
    let room = text(room.get("name").expect("participant_joined without a room"));
    let wait = delay().map_err(|why| json!({ "permanent": why }))?;
    if let (Some(1), Some(wait)) = (event["attempt"].as_u64(), wait) {
        return Err(json!({ "retry": { "after_ms": wait, "reason": "the client needs a moment" } }));
    }
    let name = if text(&participant["name"]).is_empty() { identity.clone() } else { text(&participant["name"]) };
    eprintln!("INFO:greeter:greeting {name} in {room}, attempt {}", event["attempt"]);
    let greeting = greeting(&identity, &text(&participant["metadata"]))?;
    let subject = env::var("subject").map_err(|_| json!({ "permanent": "set `config.subject`" }))?;
    let headers = json!({ "event-id": event["id"], "identity": identity, "joined-at": text(&participant["joinedAt"]) });
    println!("{}", json!({ "publish": { "subject": subject, "data": format!("{greeting}, {name}"), "headers": headers } }));
    Ok(())
}

/// `config.greeting_<language>`, where the participant's metadata names a language, else `config.greeting`.
fn greeting(identity: &str, metadata: &str) -> Result<String, End> {
    let mut language = String::new();
    if !metadata.is_empty() {
        let metadata: Value = serde_json::from_str(metadata)
            .map_err(|_| json!({ "permanent": format!("the metadata of {identity} is no JSON") }))?;
        language = text(&metadata["language"]);
    }
    let own = env::var(format!("greeting_{language}"));
    Ok(own.or_else(|_| env::var("greeting")).unwrap_or_else(|_| "welcome".to_owned()))
}

/// `config.delay_ms`: how long to wait before the greeting.
fn delay() -> Result<Option<u32>, String> {
    let Ok(text) = env::var("delay_ms") else { return Ok(None) };
    text.parse().map(Some).map_err(|_| format!("`config.delay_ms` is {text:?}, which is no number of milliseconds"))
}

/// Before the handler goes live: what is wrong in its config?
fn check() -> Result<(), End> {
    env::var("subject").map_err(|_| json!({ "refuse": "set `config.subject`" }))?;
    delay().map_err(|why| json!({ "refuse": why }))?;
    Ok(())
}

/// A text, or what stands in its place as text: a 64-bit integer is either.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
