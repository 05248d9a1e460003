//! What became of the events that were sent.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use service::config::HandlerConfig;
use tokio::time::Instant;

use super::Sent;
use crate::control::{Control, ControlError};

/// How long handlers may take for the whole meeting.
const HANDLED_WITHIN: Duration = Duration::from_mins(1);
const LOOK: Duration = Duration::from_millis(50);

/// What a handler's ledger says of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// The handler does not take events of this type.
    NotTaken,
    /// It is not settled: the runner's word for it.
    Open(String),
    /// It is handled: done, skipped, filtered, duplicate.
    Handled(String),
    /// It is a dead letter.
    Dead,
}

impl Fate {
    pub(super) fn words(&self) -> &str {
        match self {
            Self::NotTaken => "-",
            Self::Open(state) | Self::Handled(state) => state,
            Self::Dead => "dead",
        }
    }

    fn is_final(&self) -> bool {
        !matches!(self, Self::Open(_))
    }

    fn is_good(&self) -> bool {
        matches!(self, Self::NotTaken | Self::Handled(_))
    }
}

/// For each event that was sent, what each handler made of it, in the order of the configuration.
#[derive(Debug)]
pub(super) struct Fates {
    rows: Vec<Vec<Fate>>,
}

impl Fates {
    pub(super) fn row(&self, event: usize) -> &[Fate] {
        self.rows.get(event).map_or(&[], Vec::as_slice)
    }

    /// Whether every event was handled by every handler that takes it.
    pub(super) fn are_good(&self) -> bool {
        self.rows.iter().flatten().all(Fate::is_good)
    }

    /// How many events were handled.
    pub(super) fn good(&self) -> usize {
        self.rows.iter().filter(|row| row.iter().all(Fate::is_good)).count()
    }

    fn are_final(&self) -> bool {
        self.rows.iter().flatten().all(Fate::is_final)
    }
}

#[derive(Debug, Default, Deserialize)]
struct Answer {
    events: BTreeMap<String, BTreeMap<String, String>>,
}

/// Asks until everything is settled or the time is over.
pub(super) async fn wait(control: &Control, handlers: &[HandlerConfig], sent: &[Sent]) -> Result<Fates, ControlError> {
    let ids: Vec<&str> = sent.iter().map(|event| event.id.as_str()).collect();
    let command = json!({"command": "events_status", "ids": ids});
    let end = Instant::now() + HANDLED_WITHIN;
    loop {
        let late = Instant::now() >= end;
        let answer: Answer = match control.ask(&command).await {
            Ok(answer) => answer,
            // It listens for requests a moment after it is ready.
            Err(ControlError::NoRunner { .. }) if !late => Answer::default(),
            Err(error) => return Err(error),
        };
        let fates = Fates { rows: sent.iter().map(|event| fates(event, handlers, &answer)).collect() };
        if late || fates.are_final() {
            return Ok(fates);
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn fates(event: &Sent, handlers: &[HandlerConfig], answer: &Answer) -> Vec<Fate> {
    let states = answer.events.get(&event.id);
    let fate = |handler: &HandlerConfig| {
        if !handler.takes(&event.kind) {
            return Fate::NotTaken;
        }
        match states.and_then(|states| states.get(handler.name.as_str())).map(String::as_str) {
            Some("dead") => Fate::Dead,
            Some(state @ ("done" | "skipped" | "filtered" | "duplicate")) => Fate::Handled(state.to_owned()),
            Some(state) => Fate::Open(state.to_owned()),
            None => Fate::Open("waiting".to_owned()),
        }
    };
    handlers.iter().map(fate).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn an_event_is_handled_when_every_handler_that_takes_it_has_settled_it() {
        let text = "handlers:\n  - { name: a, plugin: ./a.wasm, on: [\"*\"] }\n  - { name: b, plugin: ./b.wasm, on: room_* }\n";
        let config = service::config::parse(text, Path::new("roomwire.yaml")).unwrap();
        let event = |kind: &str| Sent { id: "1".to_owned(), kind: kind.to_owned(), status: 200 };
        let judge = |kind: &str, states: &[(&str, &str)]| {
            let states = states.iter().map(|(name, state)| ((*name).to_owned(), (*state).to_owned())).collect();
            let answer = Answer { events: BTreeMap::from([("1".to_owned(), states)]) };
            let fates = Fates { rows: vec![fates(&event(kind), &config.handlers, &answer)] };
            (fates.are_final(), fates.are_good())
        };
        assert_eq!(judge("track_published", &[("a", "done")]), (true, true));
        assert_eq!(judge("room_started", &[("a", "done")]), (false, false));
        assert_eq!(judge("room_started", &[("a", "skipped"), ("b", "filtered")]), (true, true));
        assert_eq!(judge("room_started", &[("a", "done"), ("b", "parked")]), (false, false));
        assert_eq!(judge("room_started", &[("a", "done"), ("b", "dead")]), (true, false));
    }
}
