//! The ledger remembers what became of an event for a while: then its entry goes, so that the state store stays bounded.

use std::time::Duration;

use service::error::Chain;
use store::{LedgerPlace, Store};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::invoke::unix_ms;
use crate::metrics::Metrics;

/// The longest wait between two walks; where little is kept they come more often.
const EVERY: Duration = Duration::from_mins(1);

/// Entries that are looked at in one transaction: others wait for it.
const TOGETHER: u32 = 1_000;

/// Removes old entries until `shutdown`.
pub(crate) async fn run(store: Store, keep: Duration, metrics: Metrics, shutdown: CancellationToken) {
    let every = (keep / 4).clamp(Duration::from_secs(1), EVERY);
    loop {
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = shutdown.cancelled() => return,
        }
        tokio::select! {
            () = walk(&store, keep, &metrics) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

/// Walks over all of the ledger that is old, and leaves the store to others for half of the time.
async fn walk(store: &Store, keep: Duration, metrics: &Metrics) {
    let before = unix_ms().saturating_sub(u64::try_from(keep.as_millis()).unwrap_or(u64::MAX));
    let (mut after, mut removed) = (LedgerPlace::default(), 0);
    loop {
        let began = Instant::now();
        match store.ledger_age(before, after, TOGETHER).await {
            Ok(aged) => {
                removed += aged.removed;
                metrics.ledger_trimmed(aged.removed);
                let Some(next) = aged.next else { break };
                after = next;
            }
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "failed to remove old entries of the ledger; trying again later");
                break;
            }
        }
        tokio::time::sleep(began.elapsed()).await;
    }
    if removed > 0 {
        tracing::info!(entries = removed, "removed old entries of the ledger");
    }
}
