//! The body of an answer, with its limits in size and time.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};
use wasmtime_wasi_http::Error;

use super::connect::Connection;
use super::pool::Pool;
use super::{Limits, SendError, Target};
use crate::host::calls::Open;

/// Bytes of an answer's body.
const ANSWER_BYTES: u64 = 16 << 20;

/// Where a connection goes when its answer was read.
#[derive(Debug)]
pub(super) struct Home {
    pub(super) connection: Connection,
    pub(super) pool: Arc<Pool>,
    pub(super) target: Target,
}

/// The body of an answer. Dropped before its end it closes the connection.
#[derive(Debug)]
pub(crate) struct Incoming {
    body: hyper::body::Incoming,
    left: u64,
    until: Instant,
    between_bytes: Option<Duration>,
    timer: Pin<Box<Sleep>>,
    home: Option<Home>,
    open: Open,
}

impl Incoming {
    pub(super) fn new(body: hyper::body::Incoming, limits: Limits, home: Home, open: Open) -> Self {
        let first = limits.between_bytes.map_or(limits.until, |time| limits.until.min(Instant::now() + time));
        let mut this = Self {
            body,
            left: ANSWER_BYTES,
            until: limits.until,
            between_bytes: limits.between_bytes,
            timer: Box::pin(tokio::time::sleep_until(first)),
            home: Some(home),
            open,
        };
        if this.body.is_end_stream() {
            this.go_home();
        }
        this
    }

    fn go_home(&mut self) {
        if let Some(Home { connection, pool, target }) = self.home.take() {
            pool.put(target, connection);
        }
    }

    fn fail(&mut self, error: SendError) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.home = None;
        self.open.calls().failed(&error);
        Poll::Ready(Some(Err(error.into_wasi())))
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(None) => {
                self.go_home();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => self.fail(SendError::of(error)),
            Poll::Ready(Some(Ok(frame))) => {
                let size = frame.data_ref().map_or(0, Bytes::len) as u64;
                let Some(left) = self.left.checked_sub(size) else {
                    return self.fail(SendError::AnswerTooLarge { limit: ANSWER_BYTES });
                };
                self.left = left;
                if let Some(time) = self.between_bytes {
                    let next = self.until.min(Instant::now() + time);
                    self.timer.as_mut().reset(next);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Pending => match self.timer.as_mut().poll(context) {
                Poll::Ready(()) => self.fail(SendError::Timeout),
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
