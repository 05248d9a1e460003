//! Reads the body of a request within limits of size, time and memory.

mod held;
mod incoming;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use event::quarantine::BEGINNING;
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use service::config::ReceiverLimits;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::outcome::Fault;
use crate::places::Places;
use held::{Held, PIECE};
pub(crate) use incoming::Incoming;

/// How many connections may be sent away for one request that finds no memory, and how long it waits for that of each.
const SENT_AWAY: usize = 32;
const FREED_WITHIN: Duration = Duration::from_millis(20);
/// How long the rest of a refused body is read and thrown away, so that its sender sees the answer.
const DISCARD_FOR: Duration = Duration::from_secs(2);

/// Reads bodies. All requests that are not answered yet share one budget of memory (`receiver.limits.memory`), whatever the
/// number of connections: for their headers, their bodies, and what it costs to have them.
#[derive(Debug)]
pub(crate) struct Bodies {
    max_body: usize,
    timeout: Duration,
    budget: usize,
    memory: Arc<Semaphore>,
}

/// A whole body, which counts against the budget as long as this lives, or bytes that were [paid](Body::paid) by it.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) bytes: Bytes,
    memory: Option<Arc<OwnedSemaphorePermit>>,
}

/// Bytes that count against the budget as long as anybody has them.
struct Paid {
    bytes: Bytes,
    _memory: Option<Arc<OwnedSemaphorePermit>>,
}

impl AsRef<[u8]> for Paid {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Body {
    /// The body, or what is stored of it, for whoever may keep it longer than its request lasts: the NATS client holds
    /// what it cannot write now, also when nobody waits for the acknowledgement any more.
    pub(crate) fn paid(&self, bytes: Bytes) -> Bytes {
        Bytes::from_owner(Paid { bytes, _memory: self.memory.clone() })
    }
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
    pub(crate) fn new(max_body: usize, limits: &ReceiverLimits) -> Bodies {
        let pieces = (limits.memory / PIECE).min(Semaphore::MAX_PERMITS);
        let memory = Arc::new(Semaphore::new(pieces));
        Bodies { max_body, timeout: limits.body_timeout, budget: limits.memory, memory }
    }

    /// The whole body, or why there is none.
    pub(crate) async fn read(&self, mut incoming: Incoming, expects_continue: bool) -> Result<Body, NotRead> {
        let announced = incoming.size_hint().exact();
        let announced_too_large = announced.is_some_and(|bytes| bytes > self.max_body as u64);
        let mut held = Held::default();
        if !self.pay(&mut held, incoming.overhead(), incoming.places()).await {
            self.discard(incoming);
            return Err(NotRead::Fault(Fault::Memory { limit: self.budget }));
        }
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
                    let all_of_it = incoming.is_end_stream() && incoming.owns_its_buffers();
                    if !self.pay(&mut held, data.len(), incoming.places()).await {
                        self.discard(incoming);
                        return Err(NotRead::Fault(Fault::Memory { limit: self.budget }));
                    }
                    held.add(data, all_of_it);
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

    /// Takes so many bytes from the budget. When they are not there, others who are still sending make room, whoever has
    /// been at it longest first: bodies arrive within milliseconds unless somebody means harm.
    async fn pay(&self, held: &mut Held, bytes: usize, places: &Places) -> bool {
        let more = held.lacks(bytes);
        if let Ok(permit) = self.memory.clone().try_acquire_many_owned(more) {
            held.paid(bytes, permit);
            return true;
        }
        for _ in 0..SENT_AWAY {
            let freed = places.free_memory();
            let paid = tokio::time::timeout(FREED_WITHIN, self.memory.clone().acquire_many_owned(more)).await;
            if let Ok(Ok(permit)) = paid {
                held.paid(bytes, permit);
                return true;
            }
            if !freed {
                break;
            }
        }
        false
    }

    /// Closing a connection on which the sender still writes can destroy the answer on its way. So what comes is read for a
    /// while, up to the size of a body, after the answer was given.
    fn discard(&self, incoming: Incoming) {
        let mut incoming = incoming.unwatched();
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

#[cfg(test)]
mod tests {
    use super::*;

    fn bodies(pieces: usize) -> Bodies {
        Bodies::new(1 << 20, &ReceiverLimits { memory: pieces * PIECE, ..ReceiverLimits::default() })
    }

    async fn pays(bodies: &Bodies, held: &mut Held, bytes: usize) -> bool {
        bodies.pay(held, bytes, &Places::new(9)).await
    }

    #[tokio::test(start_paused = true)]
    async fn requests_share_one_budget_and_give_it_back() {
        let bodies = bodies(4);
        let (mut first, mut second) = (Held::default(), Held::default());
        assert!(pays(&bodies, &mut first, PIECE).await && pays(&bodies, &mut first, PIECE).await);
        assert!(!pays(&bodies, &mut second, 3 * PIECE).await, "there is room for two pieces");
        assert!(pays(&bodies, &mut second, 2 * PIECE).await);
        assert_eq!(bodies.memory.available_permits(), 0);
        let body = first.whole();
        drop(second);
        assert_eq!(bodies.memory.available_permits(), 2);
        let kept = body.paid(body.bytes.clone());
        drop(body);
        assert_eq!(bodies.memory.available_permits(), 2, "somebody still has it");
        drop(kept);
        assert_eq!(bodies.memory.available_permits(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn small_pieces_count_for_what_they_are_together() {
        let (bodies, mut held) = (bodies(1), Held::default());
        for _ in 0..PIECE {
            assert!(pays(&bodies, &mut held, 1).await);
        }
        assert!(!pays(&bodies, &mut held, 1).await);
    }

    #[tokio::test(start_paused = true)]
    async fn without_memory_who_has_been_sending_longest_makes_room() {
        let (bodies, places) = (bodies(4), Places::new(9));
        let slow = crate::activity::Activity::new();
        let _place = places.take(&slow);
        let request = slow.request();
        let mut held = Held::default();
        assert!(bodies.pay(&mut held, 4 * PIECE, &places).await);
        let leaving = tokio::spawn(async move {
            slow.sent_away().await;
            drop((held, request));
        });
        assert!(bodies.pay(&mut Held::default(), PIECE, &places).await);
        leaving.await.unwrap();
    }
}
