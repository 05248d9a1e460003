//! What is counted of the spool.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::spool::Depth;

/// What is counted of the spool.
#[derive(Debug, Clone, Default)]
pub(crate) struct SpoolMetrics {
    events: Gauge,
    bytes: Gauge,
    age_seconds: Gauge,
    drained: Counter,
}

impl SpoolMetrics {
    /// Shows them: once the spool is open, so that nobody takes one that was not looked into for an empty one.
    pub(crate) fn register(self, registry: &mut Registry) {
        let receiver = registry.sub_registry_with_prefix("receiver");
        let SpoolMetrics { events, bytes, age_seconds, drained } = self;
        receiver.register("spool_events", "Events that wait in the spool", events);
        receiver.register("spool_bytes", "What they count for against receiver.spool.max_bytes", bytes);
        receiver.register("spool_age_seconds", "Seconds since the oldest of them was received", age_seconds);
        receiver.register("spool_drained", "Events that went from the spool to JetStream", drained);
    }

    /// What waits.
    pub(crate) fn depth(&self, depth: Depth) {
        self.events.set(depth.rows.cast_signed());
        self.bytes.set(depth.bytes.cast_signed());
    }

    /// When the oldest of it was received, in Unix milliseconds.
    pub(crate) fn oldest(&self, received_at_ms: Option<u64>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let age_ms = received_at_ms.map_or(0, |oldest| now_ms.saturating_sub(oldest));
        self.age_seconds.set((age_ms / 1000).cast_signed());
    }

    pub(crate) fn drained(&self, events: usize) {
        self.drained.inc_by(events as u64);
    }
}
