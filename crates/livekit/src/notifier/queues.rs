//! The queues of one address: one for each key, one request in flight in each.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};

use super::{Attempt, Delivery, Fate, Heard, Hook, Next, Post, Rules, key};
use crate::sender::SendError;

/// One webhook on its way. Whoever holds it answers for its end.
struct Job<P> {
    post: P,
    body: Bytes,
    id: String,
    queued_at: Instant,
    done: oneshot::Sender<Delivery>,
}

struct Queue<P> {
    jobs: mpsc::Sender<Job<P>>,
    put_at: Instant,
}

/// Whether a webhook was put into its queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    Yes,
    /// It was dropped; whoever waits for its end knows already.
    No,
}

pub(super) struct Queues<P> {
    extra: bool,
    rules: Arc<Rules>,
    hook: Option<Hook>,
    open: Mutex<Open<P>>,
}

struct Open<P> {
    queues: HashMap<String, Queue<P>>,
    swept_at: Instant,
}

impl<P: Post> Queues<P> {
    pub(super) fn new(extra: bool, rules: Arc<Rules>, hook: Option<Hook>) -> Self {
        let open = Mutex::new(Open { queues: HashMap::new(), swept_at: Instant::now() });
        Self { extra, rules, hook, open }
    }

    /// Puts a webhook at the end of its key's queue, or drops it where the queue is full.
    pub(super) fn put(&self, post: P, body: Bytes) -> (Taken, oneshot::Receiver<Delivery>) {
        let now = Instant::now();
        let (key, id) = (key::of(&body), key::id(&body));
        let (done, delivery) = oneshot::channel();
        let job = Job { post, body, id, queued_at: now, done };
        let refused = {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.forget_idle(&self.rules, now);
            let queue = open.queues.entry(key).or_insert_with(|| self.queue(now));
            queue.put_at = now;
            let depth = queue.jobs.max_capacity() - queue.jobs.capacity();
            if self.rules.has_room(depth) { queue.jobs.try_send(job).err() } else { Some(full(job)) }
        };
        // Outside the lock: the hook is other people's code.
        match refused {
            Some(mpsc::error::TrySendError::Full(job) | mpsc::error::TrySendError::Closed(job)) => {
                job.end(self.extra, Vec::new(), Fate::DroppedFull, self.hook.as_ref());
                (Taken::No, delivery)
            }
            None => (Taken::Yes, delivery),
        }
    }

    fn queue(&self, now: Instant) -> Queue<P> {
        let (jobs, mut waiting) = mpsc::channel::<Job<P>>(self.rules.max_depth.max(1));
        let (extra, rules, hook) = (self.extra, self.rules.clone(), self.hook.clone());
        // It ends when the queue is forgotten and what waited in it is done.
        tokio::spawn(async move {
            while let Some(job) = waiting.recv().await {
                let (attempts, fate) = job.deliver(&rules).await;
                job.end(extra, attempts, fate, hook.as_ref());
            }
        });
        Queue { jobs, put_at: now }
    }

    /// How many queues there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).queues.len()
    }
}

fn full<P>(job: Job<P>) -> mpsc::error::TrySendError<Job<P>> {
    mpsc::error::TrySendError::Full(job)
}

impl<P> Open<P> {
    /// As LiveKit does, this goes by when something was last put in: the rest of a queue that is still being sent goes on
    /// beside the queue that takes its place.
    fn forget_idle(&mut self, rules: &Rules, now: Instant) {
        if now.duration_since(self.swept_at) >= rules.idle / 2 {
            self.swept_at = now;
            self.queues.retain(|_, queue| now.duration_since(queue.put_at) < rules.idle);
        }
    }
}

impl<P: Post> Job<P> {
    /// Tries until the rules say otherwise: one token for all attempts, made at the first.
    async fn deliver(&self, rules: &Rules) -> (Vec<Attempt>, Fate) {
        if rules.is_stale(self.queued_at.elapsed()) {
            return (Vec::new(), Fate::DroppedOld);
        }
        let token = self.post.sign(&self.body);
        let mut attempts = Vec::new();
        loop {
            let attempt = self.attempt(&token, rules).await;
            let heard = attempt.answer.as_ref().map_or(Heard::Nothing, |answer| Heard::Answer(*answer));
            attempts.push(attempt);
            match (rules.next(attempts.len(), heard, SystemTime::now()), heard) {
                (Next::Again(wait), _) => sleep(wait).await,
                (Next::Sent, Heard::Answer(answer)) => return (attempts, Fate::Sent { status: answer.status }),
                (Next::Sent | Next::GiveUp, _) => return (attempts, Fate::GaveUp),
            }
        }
    }

    async fn attempt(&self, token: &str, rules: &Rules) -> Attempt {
        let at = Instant::now();
        let answer = self.post.post(self.body.clone(), token);
        let answer = match rules.answer_within {
            None => answer.await,
            Some(within) => timeout(within, answer).await.unwrap_or(Err(SendError::Timeout { within })),
        };
        Attempt { at, took: at.elapsed(), answer }
    }

    fn end(self, extra: bool, attempts: Vec<Attempt>, fate: Fate, hook: Option<&Hook>) {
        let Job { id, queued_at, done, .. } = self;
        let delivery = Delivery { id, extra, queued_at, ended_at: Instant::now(), attempts, fate };
        if let Some(hook) = hook {
            hook(&delivery);
        }
        // Nobody need be waiting for it.
        let _unheard = done.send(delivery);
    }
}
