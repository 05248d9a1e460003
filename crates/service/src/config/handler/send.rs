//! `send`: how the requests that a handler leaves behind (`effects.send`) are sent.

use std::time::Duration;

use super::Allow;
use crate::config::node::Node;
use crate::config::problem::{Problems, Refused};
use crate::config::section::{Keys, Section};
use crate::config::{Config, defaults, value};

const KEYS: Keys = Keys { of: "`send`", known: &["sign", "timeout", "on_unknown"], later: &[] };

/// How requests are sent after the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendRules {
    /// The key of `livekit.keys` that signs them, as LiveKit signs its webhooks. None: they are not signed.
    pub sign: Option<String>,
    /// From connecting to the whole answer.
    pub timeout: Duration,
    /// What becomes of a request that was sent and never answered.
    pub on_unknown: OnUnknown,
}

/// What becomes of a request that was sent and never answered: whether it arrived is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnUnknown {
    /// It is sent again, with the same bytes and the same `Idempotency-Key`.
    #[default]
    Resend,
    /// It waits, and what follows it with it, until an operator says whether to send it again.
    Hold,
}

impl Default for SendRules {
    fn default() -> Self {
        Self { sign: None, timeout: defaults::SEND_TIMEOUT, on_unknown: OnUnknown::default() }
    }
}

impl SendRules {
    pub(super) fn decode(node: &Node, allow: &Allow, beside: &Config, problems: &mut Problems) -> Self {
        let section = Section::open(node, KEYS, problems);
        if allow.http.is_empty() {
            problems.refuse(
                node.place,
                Refused::new(
                    "`send` says how requests are sent, and `allow.http` grants none",
                    "add `allow: { http: [\"https://api.example.com\"] }`, or remove `send`",
                ),
            );
        }
        let mut decoded = Self { sign: section.read("sign", problems, |node| key(node, beside)), ..Self::default() };
        section.set("timeout", &mut decoded.timeout, problems, |node| {
            value::duration(node, Duration::from_millis(100)..=Duration::from_mins(5))
        });
        section.set("on_unknown", &mut decoded.on_unknown, problems, |node| {
            value::one_of(node, &[("resend", OnUnknown::Resend), ("hold", OnUnknown::Hold)])
        });
        decoded
    }
}

/// The name of a key that there is.
fn key(node: &Node, beside: &Config) -> Result<String, Refused> {
    let name = value::filled(node)?;
    let known = beside.livekit.key_names();
    if known.contains(&name.as_str()) {
        return Ok(name);
    }
    Err(Refused::new(
        format!("is `{name}`, and `livekit.keys` has no such key"),
        format!("name one of those that are there: {}", known.join(", ")),
    ))
}
