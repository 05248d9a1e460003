//! What can be asked of an event.

use crate::bindings::roomwire::plugin::event_types::Event;
use crate::webhook::{Webhook, WebhookError};

impl Event {
    /// The webhook's body, typed. What is newer than this crate passes: unknown fields are left out, unknown names stay
    /// text. `json` has everything.
    ///
    /// # Errors
    /// If a field has another type than LiveKit documents. With `?` that becomes a permanent failure.
    pub fn webhook(&self) -> Result<Webhook, WebhookError> {
        Webhook::parse(&self.json)
    }

    /// An attribute by its name, e.g. `ordering-key`.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Whether the event is a dead letter if this attempt fails.
    #[must_use]
    pub fn is_final_attempt(&self) -> bool {
        self.attribute("final-attempt") == Some("true")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_found_by_name() {
        let event = Event {
            id: "EV_1".to_owned(),
            kind: "room_started".to_owned(),
            project: "default".to_owned(),
            room: None,
            participant: None,
            created_at: String::new(),
            attempt: 1,
            deadline_ms: 5_000,
            json: "{}".to_owned(),
            attributes: vec![("final-attempt".to_owned(), "true".to_owned())],
        };
        assert!(event.is_final_attempt());
        assert_eq!(event.attribute("replay"), None);
        assert_eq!(event.webhook().unwrap(), Webhook::default());
    }
}
