//! `streams`: how many event streams there are and what they hold.

use std::num::NonZeroU16;
use std::time::Duration;

use bytesize::{MIB, PIB};

use super::defaults;
use super::node::Node;
use super::problem::Problems;
use super::section::{Keys, Section};
use super::value;

const KEYS: Keys =
    Keys { of: "`streams`", known: &["shards", "replicas", "duplicate_window", "max_bytes", "keep"], later: &[] };

/// The event streams.
#[derive(Debug, Clone)]
pub struct StreamsSection {
    /// How many streams there are; fixed once they exist.
    pub shards: NonZeroU16,
    /// Copies of each stream, in a cluster.
    pub replicas: usize,
    /// For how long JetStream recognises an event id that it has stored.
    pub duplicate_window: Duration,
    /// Bytes in all streams together.
    pub max_bytes: u64,
    /// For how long an event stays that every handler has settled, as long as there is room.
    pub keep: Duration,
}

impl Default for StreamsSection {
    fn default() -> Self {
        Self {
            shards: defaults::SHARDS,
            replicas: defaults::REPLICAS,
            duplicate_window: defaults::DUPLICATE_WINDOW,
            max_bytes: defaults::STREAMS_MAX_BYTES,
            keep: defaults::STREAMS_KEEP,
        }
    }
}

impl StreamsSection {
    pub(crate) fn decode(node: &Node, problems: &mut Problems) -> Self {
        let section = Section::open(node, KEYS, problems);
        let mut decoded = Self::default();
        section.set("shards", &mut decoded.shards, problems, |node| value::short_count(node, 256));
        section.set("replicas", &mut decoded.replicas, problems, |node| {
            value::one_of(node, &[("1", 1), ("3", 3), ("5", 5)])
        });
        section.set("duplicate_window", &mut decoded.duplicate_window, problems, |node| {
            value::duration(node, Duration::from_millis(100)..=Duration::from_hours(24))
        });
        section.set("max_bytes", &mut decoded.max_bytes, problems, |node| value::size(node, MIB..=PIB));
        section.set("keep", &mut decoded.keep, problems, |node| {
            value::duration(node, Duration::from_secs(1)..=Duration::from_hours(24 * 3650))
        });
        decoded
    }
}
