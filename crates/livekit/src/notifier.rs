//! LiveKit's delivery: a queue for each key, one request in flight in each, its retries, and what it drops.

mod delivery;
mod key;
mod queues;
mod rules;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;

pub use delivery::{Attempt, Delivery, Fate};
pub use rules::{Heard, Next, Rules};

use crate::sender::{Answer, SendError};
use queues::{Queues, Taken};

/// Hears the end of every webhook, before whoever waits for that one does. It is called from the queues: it must be quick.
pub type Hook = Arc<dyn Fn(&Delivery) + Send + Sync>;

/// Signs and sends one request: a [`crate::sender::Sender`], or in tests something that answers from a script.
pub trait Post: Clone + Send + Sync + 'static {
    /// The token for a body, valid from now.
    fn sign(&self, body: &[u8]) -> String;

    /// Sends a body once with this token.
    fn post(&self, body: Bytes, token: &str) -> impl Future<Output = Result<Answer, SendError>> + Send;
}

/// Sends events as LiveKit's server does: those of one key one after the other, those of different keys side by side.
/// Nothing is kept on disk. It must be used inside a Tokio runtime.
///
/// One thing differs: LiveKit's client follows redirects, here a 3xx is an answer like any other.
pub struct Notifier<P> {
    post: P,
    main: Queues<P>,
    /// All extra webhooks share these, as they do in LiveKit: one that is slow delays the others of its key.
    extra: Queues<P>,
}

impl<P: fmt::Debug> fmt::Debug for Notifier<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifier").field("post", &self.post).finish_non_exhaustive()
    }
}

impl<P: Post> Notifier<P> {
    /// One that sends every event through `post`.
    #[must_use]
    pub fn new(post: P, rules: Rules) -> Notifier<P> {
        Notifier::build(post, rules, None)
    }

    /// The same, and `hook` hears what became of each webhook.
    #[must_use]
    pub fn with_hook(post: P, rules: Rules, hook: Hook) -> Notifier<P> {
        Notifier::build(post, rules, Some(hook))
    }

    fn build(post: P, rules: Rules, hook: Option<Hook>) -> Notifier<P> {
        let rules = Arc::new(rules);
        let main = Queues::new(false, rules.clone(), hook.clone());
        Notifier { post, main, extra: Queues::new(true, rules, hook) }
    }

    /// Puts an event at the end of its key's queue. The receiver gets what became of it; without a value the runtime ended.
    pub fn notify(&self, body: impl Into<Bytes>) -> oneshot::Receiver<Delivery> {
        self.main.put(self.post.clone(), body.into()).1
    }

    /// As `notify`, for an event with extra webhooks: the same event, sent also through each of `extra`, in queues of
    /// their own. The first receiver is that of the event itself. Where a queue is full, what comes after it is not sent
    /// either, and has no receiver.
    pub fn notify_with(&self, body: impl Into<Bytes>, extra: &[P]) -> Vec<oneshot::Receiver<Delivery>> {
        let body = body.into();
        let (mut taken, delivery) = self.main.put(self.post.clone(), body.clone());
        let mut deliveries = vec![delivery];
        for post in extra {
            if taken == Taken::No {
                break;
            }
            let (next, delivery) = self.extra.put(post.clone(), body.clone());
            taken = next;
            deliveries.push(delivery);
        }
        deliveries
    }
}

#[cfg(test)]
mod tests;
