//! The handler: config in, line out.

mod bindings {
    #![expect(clippy::pedantic, reason = "generated code")]

    wit_bindgen::generate!({ path: "../../wit", world: "plugin", generate_all });
}

use bindings::exports::roomwire::plugin::handler::{Event, Failure, Guest, Outcome};
use bindings::wasi::config::store;
use bindings::wasi::logging::logging::{self, log};

use crate::line::{Level, Seen, line};

struct EventLog;

impl Guest for EventLog {
    fn handle(event: Event) -> Result<Outcome, Failure> {
        let level = level().map_err(Failure::Permanent)?;
        let seen = Seen {
            id: &event.id,
            kind: &event.kind,
            project: &event.project,
            room: event.room.as_deref(),
            participant: event.participant.as_deref(),
            created_at: &event.created_at,
            attempt: event.attempt,
        };
        log(level, "event-log", &line(&seen));
        Ok(Outcome::Done)
    }

    fn check() -> Result<(), String> {
        level().map(|_| ())
    }
}

fn level() -> Result<logging::Level, String> {
    let level = match store::get("level").map_err(|error| format!("cannot read the config: {error:?}"))? {
        Some(text) => text.parse().map_err(|error: crate::UnknownLevel| error.to_string())?,
        None => Level::default(),
    };
    Ok(match level {
        Level::Trace => logging::Level::Trace,
        Level::Debug => logging::Level::Debug,
        Level::Info => logging::Level::Info,
        Level::Warn => logging::Level::Warn,
        Level::Error => logging::Level::Error,
    })
}

bindings::export!(EventLog with_types_in bindings);
