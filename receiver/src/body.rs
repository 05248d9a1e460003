//! Reads the body of a request within limits of size, time and memory.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use event::quarantine::BEGINNING;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::outcome::Fault;

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

/// Why there is no whole body.
#[derive(Debug)]
pub(crate) enum NotRead {
    /// It has more bytes than are allowed; so it begins.
    TooLarge { announced: Option<u64>, beginning: Body },
    /// It did not arrive, or there is no room for it.
    Fault(Fault),
}

impl Bodies {
    pub(crate) fn new(max_body: usize, timeout: Duration) -> Bodies {
        let budget = max_body.saturating_mul(16).max(64 << 20);
        Bodies { max_body, timeout, budget, memory: Arc::new(Semaphore::new(budget / PIECE)) }
    }

    /// The whole body, or why there is none.
    pub(crate) async fn read(&self, mut incoming: Incoming, expects_continue: bool) -> Result<Body, NotRead> {
        let announced = incoming.size_hint().exact();
        let announced_too_large = announced.is_some_and(|bytes| bytes > self.max_body as u64);
        let mut held = Held::default();
        // A sender that waits for `100 Continue` has sent nothing yet.
        if announced_too_large && expects_continue {
            return Err(NotRead::TooLarge { announced, beginning: held.beginning() });
        }
        let limit = if announced_too_large { BEGINNING } else { self.max_body };
        let deadline = Instant::now() + self.timeout;
        loop {
            let fault = match tokio::time::timeout_at(deadline, incoming.frame()).await {
                Ok(Some(Ok(frame))) => {
                    let mut data = frame.into_data().unwrap_or_default();
                    let room = limit - held.len();
                    let over = data.len() > room;
                    data.truncate(room);
                    if !held.add(data, &self.memory) {
                        self.discard(incoming);
                        return Err(NotRead::Fault(Fault::Memory { limit: self.budget }));
                    }
                    if over {
                        self.discard(incoming);
                        let announced = announced.filter(|_| announced_too_large);
                        return Err(NotRead::TooLarge { announced, beginning: held.beginning() });
                    }
                    continue;
                }
                Ok(None) if !announced_too_large => return Ok(held.whole()),
                Ok(None | Some(Err(_))) => Fault::SenderGone { received: held.len() },
                Err(_) => Fault::SlowBody { received: held.len(), within: self.timeout },
            };
            // Whether or not the rest arrives, it is too large.
            return Err(if announced_too_large {
                NotRead::TooLarge { announced, beginning: held.beginning() }
            } else {
                NotRead::Fault(fault)
            });
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

    /// No more than is kept of a body that is too large.
    fn beginning(self) -> Body {
        let Body { bytes, .. } = self.whole();
        Body { bytes: Bytes::copy_from_slice(bytes.get(..BEGINNING).unwrap_or(&bytes)), _memory: None }
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
