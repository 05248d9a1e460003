//! What all handlers of one runner share.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream;
use event::{Prefix, topology};
use lanes::Shard;
use service::config::Pattern;
use store::Store;
use tokio::sync::RwLock;

use crate::engine::Engine;
use crate::filter::Filter;
use crate::metrics::Metrics;

/// The shard under which a handler reads the dead-letter feed: one more than any that events can have.
pub(crate) const DEAD_LETTERS: Shard = Shard::MAX;

/// Handles to everything that outlives a handler.
pub(crate) struct Shared {
    pub(crate) connection: service::nats::Connection,
    pub(crate) js: jetstream::Context,
    pub(crate) store: Store,
    pub(crate) engine: Engine,
    pub(crate) metrics: Metrics,
    pub(crate) prefix: Prefix,
    pub(crate) shards: NonZeroU16,
    /// For how long the configuration says that event streams recognise repeats.
    pub(crate) duplicate_window: Duration,
    /// This start of this runner: what leases name as their owner.
    pub(crate) runner: String,
    /// Read by every invocation, written by one that must run alone in the process.
    pub(crate) lone: Arc<RwLock<()>>,
}

impl Shared {
    /// The shards that a handler reads.
    pub(crate) fn sources(&self, on: &[Pattern]) -> Vec<Shard> {
        let mut sources = Vec::new();
        if on.iter().any(|pattern| !matches!(pattern, Pattern::DeadLetter)) {
            sources.extend(0..self.shards.get());
        }
        if on.iter().any(|pattern| matches!(pattern, Pattern::DeadLetter)) {
            sources.push(DEAD_LETTERS);
        }
        sources
    }

    pub(crate) fn stream_of(&self, shard: Shard) -> String {
        if shard == DEAD_LETTERS {
            topology::dead_stream_name(&self.prefix)
        } else {
            topology::events_stream(&self.prefix, shard)
        }
    }

    pub(crate) fn subjects(&self, filter: &Filter, shard: Shard) -> Vec<String> {
        if shard == DEAD_LETTERS { Vec::new() } else { filter.subjects(&self.prefix, shard) }
    }
}
