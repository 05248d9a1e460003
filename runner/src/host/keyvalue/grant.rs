//! A bucket that a handler is granted.

use std::sync::Arc;

use lanes::{Millis, Order};
use service::config::{BucketConfig, KeyScope, Pattern};
use store::{Bucket, Spot};

use crate::config::Handler;

/// A bucket, whose keys it holds, and what may be in it.
#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) bucket: Bucket,
    pub(crate) shared: bool,
    pub(crate) ttl_ms: Option<Millis>,
    pub(crate) max_keys: u64,
    pub(crate) max_bytes: u64,
    pub(crate) max_key: usize,
    pub(crate) max_value: usize,
}

impl Grant {
    /// A bucket of a handler.
    pub(crate) fn new(config: &BucketConfig, handler: &Handler) -> Self {
        let shared = config.scope == KeyScope::Shared;
        let dead_letters = handler.on.iter().filter(|pattern| matches!(pattern, Pattern::DeadLetter)).count();
        // Events of one room run one after another, but not where they have no order, nor where some come as dead letters.
        let crossed = dead_letters > 0 && dead_letters < handler.on.len();
        let contended = shared || handler.rules.order == Order::None || crossed;
        Self {
            bucket: Bucket { name: config.name.as_str().into(), contended },
            shared,
            ttl_ms: config.ttl.map(|ttl| Millis::try_from(ttl.as_millis()).unwrap_or(Millis::MAX)),
            max_keys: config.max_keys.get().into(),
            max_bytes: config.max_bytes,
            max_key: usize::try_from(config.max_key.get()).unwrap_or(usize::MAX),
            max_value: usize::try_from(config.max_value).unwrap_or(usize::MAX),
        }
    }

    /// Where a key of it is, for an event whose private keys are in this space.
    pub(crate) fn spot(&self, space: &Arc<str>, key: &str) -> Spot {
        let space = if self.shared { Arc::from("") } else { space.clone() };
        Spot { bucket: self.bucket.clone(), space, key: key.into() }
    }
}
