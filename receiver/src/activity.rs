//! Watches what happens on a connection, so that one that sends its headers slowly or nothing at all does not stay.
//!
//! The HTTP library's own timeout for headers also runs while a connection rests between two requests, so it would close
//! LiveKit's connections all the time; and nothing guards the first bytes, by which it tells HTTP/1.1 from HTTP/2.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// What happens on one connection. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Activity(Arc<Mutex<Seen>>);

#[derive(Debug)]
struct Seen {
    /// Requests whose answer is not ready yet.
    requests: usize,
    /// Since when it is waited for a request.
    waiting_since: Instant,
    /// When the first byte of the next request came.
    header_since: Option<Instant>,
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
    /// There was no request for long.
    Idle,
}

impl Activity {
    pub(crate) fn new() -> Activity {
        Activity(Arc::new(Mutex::new(Seen {
            requests: 0,
            waiting_since: Instant::now(),
            header_since: None,
            fresh: true,
            http2: false,
        })))
    }

    /// A request is being answered as long as the result lives.
    pub(crate) fn request(&self) -> InRequest {
        let mut seen = self.seen();
        seen.requests += 1;
        seen.header_since = None;
        seen.fresh = false;
        InRequest(self.clone())
    }

    /// Waits until the connection is late.
    pub(crate) async fn late(&self, header_timeout: Duration, idle_timeout: Duration) -> Late {
        loop {
            let (deadline, late) = self.deadline(header_timeout, idle_timeout);
            if deadline <= Instant::now() {
                return late;
            }
            // What happens meanwhile can bring a nearer deadline, but none nearer than a header's from now on.
            tokio::time::sleep_until(deadline.min(Instant::now() + header_timeout)).await;
        }
    }

    fn deadline(&self, header_timeout: Duration, idle_timeout: Duration) -> (Instant, Late) {
        let seen = self.seen();
        match (seen.requests, seen.header_since) {
            (1.., _) => (Instant::now() + header_timeout, Late::Idle),
            (0, Some(since)) => (since + header_timeout, Late::Header),
            (0, None) if seen.fresh => (seen.waiting_since + header_timeout, Late::Header),
            (0, None) => (seen.waiting_since + idle_timeout, Late::Idle),
        }
    }

    fn received(&self, bytes: &[u8]) {
        let mut seen = self.seen();
        if seen.fresh && seen.header_since.is_none() {
            seen.http2 = bytes.starts_with(b"PRI");
        }
        if seen.requests > 0 {
            return;
        }
        let now = Instant::now();
        if seen.http2 && !seen.fresh {
            seen.waiting_since = now;
        } else {
            seen.header_since.get_or_insert(now);
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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

/// A stream whose incoming bytes are noted.
#[derive(Debug)]
pub(crate) struct Watched<S> {
    stream: S,
    activity: Activity,
}

impl<S> Watched<S> {
    pub(crate) fn new(stream: S, activity: Activity) -> Watched<S> {
        Watched { stream, activity }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if let Some(bytes) = buf.filled().get(before..).filter(|bytes| !bytes.is_empty()) {
            self.activity.received(bytes);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Duration = Duration::from_secs(10);
    const IDLE: Duration = Duration::from_mins(2);

    async fn late_after(activity: &Activity) -> (u64, Late) {
        let started = Instant::now();
        let late = activity.late(HEADER, IDLE).await;
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
    async fn frames_between_http2_requests_are_not_headers() {
        let activity = Activity::new();
        activity.received(b"PRI * HTTP/2.0");
        drop(activity.request());
        tokio::time::advance(Duration::from_secs(100)).await;
        activity.received(b"ping");
        assert_eq!(late_after(&activity).await, (120, Late::Idle));
    }
}
