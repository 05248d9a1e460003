//! `breaker`: when a handler stops trying because whatever it depends on is down.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::config::defaults;
use crate::config::node::Node;
use crate::config::problem::{Problems, Refused};
use crate::config::section::{Keys, Section};
use crate::config::value;

const KEYS: Keys = Keys { of: "`breaker`", known: &["keys", "initial", "max"], later: &[] };

/// When a handler stops trying, and how it finds out that it may go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaker {
    /// Rooms whose attempts fail in a row, or all that have something to do if those are fewer.
    pub keys: NonZeroU32,
    /// The wait before one event is tried.
    pub initial: Duration,
    /// The longest wait.
    pub max: Duration,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { keys: defaults::BREAKER_KEYS, initial: defaults::BREAKER_INITIAL, max: defaults::BREAKER_MAX }
    }
}

/// `off`, or its settings.
pub(super) fn decode(node: &Node, problems: &mut Problems) -> Option<Breaker> {
    if node.scalar().is_some_and(|text| text == "off" || text == "false") {
        return None;
    }
    let section = Section::open(node, KEYS, problems);
    let mut decoded = Breaker::default();
    section.set("keys", &mut decoded.keys, problems, |node| value::count(node, 1_000));
    let waits = Duration::from_millis(1)..=Duration::from_hours(1);
    section.set("initial", &mut decoded.initial, problems, |node| value::duration(node, waits.clone()));
    match (section.read("max", problems, |node| value::duration(node, waits)), section.get("max")) {
        (Some(longest), Some(node)) if longest < decoded.initial => problems.refuse(
            node.place,
            Refused::new(
                format!("`max` is below `initial`, {}", humantime::format_duration(decoded.initial)),
                "raise `max` or lower `initial`",
            ),
        ),
        (Some(longest), _) => decoded.max = longest,
        (None, _) => decoded.max = decoded.max.max(decoded.initial),
    }
    Some(decoded)
}
