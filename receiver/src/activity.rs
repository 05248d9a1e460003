//! Watches what happens on a connection, so that one that sends its headers slowly or nothing at all does not stay, nor one
//! that does not read its answers.
//!
//! The HTTP library's own timeout for headers also runs while a connection rests between two requests, so it would close
//! LiveKit's connections all the time; and nothing guards the first bytes, by which it tells HTTP/1.1 from HTTP/2.

mod watched;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use service::config::ReceiverLimits;
use tokio::sync::Notify;
use tokio::time::Instant;

pub(crate) use watched::Watched;

/// What happens on one connection. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Activity(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    seen: Mutex<Seen>,
    sent_away: Notify,
}

#[derive(Debug)]
struct Seen {
    /// Requests whose answer is not ready yet.
    requests: usize,
    /// Of these, requests whose body is not complete.
    bodies: usize,
    /// Since when there are such bodies.
    bodies_since: Instant,
    /// Since when it is waited for a request.
    waiting_since: Instant,
    /// When the first byte of the next request came.
    header_since: Option<Instant>,
    /// Since when the sender takes no bytes.
    stuck_since: Option<Instant>,
    /// No request was complete yet.
    fresh: bool,
    /// It speaks HTTP/2, where bytes between requests are not the beginning of one.
    http2: bool,
}

/// Why a connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Late {
    /// The header of a request took too long.
    Header,
    /// Answers were not read for long.
    Reader,
    /// There was no request for long.
    Idle,
}

/// What a connection waits for, in the order in which they are sent away, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Waits {
    /// Bytes that its sender owes: its first request, or the rest of one.
    Rest(Instant),
    /// Another request.
    Next(Instant),
}

impl Activity {
    pub(crate) fn new() -> Activity {
        let now = Instant::now();
        let seen = Seen {
            requests: 0,
            bodies: 0,
            bodies_since: now,
            waiting_since: now,
            header_since: None,
            stuck_since: None,
            fresh: true,
            http2: false,
        };
        Activity(Arc::new(Shared { seen: Mutex::new(seen), sent_away: Notify::new() }))
    }

    /// A request is being answered as long as the first result lives, and its body is on its way as long as the second does.
    pub(crate) fn request(&self) -> (InRequest, InBody) {
        let mut seen = self.seen();
        seen.requests += 1;
        seen.bodies += 1;
        if seen.bodies == 1 {
            seen.bodies_since = Instant::now();
        }
        seen.header_since = None;
        seen.fresh = false;
        (InRequest(self.clone()), InBody(self.clone()))
    }

    /// Waits until the connection is late.
    pub(crate) async fn late(&self, limits: &ReceiverLimits) -> Late {
        loop {
            let (deadline, late) = self.deadline(limits);
            let now = Instant::now();
            if deadline <= now {
                return late;
            }
            // What happens meanwhile can bring a nearer deadline, but none nearer than these from now on.
            let nearest = now + limits.header_timeout.min(limits.answer_timeout);
            tokio::time::sleep_until(deadline.min(nearest)).await;
        }
    }

    fn deadline(&self, limits: &ReceiverLimits) -> (Instant, Late) {
        let seen = self.seen();
        let waiting = match (seen.requests, seen.header_since) {
            (1.., _) => (Instant::now() + limits.header_timeout, Late::Idle),
            (0, Some(since)) => (since + limits.header_timeout, Late::Header),
            (0, None) if seen.fresh => (seen.waiting_since + limits.header_timeout, Late::Header),
            (0, None) => (seen.waiting_since + limits.idle_timeout, Late::Idle),
        };
        match seen.stuck_since.map(|since| since + limits.answer_timeout) {
            Some(deadline) if deadline < waiting.0 => (deadline, Late::Reader),
            _ => waiting,
        }
    }

    /// What it waits for; none while a request is being answered, which is for us to do.
    pub(crate) fn waits(&self) -> Option<Waits> {
        let seen = self.seen();
        match (seen.requests, seen.bodies, seen.header_since) {
            (requests, bodies, _) if requests > bodies => None,
            (1.., _, _) => Some(Waits::Rest(seen.bodies_since)),
            (0, _, Some(since)) => Some(Waits::Rest(since)),
            (0, _, None) if seen.fresh => Some(Waits::Rest(seen.waiting_since)),
            (0, _, None) => Some(Waits::Next(seen.waiting_since)),
        }
    }

    /// Since when bodies are on their way, and nothing else; none when there is none, or a request is being answered.
    pub(crate) fn bodies_wait(&self) -> Option<Instant> {
        let seen = self.seen();
        (seen.bodies > 0 && seen.requests <= seen.bodies).then_some(seen.bodies_since)
    }

