//! The handler: dead letter in, request to Slack out, once it is committed.

use roomwire::effects::Request;
use roomwire::{Event, Handled, Outcome, config, secrets};

use crate::message::{Letter, message};

/// The secret with the URL of the incoming webhook: whoever has it can write to the channel.
const URL: &str = "SLACK_URL";

fn handle(event: &Event) -> Handled {
    let attribute = |name: &str| event.attribute(name).unwrap_or_default();
    if attribute("dead-handler").is_empty() {
        return Ok(Outcome::skipped("no dead letter; write `on: [roomwire.dead_letter]`"));
    }
    // The event that died, as LiveKit sent it: a dead letter has an id and a type of its own.
    let body: serde_json::Value = serde_json::from_str(&event.json).unwrap_or_default();
    let of_body = |name: &str| body.get(name).and_then(serde_json::Value::as_str);
    let letter = Letter {
        id: of_body("id").unwrap_or(&event.id),
        kind: of_body("event").unwrap_or(&event.kind),
        room: event.room.as_deref(),
        handler: attribute("dead-handler"),
        cause: attribute("dead-cause"),
        error: attribute("dead-error"),
        attempts: attribute("dead-attempts"),
    };
    let url = secrets::get(URL)?;
    let body = message(&letter, config::get("prefix")?.as_deref());
    Request::post(url, body).header("content-type", "application/json").send()?;
    Ok(Outcome::Done)
}

roomwire::export!(handle);
