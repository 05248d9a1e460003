//! Waits for acknowledgements: one inbox for all of them, and nothing stays behind for one that never comes.
//!
//! The client's own `request` keeps an entry for each request that is not answered as long as the client lives
//! (nats.rs issue 1617), which a receiver in front of a slow server would feel.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_nats::{Client, Message, SubscribeError};
use futures_util::StreamExt as _;
use tokio::sync::oneshot;

/// The inbox. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Acks {
    prefix: Arc<str>,
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Debug, Default)]
struct Waiting {
    last: u64,
    by_token: HashMap<u64, oneshot::Sender<Message>>,
}

/// An acknowledgement that is waited for as long as this lives.
#[derive(Debug)]
pub(crate) struct Expected {
    acks: Acks,
    token: u64,
    answer: oneshot::Receiver<Message>,
}

impl Acks {
    /// Listens on an inbox of its own until the client is closed.
    pub(crate) async fn listen(client: &Client) -> Result<Acks, SubscribeError> {
        let acks = Acks { prefix: format!("{}.", client.new_inbox()).into(), waiting: Arc::default() };
        let mut answers = client.subscribe(format!("{}*", acks.prefix)).await?;
        let here = acks.clone();
        tokio::spawn(async move {
            while let Some(message) = answers.next().await {
                here.arrived(message);
            }
        });
        Ok(acks)
    }

    /// Prepares for one acknowledgement.
    pub(crate) fn expect(&self) -> Expected {
        let (sender, answer) = oneshot::channel();
        let mut waiting = self.waiting();
        waiting.last += 1;
        let token = waiting.last;
        waiting.by_token.insert(token, sender);
        drop(waiting);
        Expected { acks: self.clone(), token, answer }
    }

    /// One that nobody waits for any more is dropped: its event is sent again, and that one is answered too.
    fn arrived(&self, message: Message) {
        let token = message.subject.strip_prefix(&*self.prefix).and_then(|token| token.parse().ok());
        let sender = token.and_then(|token: u64| self.waiting().by_token.remove(&token));
        if let Some(sender) = sender {
            // It was given up a moment ago.
            let _late = sender.send(message);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Expected {
    /// Where the acknowledgement is to be sent.
    pub(crate) fn reply_to(&self) -> String {
        format!("{}{}", self.acks.prefix, self.token)
    }

    /// The acknowledgement; `None` when the client was closed, after which none will come.
    pub(crate) async fn arrives(mut self) -> Option<Message> {
        (&mut self.answer).await.ok()
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        self.acks.waiting().by_token.remove(&self.token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acks() -> Acks {
        Acks { prefix: "_INBOX.x.".into(), waiting: Arc::default() }
    }

    fn message(subject: &str, payload: &'static str) -> Message {
        Message {
            subject: subject.into(),
            reply: None,
            payload: payload.into(),
            headers: None,
            status: None,
            description: None,
            length: 0,
        }
    }

    #[tokio::test]
    async fn each_acknowledgement_reaches_the_one_who_waits_for_it() {
        let acks = acks();
        let (first, second) = (acks.expect(), acks.expect());
        acks.arrived(message(&second.reply_to(), "2"));
        acks.arrived(message(&first.reply_to(), "1"));
        acks.arrived(message(&first.reply_to(), "again"));
        for other in ["_INBOX.x.77", "_INBOX.x.none", "_INBOX.y.1", ""] {
            acks.arrived(message(other, "nobody's"));
        }
        assert_eq!(first.arrives().await.unwrap().payload, "1");
        assert_eq!(second.arrives().await.unwrap().payload, "2");
    }

    #[tokio::test]
    async fn nothing_stays_behind_for_what_was_given_up() {
        let acks = acks();
        let given_up = acks.expect();
        let reply_to = given_up.reply_to();
        let waits = tokio::time::timeout(std::time::Duration::from_millis(1), given_up.arrives()).await;
        assert!(waits.is_err());
        assert_eq!(acks.waiting().by_token.len(), 0);
        acks.arrived(message(&reply_to, "late"));
        assert_ne!(acks.expect().reply_to(), reply_to, "a late one must not be taken for another's");
    }
}
