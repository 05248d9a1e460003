//! LiveKit's delivery: a queue for each ordering key, one request in flight in each, and its retries.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::body;
use crate::sender::{Answer, SendError, Sender};

/// LiveKit's waits between its five attempts.
pub const WAITS: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(8)];

/// What became of one webhook.
#[derive(Debug)]
pub struct Delivery {
    /// How often it was sent.
    pub attempts: u32,
    /// The last answer, or why there was none.
    pub answer: Result<Answer, SendError>,
}

struct Job {
    body: Bytes,
    done: oneshot::Sender<Delivery>,
}

/// Sends events as LiveKit's server does: those of one key one after the other, those of different keys side by side. It
/// must be used inside a Tokio runtime.
#[derive(Debug)]
pub struct Notifier {
    sender: Sender,
    waits: Vec<Duration>,
    queues: Mutex<HashMap<String, mpsc::UnboundedSender<Job>>>,
}

impl Notifier {
    /// One with LiveKit's own waits.
    #[must_use]
    pub fn new(sender: Sender) -> Notifier {
        Notifier::with_waits(sender, WAITS.to_vec())
    }

    /// One that waits as long as given before the second, third, … attempt.
    #[must_use]
    pub fn with_waits(sender: Sender, waits: Vec<Duration>) -> Notifier {
        Notifier { sender, waits, queues: Mutex::default() }
    }

    /// Puts an event at the end of its key's queue. The receiver gets what became of it; without a value the runtime ended.
    pub fn notify(&self, body: impl Into<Bytes>) -> oneshot::Receiver<Delivery> {
        let body = body.into();
        let key = body::inspect(&body).map(|facts| facts.key.to_string()).unwrap_or_default();
        let (done, delivery) = oneshot::channel();
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = queues.entry(key).or_insert_with(|| self.queue());
        // A queue ends only with the runtime; the caller then sees a receiver without a value.
        let _ended = queue.send(Job { body, done });
        delivery
    }

    fn queue(&self) -> mpsc::UnboundedSender<Job> {
        let (queue, mut jobs) = mpsc::unbounded_channel::<Job>();
        let (sender, waits) = (self.sender.clone(), self.waits.clone());
        tokio::spawn(async move {
            while let Some(Job { body, done }) = jobs.recv().await {
                // Nobody need be waiting for the result.
                let _unheard = done.send(deliver(&sender, &waits, body).await);
            }
        });
        queue
    }
}

/// One token for all attempts, as LiveKit has it.
async fn deliver(sender: &Sender, waits: &[Duration], body: Bytes) -> Delivery {
    let token = sender.sign(&body);
    let mut waits = waits.iter();
    let mut attempts = 0;
    loop {
        attempts += 1;
        let answer = sender.send_signed(body.clone(), &token).await;
        let again = answer.as_ref().map_or(true, Answer::is_retried);
        let (true, Some(wait)) = (again, waits.next()) else { return Delivery { attempts, answer } };
        let asked =
            answer.ok().filter(|answer| matches!(answer.status, 429 | 503)).and_then(|answer| answer.retry_after);
        tokio::time::sleep(asked.unwrap_or(*wait)).await;
    }
}
