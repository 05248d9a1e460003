//! Waiting on a condition, with a deadline and words for when it does not come.

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How often a condition is looked at.
const PAUSE: Duration = Duration::from_millis(15);

/// Waits until the condition holds.
///
/// # Errors
/// When the deadline passes first; the text names `what`.
pub async fn wait_until<F, Fut>(deadline: Duration, what: &str, mut condition: F) -> Result<()>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    wait_for(deadline, what, || {
        let holds = condition();
        async move { holds.await.then_some(()) }
    })
    .await
}

/// Waits until there is a value, and returns it.
///
/// # Errors
/// When the deadline passes first; the text names `what`.
pub async fn wait_for<T, F, Fut>(deadline: Duration, what: &str, mut find: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let start = Instant::now();
    loop {
        if let Some(value) = find().await {
            return Ok(value);
        }
        if start.elapsed() >= deadline {
            bail!("waited {} s in vain for: {what}", deadline.as_secs_f32());
        }
        tokio::time::sleep(PAUSE).await;
    }
}
