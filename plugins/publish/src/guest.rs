//! The handler: event in, message out, once the event is committed.

mod bindings {
    #![expect(clippy::pedantic, reason = "generated code")]

    wit_bindgen::generate!({ path: "../../wit", world: "plugin", generate_all });
}

use bindings::exports::roomwire::plugin::handler::{Event, Failure, Guest, Outcome};
use bindings::roomwire::plugin::effects;
use bindings::roomwire::plugin::event_types::RetryHint;
use bindings::wasi::config::store;

use crate::headers::cloud_event;
use crate::template::{Facts, Template};

struct Publish;

impl Guest for Publish {
    fn handle(event: Event) -> Result<Outcome, Failure> {
        let template = template().map_err(Failure::Permanent)?;
        let facts = Facts {
            id: &event.id,
            kind: &event.kind,
            project: &event.project,
            room: event.room.as_deref(),
            participant: event.participant.as_deref(),
        };
        let key = event.attributes.iter().find(|(name, _)| name == "ordering-key").map_or("", |(_, key)| key);
        let message = effects::Message {
            subject: template.subject(&facts),
            headers: cloud_event(&facts, &event.created_at, key),
            data: event.json.into_bytes(),
        };
        effects::publish(&message).map_err(|error| failure(error, &message))?;
        Ok(Outcome::Done)
    }

    fn check() -> Result<(), String> {
        template().map(|_| ())
    }
}

fn template() -> Result<Template, String> {
    let text = store::get("subject").map_err(|error| format!("cannot read the config: {error:?}"))?;
    let text = text.ok_or("set `config.subject`, e.g. `meetings.{room}.{kind}`, and allow it under `allow.publish`")?;
    Template::parse(&text).map_err(|error| error.to_string())
}

fn failure(error: effects::Error, message: &effects::Message) -> Failure {
    match error {
        effects::Error::Denied(reason) => {
            Failure::Permanent(format!("may not publish to {}: {reason}", message.subject))
        }
        effects::Error::TooLarge => {
            Failure::Permanent(format!("the event has {} bytes, too many for a message", message.data.len()))
        }
        effects::Error::QuotaExceeded => Failure::Permanent("no message may be published".to_owned()),
        effects::Error::Other(reason) => Failure::Retry(RetryHint { reason, after_ms: None }),
    }
}

bindings::export!(Publish with_types_in bindings);
