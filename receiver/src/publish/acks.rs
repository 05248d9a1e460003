//! Waits for acknowledgements: one inbox for all of them, and nothing stays behind for one that never comes.
//!
//! The client's own `request` keeps an entry for each request that is not answered as long as the client lives
//! (nats.rs issue 1617), which a receiver in front of a slow server would feel.
//!
//! No address in the inbox is used twice: whatever comes late, or comes again, must not be taken for another event's.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_nats::{Message, SubscribeError};
use futures_util::StreamExt as _;
use service::nats::{Connection, State};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

/// Those who wait are spread over so many maps, so that cores do not wait for each other.
const PARTS: usize = 8;

/// The inbox. Clones share it; with the last of them what listens ends, which would keep the client open.
#[derive(Debug, Clone)]
pub(crate) struct Acks {
    inbox: Arc<Inbox>,
    _listening: Arc<JoinSet<()>>,
}

#[derive(Debug)]
struct Inbox {
    prefix: String,
    turn: AtomicUsize,
    parts: [Mutex<Part>; PARTS],
}

#[derive(Debug, Default)]
struct Part {
    waiting: HashMap<u64, oneshot::Sender<Message>>,
    used: u64,
}

/// An acknowledgement that is waited for as long as this lives.
#[derive(Debug)]
pub(crate) struct Expected {
    inbox: Arc<Inbox>,
    token: u64,
    answer: oneshot::Receiver<Message>,
}

impl Acks {
    /// Listens on an inbox of its own. When the connection is lost, nobody waits any longer.
    pub(crate) async fn listen(connection: &Connection) -> Result<Acks, SubscribeError> {
        let client = &connection.client;
        let inbox = Arc::new(Inbox::new(format!("{}.", client.new_inbox())));
        let mut answers = client.subscribe(format!("{}*", inbox.prefix)).await?;
        let (here, mut listening) = (inbox.clone(), JoinSet::new());
        listening.spawn(async move {
            while let Some(message) = answers.next().await {
                here.arrived(message);
            }
            here.lost();
        });
        listening.spawn(inbox.clone().watch(connection.state.clone()));
        Ok(Acks { inbox, _listening: Arc::new(listening) })
    }

    /// Prepares for one acknowledgement.
    pub(crate) fn expect(&self) -> Expected {
        self.inbox.clone().expect()
    }
}

impl Inbox {
    fn new(prefix: String) -> Inbox {
        Inbox { prefix, turn: AtomicUsize::new(0), parts: Default::default() }
    }

    fn expect(self: Arc<Self>) -> Expected {
        let (sender, answer) = oneshot::channel();
        let turn = (self.turn.fetch_add(1, Ordering::Relaxed) % PARTS) as u64;
        let mut part = self.part(turn);
        part.used += 1;
        let token = part.used * PARTS as u64 + turn;
        part.waiting.insert(token, sender);
        drop(part);
        Expected { inbox: self, token, answer }
    }

    async fn watch(self: Arc<Self>, mut state: watch::Receiver<State>) {
        while state.changed().await.is_ok() {
            if is_lost(*state.borrow_and_update()) {
                self.lost();
            }
        }
        self.lost();
    }

    /// What was sent on a connection that is lost is not answered on another.
    fn lost(&self) {
        for part in &self.parts {
            part.lock().unwrap_or_else(PoisonError::into_inner).waiting.clear();
        }
    }

    /// One that nobody waits for any more is dropped: its event is sent again, and that one is answered too.
    fn arrived(&self, message: Message) {
        let token = message.subject.strip_prefix(self.prefix.as_str()).and_then(|token| token.parse().ok());
        let sender = token.and_then(|token: u64| self.part(token).waiting.remove(&token));
        if let Some(sender) = sender {
            // It was given up a moment ago.
            let _late = sender.send(message);
        }
    }

