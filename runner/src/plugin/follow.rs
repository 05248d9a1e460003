//! What is deployed, as this runner knows it: the registry's word on every handler that follows it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use service::error::Chain;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::source::Sources;
use crate::registry::{self, Deploys, Registry, RegistryError, Revision};

/// How often the registry is asked, in case a deploy was not heard of.
const LOOK: Duration = Duration::from_secs(10);

/// Waits while the registry cannot be reached.
const FIRST_RETRY: Duration = Duration::from_millis(250);
const LAST_RETRY: Duration = Duration::from_secs(15);

/// What is known to be deployed for a handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// Nobody was asked yet.
    Unasked,
    /// The registry could not say, and never did since this runner started.
    Unreachable(String),
    /// Nothing.
    Nothing,
    /// This.
    Wanted(Revision),
}

/// A wait that doubles up to a limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: FIRST_RETRY }
    }
}

impl Backoff {
    pub(crate) fn next(&mut self) -> Duration {
        let now = self.next;
        self.next = (now * 2).min(LAST_RETRY);
        now
    }
}

/// The registry's word on every handler that asks for it. Clones share it.
#[derive(Clone)]
pub(crate) struct Deployments {
    registry: Registry,
    known: Arc<Mutex<HashMap<String, watch::Sender<Known>>>>,
    asked: Arc<Notify>,
}

impl Deployments {
    pub(crate) fn new(registry: Registry) -> Self {
        Self { registry, known: Arc::default(), asked: Arc::default() }
    }

    /// What is deployed for a handler, as it changes.
    pub(crate) fn of(&self, handler: &str) -> watch::Receiver<Known> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = known.entry(handler.to_owned()).or_insert_with(|| watch::channel(Known::Unasked).0);
        self.asked.notify_one();
        sender.subscribe()
    }

    /// The deploys before the newest one of a handler, the nearest first.
    pub(crate) async fn earlier(&self, handler: &str) -> Result<Vec<Revision>, RegistryError> {
        let history = self.registry.deploys().await?.history(handler).await?;
        Ok(history.earlier().into_iter().cloned().collect())
    }

    /// As [`Deploys::take_over`].
    pub(crate) async fn take_over(&self, from: &str, to: &str) -> Result<bool, RegistryError> {
        self.registry.deploys().await?.take_over(from, to).await
    }

    /// Listens until `end`, once somebody asked. What was heard stays true while nothing can be heard.
    pub(crate) async fn run(self, end: CancellationToken) {
        tokio::select! {
            () = self.asked.notified() => {}
            () = end.cancelled() => return,
        }
        let mut backoff = Backoff::default();
        loop {
            let ended = tokio::select! {
                ended = self.listen(&mut backoff) => ended,
                () = end.cancelled() => return,
            };
            let (text, wait) = (Chain(&ended).to_string(), backoff.next());
            tracing::warn!(error = text, "cannot hear what is deployed; what serves goes on; again in {wait:?}");
            self.silence(&text);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = end.cancelled() => return,
            }
        }
    }

    /// Returns with what is wrong.
    async fn listen(&self, backoff: &mut Backoff) -> RegistryError {
        let deploys = match self.registry.deploys().await {
            Ok(deploys) => deploys,
            Err(error) => return error,
        };
        // It begins before the first look, so that no deploy falls between the two.
        let mut news = match deploys.watch().await {
            Ok(news) => news,
            Err(error) => return error,
        };
        loop {
            if let Err(error) = self.look(&deploys).await {
                return error;
            }
            *backoff = Backoff::default();
            let next = tokio::time::sleep(LOOK);
            tokio::pin!(next);
            loop {
                tokio::select! {
                    entry = news.next() => match entry {
                        Some(Ok(entry)) => {
                            if let Some(revision) = registry::revision(&entry) {
                                self.learn(&entry.key, Some(revision));
                            }
                        }
                        Some(Err(error)) => return RegistryError::lost(error),
                        None => return RegistryError::lost("the subscription ended"),
                    },
                    () = self.asked.notified() => break,
                    () = &mut next => break,
                }
            }
        }
    }

    async fn look(&self, deploys: &Deploys) -> Result<(), RegistryError> {
        let handlers: Vec<String> = self.known.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
        for handler in handlers {
            let current = deploys.current(&handler).await?;
            self.learn(&handler, current);
        }
        Ok(())
    }

    /// A replica may answer with what was true before what was heard already. A bucket that was made anew begins again at 1.
    fn learn(&self, handler: &str, current: Option<Revision>) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(sender) = known.get(handler) else { return };
        sender.send_if_modified(|known| {
            let next = match (&*known, current) {
                (Known::Wanted(old), Some(new)) if !is_newer(&new, old) => return false,
                (_, Some(new)) => Known::Wanted(new),
                // What was wanted is so until something else is.
                (Known::Wanted(_), None) => return false,
                (_, None) => Known::Nothing,
            };
            let changed = *known != next;
            *known = next;
            changed
        });
    }

    /// Who was told nothing yet is told that there is nothing to be heard.
    fn silence(&self, text: &str) {
        for known in self.known.lock().unwrap_or_else(PoisonError::into_inner).values() {
            known.send_if_modified(|known| {
                let unasked = *known == Known::Unasked;
                if unasked {
                    *known = Known::Unreachable(text.to_owned());
                }
                unasked
            });
        }
    }
}

/// By the server's clock where the numbers do not tell; those of a bucket that was made anew are low again.
fn is_newer(new: &Revision, old: &Revision) -> bool {
    new.number > old.number || new.stored_ms > old.stored_ms
}

/// What a handler needs of the registry.
#[derive(Clone)]
pub(crate) struct Supply {
    pub(crate) sources: Sources,
    pub(crate) deployments: Deployments,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Deploy;

    fn revision((number, stored_ms): (u64, u64)) -> Revision {
        Revision { number, stored_ms, deploy: Deploy::now("p".parse().unwrap(), String::new(), String::new()) }
    }

    #[test]
    fn an_older_word_is_not_believed_unless_the_bucket_was_made_anew() {
        for (new, old, newer) in [
            ((2, 20), (1, 10), true),
            // What a replica says that is behind.
            ((1, 10), (2, 20), false),
            ((2, 20), (2, 20), false),
            // Another bucket.
            ((1, 90), (7, 70), true),
            ((1, 90), (1, 10), true),
            // A new leader whose clock is behind.
            ((8, 60), (7, 70), true),
        ] {
            assert_eq!(is_newer(&revision(new), &revision(old)), newer, "{new:?} {old:?}");
        }
    }

    #[test]
    fn waits_double_and_have_a_limit() {
        let mut backoff = Backoff::default();
        let waits: Vec<u128> = (0..8).map(|_| backoff.next().as_millis()).collect();
        assert_eq!(waits, [250, 500, 1000, 2000, 4000, 8000, 15000, 15000]);
    }
}
