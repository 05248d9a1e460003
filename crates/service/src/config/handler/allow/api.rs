//! `allow.livekit`: methods of LiveKit's API that a handler may call.

use livekit::api;

use crate::config::node::Node;
use crate::config::problem::Refused;
use crate::config::section::{list, nearest};

/// One method of a service, or all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiPattern {
    service: String,
    /// `None` for `*`.
    method: Option<String>,
}

impl ApiPattern {
    /// Whether the method is meant.
    #[must_use]
    pub fn matches(&self, service: &str, method: &str) -> bool {
        self.service == service && self.method.as_deref().is_none_or(|own| own == method)
    }
}

pub(super) fn decode(node: &Node) -> Result<ApiPattern, Refused> {
    let text = node.scalar().unwrap_or_default();
    let Some((service, method)) = text.split_once('/') else {
        return Err(Refused::new(
            format!("`livekit` holds `{text}`, which names no method"),
            "write service and method, such as `RoomService/RemoveParticipant`, or `Egress/*` for all of a service",
        ));
    };
    let services: Vec<&str> = api::services().collect();
    if !services.contains(&service) {
        return Err(unknown("service", service, &services));
    }
    let methods: Vec<&str> = api::methods(service).collect();
    if method != "*" && !methods.contains(&method) {
        return Err(unknown(&format!("method of {service}"), method, &methods));
    }
    Ok(ApiPattern { service: service.to_owned(), method: (method != "*").then(|| method.to_owned()) })
}

fn unknown(what: &str, word: &str, known: &[&str]) -> Refused {
    let hint = match nearest(word, known) {
        Some(meant) => format!("did you mean `{meant}`? there are {}", list(known)),
        None => format!("there are {}", list(known)),
    };
    Refused::new(format!("`livekit` holds `{word}`, which is no {what}"), hint)
}