    /// The part that a token belongs to.
    fn part(&self, token: u64) -> MutexGuard<'_, Part> {
        let [first, ..] = &self.parts;
        let part = usize::try_from(token % PARTS as u64).ok().and_then(|part| self.parts.get(part));
        part.unwrap_or(first).lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_lost(state: State) -> bool {
    matches!(state, State::Disconnected | State::Closed)
}

impl Expected {
    /// Where the acknowledgement is to be sent.
    pub(crate) fn reply_to(&self) -> String {
        format!("{}{}", self.inbox.prefix, self.token)
    }

    /// The acknowledgement; `None` when the connection was lost, after which none will come.
    pub(crate) async fn arrives(mut self) -> Option<Message> {
        (&mut self.answer).await.ok()
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        self.inbox.part(self.token).waiting.remove(&self.token);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn inbox() -> Arc<Inbox> {
        Arc::new(Inbox::new("_INBOX.x.".to_owned()))
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

    fn waiting(inbox: &Inbox) -> usize {
        inbox.parts.iter().map(|part| part.lock().unwrap().waiting.len()).sum()
    }

    #[tokio::test]
    async fn each_acknowledgement_reaches_the_one_who_waits_for_it() {
        let inbox = inbox();
        let (first, second) = (inbox.clone().expect(), inbox.clone().expect());
        inbox.arrived(message(&second.reply_to(), "2"));
        inbox.arrived(message(&first.reply_to(), "1"));
        inbox.arrived(message(&first.reply_to(), "again"));
        for other in ["_INBOX.x.77", "_INBOX.x.none", "_INBOX.y.1", ""] {
            inbox.arrived(message(other, "nobody's"));
        }
        assert_eq!(first.arrives().await.unwrap().payload, "1");
        assert_eq!(second.arrives().await.unwrap().payload, "2");
    }

    #[tokio::test]
    async fn an_address_is_never_used_again() {
        let (inbox, mut used) = (inbox(), HashSet::new());
        for _ in 0..3 {
            let expected: Vec<Expected> = (0..2 * PARTS).map(|_| inbox.clone().expect()).collect();
            for (n, expected) in expected.into_iter().enumerate() {
                assert!(used.insert(expected.reply_to()));
                inbox.arrived(message(&expected.reply_to(), "stored"));
                if n % 2 == 0 {
                    assert_eq!(expected.arrives().await.unwrap().payload, "stored");
                }
            }
            assert_eq!(waiting(&inbox), 0);
        }
    }

    #[tokio::test]
    async fn nothing_stays_behind_for_what_was_given_up() {
        let inbox = inbox();
        let given_up = inbox.clone().expect();
        let reply_to = given_up.reply_to();
        let waits = tokio::time::timeout(std::time::Duration::from_millis(1), given_up.arrives()).await;
        assert!(waits.is_err());
        assert_eq!(waiting(&inbox), 0);
        inbox.arrived(message(&reply_to, "late"));
        let others: Vec<Expected> = (0..4 * PARTS).map(|_| inbox.clone().expect()).collect();
        let taken = |expected: &Expected| expected.reply_to() == reply_to;
        assert!(!others.iter().any(taken), "a late one must not be taken for another's");
    }

    #[tokio::test]
    async fn when_the_connection_is_lost_nobody_waits_any_longer() {
        let (sender, state) = watch::channel(State::Connecting);
        let inbox = inbox();
        let watching = tokio::spawn(inbox.clone().watch(state));
        let before: Vec<Expected> = (0..20).map(|_| inbox.clone().expect()).collect();
        sender.send_replace(State::Connected);
        tokio::task::yield_now().await;
        assert_eq!(waiting(&inbox), 20, "nothing is lost by being connected");
        sender.send_replace(State::Disconnected);
        for expected in before {
            assert!(expected.arrives().await.is_none());
        }
        sender.send_replace(State::Connected);
        let closed = inbox.clone().expect();
        drop(sender);
        assert!(closed.arrives().await.is_none());
        watching.await.unwrap();
    }
}
