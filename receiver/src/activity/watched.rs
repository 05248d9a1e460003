//! A stream whose bytes are noted, and which is not read while its peer does not take what is written.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Activity;

/// A stream whose bytes are noted. Requests of a peer that reads no answers are not read either: the HTTP library would read
/// on and keep all of their answers.
#[derive(Debug)]
pub(crate) struct Watched<S> {
    stream: S,
    activity: Activity,
    /// What waits for the peer: a write, a flush.
    stuck: [bool; 2],
}

const WRITE: usize = 0;
const FLUSH: usize = 1;

impl<S> Watched<S> {
    pub(crate) fn new(stream: S, activity: Activity) -> Watched<S> {
        Watched { stream, activity, stuck: [false; 2] }
    }

    fn is_stuck(&self) -> bool {
        self.stuck.contains(&true)
    }

    /// Notes whether a write or a flush waits for the peer.
    fn note<T>(&mut self, which: usize, polled: Poll<T>, cx: &Context<'_>) -> Poll<T> {
        let before = self.is_stuck();
        if let Some(stuck) = self.stuck.get_mut(which) {
            *stuck = polled.is_pending();
        }
        let after = self.is_stuck();
        if before != after {
            self.activity.stuck(after);
            if !after {
                // Whoever wanted to read was not told to wait for bytes.
                cx.waker().wake_by_ref();
            }
        }
        polled
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.is_stuck() {
            // The write that waits wakes this same task.
            return Poll::Pending;
        }
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
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.note(WRITE, polled, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.note(FLUSH, polled, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.note(WRITE, polled, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
