//! `waiting`: what a handler may hold in memory; what is above waits in the stream or in the state store.

use std::num::NonZeroU32;
use std::time::Duration;

use bytesize::{GIB, KIB};

use crate::config::defaults;
use crate::config::node::Node;
use crate::config::problem::Problems;
use crate::config::section::{Keys, Section};
use crate::config::value;

const KEYS: Keys = Keys { of: "`waiting`", known: &["events", "bytes", "room_events", "park_after"], later: &[] };

/// What a handler may hold in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Unsettled events; at so many nothing more is pulled.
    pub events: NonZeroU32,
    /// Bytes of them.
    pub bytes: u64,
    /// Events of one room; with more of them, the first of them there for a second, the room waits in the state store.
    pub room_events: NonZeroU32,
    /// A room that must wait longer does so in the state store.
    pub park_after: Duration,
}

impl Default for Waiting {
    fn default() -> Self {
        Self {
            events: defaults::WAITING_EVENTS,
            bytes: defaults::WAITING_BYTES,
            room_events: defaults::WAITING_ROOM_EVENTS,
            park_after: defaults::PARK_AFTER,
        }
    }
}

impl Waiting {
    pub(super) fn decode(node: &Node, problems: &mut Problems) -> Self {
        let section = Section::open(node, KEYS, problems);
        let mut decoded = Self::default();
        section.set("events", &mut decoded.events, problems, |node| value::count(node, 1_000_000));
        section.set("bytes", &mut decoded.bytes, problems, |node| value::size(node, 64 * KIB..=64 * GIB));
        section.set("room_events", &mut decoded.room_events, problems, |node| value::count(node, 1_000_000));
        section.set("park_after", &mut decoded.park_after, problems, |node| {
            value::duration(node, Duration::ZERO..=Duration::from_hours(1))
        });
        decoded
    }
}
