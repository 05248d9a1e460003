//! `retry`: how failed attempts are repeated.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::config::defaults;
use crate::config::node::Node;
use crate::config::problem::{Problems, Refused};
use crate::config::section::{Keys, Section};
use crate::config::value;

const KEYS: Keys = Keys { of: "`retry`", known: &["for", "initial", "max", "jitter", "crash_attempts"], later: &[] };
const DAY: Duration = Duration::from_hours(24);

/// How failed attempts are repeated.
#[derive(Debug, Clone, PartialEq)]
pub struct Retry {
    /// For how long an event is tried that its handler wants to see again; zero is once.
    pub for_: Duration,
    /// The first wait.
    pub initial: Duration,
    /// The longest wait.
    pub max: Duration,
    /// By which part of itself a wait varies.
    pub jitter: f64,
    /// How often an event is tried that makes its handler crash.
    pub crash_attempts: NonZeroU32,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            for_: defaults::RETRY_FOR,
            initial: defaults::RETRY_INITIAL,
            max: defaults::RETRY_MAX,
            jitter: defaults::RETRY_JITTER,
            crash_attempts: defaults::CRASH_ATTEMPTS,
        }
    }
}

impl Retry {
    pub(super) fn decode(node: &Node, problems: &mut Problems) -> Self {
        let section = Section::open(node, KEYS, problems);
        let mut decoded = Self::default();
        section.set("for", &mut decoded.for_, problems, |node| value::duration(node, Duration::ZERO..=30 * DAY));
        section.set("initial", &mut decoded.initial, problems, |node| {
            value::duration(node, Duration::from_millis(1)..=DAY)
        });
        let longest = section.read("max", problems, |node| value::duration(node, Duration::from_millis(1)..=7 * DAY));
        match (longest, section.get("max")) {
            (Some(longest), Some(node)) if longest < decoded.initial => problems.refuse(
                node.place,
                Refused::new(
                    format!("`max` is below `initial`, {}", humantime::format_duration(decoded.initial)),
                    "raise `max` or lower `initial`",
                ),
            ),
            (Some(longest), _) => decoded.max = longest,
            // A first wait above the usual longest one means that all are as long.
            (None, _) => decoded.max = decoded.max.max(decoded.initial),
        }
        section.set("jitter", &mut decoded.jitter, problems, value::fraction);
        section.set("crash_attempts", &mut decoded.crash_attempts, problems, |node| value::count(node, 100));
        decoded
    }
}
