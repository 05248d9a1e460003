//! Whose rows a piece of work touches.

use std::sync::Arc;

use lanes::{Millis, Shard};

use crate::fields::Arg;

/// Who owns a shard of a handler: the fence of everything that is written for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// The handler's name.
    pub handler: Arc<str>,
    /// The run: [`crate::LIVE`], or the name of a replay.
    pub run: Arc<str>,
    /// The shard.
    pub shard: Shard,
    /// The epoch of the claim.
    pub epoch: u64,
}

impl Owner {
    /// The owner of a shard in the live run.
    #[must_use]
    pub fn live(handler: &str, shard: Shard, epoch: u64) -> Self {
        Self { handler: handler.into(), run: crate::LIVE.into(), shard, epoch }
    }
}

/// A (handler, run, shard) in the database's terms, and the time of the transaction.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    pub(crate) handler_id: i64,
    pub(crate) handler: Arc<str>,
    pub(crate) run: Arc<str>,
    pub(crate) shard: Shard,
    pub(crate) now: Millis,
}

impl Scope {
    /// Handler, run and shard as `$1`, `$2` and `$3`.
    pub(crate) fn args(&self) -> Vec<Arg> {
        vec![self.handler_id.into(), (*self.run).into(), self.shard.into()]
    }
}

/// The time, by the system's clock.
pub(crate) fn now() -> Millis {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
}
