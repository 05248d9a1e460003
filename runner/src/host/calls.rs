//! What one invocation does outside: how much of it, until when, and how the last of it ended.
//!
//! Requests run in tasks of their own, so this is shared by them and the guest's store.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use service::error::Chain;
use tokio::time::Instant;

use super::client::SendError;
use super::tape::Tape;
use crate::metrics::Outgoing;

/// Requests that one invocation may send, over `wasi:http` and `livekit` together.
const REQUESTS: usize = 64;

/// Of these, how many at a time.
const OPEN: usize = 8;

/// Lines about refused and failed requests that one invocation leaves in the log.
const NOTES: usize = 20;

/// What is left of an invocation's time when its requests are ended, so that the guest can still say what it makes of it.
const RESERVE: Duration = Duration::from_millis(200);

/// Whether the runner still holds what the event belongs to. Asked before each call that acts outside.
#[derive(Clone, Default)]
pub(crate) struct Lease(Option<Arc<dyn Fn() -> bool + Send + Sync>>);

impl Lease {
    /// A lease that is over when `is_over` says so.
    pub(crate) fn until(is_over: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(is_over)))
    }

    fn is_over(&self) -> bool {
        self.0.as_ref().is_some_and(|is_over| is_over())
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(if self.0.is_some() { "Lease(until)" } else { "Lease(for ever)" })
    }
}

/// A call was refused before anything of it was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// The event is another runner's by now.
    #[error("the lease of the event's shard is over; another runner may run the event")]
    LeaseOver,
    /// The invocation sent enough.
    #[error("more than {REQUESTS} requests in one call of the handler")]
    TooMany,
    /// Too many at a time.
    #[error("more than {OPEN} requests of one call of the handler at a time")]
    TooManyOpen,
}

/// The outgoing calls of one invocation.
#[derive(Clone, Debug)]
pub(crate) struct Calls {
    lease: Lease,
    until: Instant,
    metrics: Outgoing,
    tape: Option<Arc<Tape>>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    begun: usize,
    open: usize,
    notes: VecDeque<String>,
    more_notes: usize,
    last_failure: Option<String>,
    lease_over: bool,
}

impl Calls {
    /// The calls of an invocation that has `timeout` left.
    pub(crate) fn new(timeout: Duration, lease: Lease, metrics: Outgoing) -> Self {
        let until = Instant::now() + timeout.saturating_sub(RESERVE.min(timeout / 10));
        Self { lease, until, metrics, tape: None, state: Arc::default() }
    }

    /// With a tape for what is called.
    pub(crate) fn with_tape(self, tape: Option<Arc<Tape>>) -> Self {
        Self { tape, ..self }
    }

    /// Where calls are written down, or come from.
    pub(crate) fn tape(&self) -> Option<&Arc<Tape>> {
        self.tape.as_ref()
    }

    /// Until when a call must be over.
    pub(crate) fn until(&self) -> Instant {
        self.until
    }

    /// Begins a call. It is open until what is returned is dropped.
    pub(crate) fn begin(&self) -> Result<Open, Refused> {
        let mut state = self.lock();
        if self.lease.is_over() {
            state.lease_over = true;
            return Err(Refused::LeaseOver);
        }
        if state.begun >= REQUESTS {
            return Err(Refused::TooMany);
        }
        if state.open >= OPEN {
            return Err(Refused::TooManyOpen);
        }
        state.begun += 1;
        state.open += 1;
        Ok(Open { calls: self.clone() })
    }

    /// Leaves a line in the log.
    pub(crate) fn note(&self, text: String) {
        let mut state = self.lock();
        if state.notes.len() < NOTES { state.notes.push_back(text) } else { state.more_notes += 1 }
    }

    /// The lines that were left, in order.
    pub(crate) fn take_notes(&self) -> Vec<String> {
        let mut state = self.lock();
        let mut notes: Vec<String> = state.notes.drain(..).collect();
        if state.more_notes > 0 {
            notes.push(format!("{} more requests were refused or failed", state.more_notes));
        }
        notes
    }

    /// The other side answered with this status.
    pub(crate) fn answered(&self, status: u16) {
        self.metrics.answered(status);
        self.lock().last_failure = None;
    }

    /// There was no answer, or no whole one.
    pub(crate) fn failed(&self, error: &SendError) {
        self.metrics.failed(error.outcome());
        let text = Chain(error).to_string();
        if error.is_upstream() {
            self.lock().last_failure = Some(text.clone());
        }
        self.note(text);
    }

    /// There was an answer, but of nobody who could serve the call.
    pub(crate) fn unavailable(&self, text: String) {
        self.lock().last_failure = Some(text.clone());
        self.note(text);
    }

    /// How the last call failed, if it did: what a guest does right after it is laid to that failure.
    pub(crate) fn last_failure(&self) -> Option<String> {
        self.lock().last_failure.clone()
    }

    /// Whether a call was refused because the lease is over.
    pub(crate) fn lease_is_over(&self) -> bool {
        self.lock().lease_over
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call under way.
#[derive(Debug)]
pub(crate) struct Open {
    calls: Calls,
}

impl Open {
    pub(crate) fn calls(&self) -> &Calls {
        &self.calls
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut state = self.calls.lock();
        state.open = state.open.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn calls(lease: Lease) -> Calls {
        Calls::new(Duration::from_secs(5), lease, Outgoing::default())
    }

    #[test]
    fn calls_are_bounded_in_number_and_at_a_time() {
        let calls = calls(Lease::default());
        let open: Vec<Open> = (0..OPEN).map(|_| calls.begin().unwrap()).collect();
        assert_eq!(calls.begin().unwrap_err(), Refused::TooManyOpen);
        drop(open);
        for _ in OPEN..REQUESTS {
            calls.begin().unwrap();
        }
        assert_eq!(calls.begin().unwrap_err(), Refused::TooMany);
    }

    #[test]
    fn no_call_is_begun_when_the_lease_is_over() {
        let over = Arc::new(AtomicBool::new(false));
        let seen = over.clone();
        let calls = calls(Lease::until(move || seen.load(Ordering::Relaxed)));
        calls.begin().unwrap();
        assert!(!calls.lease_is_over());
        over.store(true, Ordering::Relaxed);
        assert_eq!(calls.begin().unwrap_err(), Refused::LeaseOver);
        assert!(calls.lease_is_over());
    }

    #[test]
    fn a_failure_is_the_last_one_until_there_is_an_answer() {
        let calls = calls(Lease::default());
        calls.failed(&SendError::Timeout);
        assert_eq!(calls.last_failure().as_deref(), Some("no whole answer in time"));
        calls.answered(200);
        assert_eq!(calls.last_failure(), None);
        for _ in 0..NOTES + 2 {
            calls.note("x".to_owned());
        }
        assert_eq!(calls.take_notes().last().map(String::as_str), Some("3 more requests were refused or failed"));
    }
}