    /// Its place is another's now.
    pub(crate) fn send_away(&self) {
        self.0.sent_away.notify_one();
    }

    /// Waits until its place is another's.
    pub(crate) async fn sent_away(&self) {
        self.0.sent_away.notified().await;
    }

    fn received(&self, bytes: &[u8]) {
        let mut seen = self.seen();
        if seen.fresh && seen.header_since.is_none() {
            seen.http2 = bytes.starts_with(b"PRI");
        }
        // Pings and other frames do not make it less idle.
        if seen.requests == 0 && (seen.fresh || !seen.http2) {
            seen.header_since.get_or_insert_with(Instant::now);
        }
    }

    fn stuck(&self, stuck: bool) {
        self.seen().stuck_since = stuck.then(Instant::now);
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(crate) struct InRequest(Activity);

impl Drop for InRequest {
    fn drop(&mut self) {
        let mut seen = self.0.seen();
        seen.requests = seen.requests.saturating_sub(1);
        seen.waiting_since = Instant::now();
    }
}

/// A body that is on its way.
#[derive(Debug)]
pub(crate) struct InBody(Activity);

impl Drop for InBody {
    fn drop(&mut self) {
        let mut seen = self.0.seen();
        seen.bodies = seen.bodies.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn late_after(activity: &Activity) -> (u64, Late) {
        let started = Instant::now();
        let limits = ReceiverLimits { answer_timeout: Duration::from_secs(30), ..ReceiverLimits::default() };
        let late = activity.late(&limits).await;
        (started.elapsed().as_secs(), late)
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_sends_nothing_is_late_like_a_slow_header() {
        assert_eq!(late_after(&Activity::new()).await, (10, Late::Header));
    }

    #[tokio::test(start_paused = true)]
    async fn a_header_in_drops_is_late_from_its_first_byte_on() {
        let activity = Activity::new();
        activity.received(b"P");
        tokio::time::advance(Duration::from_secs(8)).await;
        activity.received(b"O");
        assert_eq!(late_after(&activity).await, (2, Late::Header));
    }

    #[tokio::test(start_paused = true)]
    async fn between_requests_a_connection_may_rest_until_it_is_idle() {
        let activity = Activity::new();
        activity.received(b"POST");
        drop(activity.request());
        assert_eq!(late_after(&activity).await, (120, Late::Idle));
        drop(activity.request());
        activity.received(b"POST");
        assert_eq!(late_after(&activity).await, (10, Late::Header));
    }

    #[tokio::test(start_paused = true)]
    async fn while_a_request_is_answered_nothing_is_late() {
        let activity = Activity::new();
        let request = activity.request();
        let other = activity.clone();
        let late = tokio::spawn(async move { late_after(&other).await });
        tokio::time::sleep(Duration::from_secs(500)).await;
        assert!(!late.is_finished());
        drop(request);
        assert_eq!(late.await.unwrap().1, Late::Idle);
    }

    #[tokio::test(start_paused = true)]
    async fn frames_between_http2_requests_are_neither_headers_nor_requests() {
        let activity = Activity::new();
        activity.received(b"PRI * HTTP/2.0");
        drop(activity.request());
        tokio::time::advance(Duration::from_secs(100)).await;
        activity.received(b"ping");
        assert_eq!(late_after(&activity).await, (20, Late::Idle));
    }

    #[tokio::test(start_paused = true)]
    async fn a_sender_that_does_not_read_its_answers_is_late_whatever_it_sends() {
        let activity = Activity::new();
        let _request = activity.request();
        activity.stuck(true);
        activity.stuck(false);
        tokio::time::advance(Duration::from_secs(8)).await;
        activity.stuck(true);
        activity.received(b"POST");
        assert_eq!(late_after(&activity).await, (30, Late::Reader));
    }

    #[tokio::test(start_paused = true)]
    async fn it_waits_for_its_sender_unless_a_request_is_complete_and_not_answered() {
        let (activity, start) = (Activity::new(), Instant::now());
        let second = async || tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(activity.waits(), Some(Waits::Rest(start)));
        second().await;
        activity.received(b"P");
        let first_byte = Instant::now();
        second().await;
        activity.received(b"OST");
        assert_eq!(activity.waits(), Some(Waits::Rest(first_byte)));
        let (request, body) = activity.request();
        assert_eq!(activity.waits(), Some(Waits::Rest(Instant::now())), "its body is missing");
        drop(body);
        assert_eq!(activity.waits(), None);
        let (_other, _its_body) = activity.request();
        assert_eq!(activity.waits(), None, "one of them is being answered");
        drop(request);
        assert!(matches!(activity.waits(), Some(Waits::Rest(_))));
        drop((_other, _its_body));
        assert_eq!(activity.waits(), Some(Waits::Next(Instant::now())));
    }
}
