//! Greets everybody who joins a room, in their language, a moment after they came.

use roomwire::config::{self, ConfigError};
use roomwire::effects::Message;
use roomwire::webhook::Participant;
use roomwire::{Event, Failure, Handled, Outcome, log};

fn handle(event: &Event) -> Handled {
    if event.kind != "participant_joined" {
        return Ok(Outcome::skipped("nobody joined"));
    }
    let webhook = event.webhook()?;
    let participant = webhook.participant.ok_or_else(|| Failure::permanent("no participant in the event"))?;
    if participant.kind != "STANDARD" {
        log::debug!(target: "greeter", "{} is no person", participant.identity);
        return Ok(Outcome::skipped(format!("{} is not greeted", participant.kind)));
    }
    let room = webhook.room.expect("participant_joined without a room").name;
    if let (1, Some(wait)) = (event.attempt, delay()?) {
        return Err(Failure::retry_after("the client needs a moment", wait));
    }
    let name = if participant.name.is_empty() { &participant.identity } else { &participant.name };
    log::info!(target: "greeter", "greeting {name} in {room}, attempt {}", event.attempt);
    Message::new(config::require("subject")?, format!("{}, {name}", greeting(&participant)?))
        .header("event-id", &event.id)
        .header("identity", &participant.identity)
        .header("joined-at", participant.joined_at.to_string())
        .publish()?;
    Ok(Outcome::Done)
}

/// `config.greeting_<language>`, where the participant's metadata names a language, else `config.greeting`.
fn greeting(participant: &Participant) -> Result<String, Failure> {
    let mut greeting = None;
    if !participant.metadata.is_empty() {
        let metadata: serde_json::Value = serde_json::from_str(&participant.metadata)
            .map_err(|_| Failure::permanent(format!("the metadata of {} is no JSON", participant.identity)))?;
        if let Some(language) = metadata["language"].as_str() {
            greeting = config::get(&format!("greeting_{language}"))?;
        }
    }
    Ok(match greeting {
        Some(greeting) => greeting,
        None => config::get("greeting")?.unwrap_or_else(|| "welcome".to_owned()),
    })
}

/// `config.delay_ms`: how long to wait before the greeting.
fn delay() -> Result<Option<u32>, ConfigError> {
    let Some(text) = config::get("delay_ms")? else { return Ok(None) };
    let wrong = |_| ConfigError::new(format!("`config.delay_ms` is {text:?}, which is no number of milliseconds"));
    text.parse().map(Some).map_err(wrong)
}

/// Before the handler goes live: what is wrong in its config?
fn check() -> Result<(), ConfigError> {
    config::require("subject")?;
    delay()?;
    Ok(())
}

roomwire::export!(handle, check);
