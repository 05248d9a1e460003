//! Reads the body of a request within limits of size, time and memory.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use livekit::Refusal;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::outcome::{Fault, Outcome};

/// Memory is counted in pieces of this size.
const PIECE: usize = 1024;
/// How long the rest of a refused body is read and thrown away, so that its sender sees the answer.
const DISCARD_FOR: Duration = Duration::from_secs(2);

/// Reads bodies. All that are held at a time share one budget of memory, whatever the number of connections.
#[derive(Debug)]
pub(crate) struct Bodies {
    max_body: usize,
    timeout: Duration,
    budget: usize,
    memory: Arc<Semaphore>,
}

/// A whole body, which counts against the budget as long as this lives.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) bytes: Bytes,
    _memory: Option<OwnedSemaphorePermit>,
}

impl Bodies {
    pub(crate) fn new(max_body: usize, timeout: Duration) -> Bodies {
        let budget = max_body.saturating_mul(16).max(64 << 20);
        Bodies { max_body, timeout, budget, memory: Arc::new(Semaphore::new(budget / PIECE)) }
    }

    /// The whole body, or why there is none.
    pub(crate) async fn read(&self, mut incoming: Incoming, expects_continue: bool) -> Result<Body, Outcome> {
        let announced = incoming.size_hint().exact();
        if announced.is_some_and(|bytes| bytes > self.max_body as u64) {
            // A sender that waits for `100 Continue` has sent nothing yet that would have to be thrown away.
            if !expects_continue {
                self.discard(incoming);
            }
            return Err(Outcome::Refused(Refusal::BodyTooLarge { bytes: announced, limit: self.max_body }));
        }
        let mut held = Held::default();
        let deadline = Instant::now() + self.timeout;
        loop {
            let Ok(frame) = tokio::time::timeout_at(deadline, incoming.frame()).await else {
                let (received, within) = (held.len(), self.timeout);
                return Err(Outcome::Unavailable(Fault::SlowBody { received, within }));
            };
            let data = match frame {
                None => return Ok(held.whole()),
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
                Some(Err(_)) => return Err(Outcome::Unavailable(Fault::SenderGone { received: held.len() })),
            };
            if held.len().saturating_add(data.len()) > self.max_body {
                self.discard(incoming);
                return Err(Outcome::Refused(Refusal::BodyTooLarge { bytes: None, limit: self.max_body }));
            }
            if !held.add(data, &self.memory) {
                self.discard(incoming);
                return Err(Outcome::Unavailable(Fault::Memory { limit: self.budget }));
            }
        }
    }

    /// Closing a connection on which the sender still writes can destroy the answer on its way. So what comes is read for a
    /// while, up to the size of a body, after the answer was given.
    fn discard(&self, mut incoming: Incoming) {
        let mut left = self.max_body.max(1 << 20);
        tokio::spawn(tokio::time::timeout(DISCARD_FOR, async move {
            while let Some(Ok(frame)) = incoming.frame().await {
                left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
                if left == 0 {
                    return;
                }
            }
        }));
    }
}

/// What has arrived of a body: most are one piece, which then is not copied.
#[derive(Default)]
struct Held {
    first: Bytes,
    rest: BytesMut,
    memory: Option<OwnedSemaphorePermit>,
    pieces: usize,
}

impl Held {
    fn len(&self) -> usize {
        self.first.len() + self.rest.len()
    }

    /// Adds what came; false when there is no memory for it.
    fn add(&mut self, data: Bytes, memory: &Arc<Semaphore>) -> bool {
        let pieces = (self.len() + data.len()).div_ceil(PIECE);
        let more = u32::try_from(pieces.saturating_sub(self.pieces)).unwrap_or(u32::MAX);
        let Ok(permit) = memory.clone().try_acquire_many_owned(more) else { return false };
        match &mut self.memory {
            Some(held) => held.merge(permit),
            None => self.memory = Some(permit),
        }
        self.pieces = pieces;
        if self.first.is_empty() {
            self.first = data;
        } else {
            self.rest.extend_from_slice(&data);
        }
        true
    }

    fn whole(self) -> Body {
        let bytes = if self.rest.is_empty() {
            self.first
        } else {
            let mut whole = BytesMut::with_capacity(self.first.len() + self.rest.len());
            whole.extend_from_slice(&self.first);
            whole.extend_from_slice(&self.rest);
            whole.freeze()
        };
        Body { bytes, _memory: self.memory }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_share_one_budget_and_give_it_back() {
        let memory = Arc::new(Semaphore::new(4));
        let mut first = Held::default();
        assert!(first.add(Bytes::from(vec![1; PIECE]), &memory) && first.add(Bytes::from(vec![2; PIECE]), &memory));
        let mut second = Held::default();
        assert!(!second.add(Bytes::from(vec![3; 3 * PIECE]), &memory), "there is room for two pieces");
        assert!(second.add(Bytes::from(vec![3; 2 * PIECE]), &memory));
        let body = first.whole();
        assert_eq!(body.bytes, [vec![1; PIECE], vec![2; PIECE]].concat());
        assert_eq!(memory.available_permits(), 0);
        drop((body, second));
        assert_eq!(memory.available_permits(), 4);
    }

    #[test]
    fn small_pieces_count_for_what_they_are_together() {
        let (memory, mut held) = (Arc::new(Semaphore::new(1)), Held::default());
        for _ in 0..PIECE {
            assert!(held.add(Bytes::from_static(b"x"), &memory));
        }
        assert!(!held.add(Bytes::from_static(b"x"), &memory));
    }
}
