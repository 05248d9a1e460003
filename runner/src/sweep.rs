//! Keys whose time is over leave the store. Nobody sees them any more before that; here they give their room back.

use std::time::Duration;

use service::error::Chain;
use store::Store;
use tokio_util::sync::CancellationToken;

/// How often it is looked for them.
const EACH: Duration = Duration::from_secs(30);

/// Keys that are removed in one transaction: others wait for it.
const TOGETHER: u32 = 1_000;

/// Removes them until `shutdown`.
pub(crate) async fn run(store: Store, shutdown: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(EACH) => {}
            () = shutdown.cancelled() => return,
        }
        loop {
            match store.kv_sweep(TOGETHER).await {
                Ok(removed) if removed < u64::from(TOGETHER) => break,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(error = %Chain(&error), "failed to remove keys whose time is over; trying again later");
                    break;
                }
            }
            if shutdown.is_cancelled() {
                return;
            }
        }
    }
}
