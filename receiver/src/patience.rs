//! How long LiveKit's own retries hold a room before the spool takes its events (`receiver.spool.after`).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Since when each shard takes nothing.
#[derive(Debug)]
pub(crate) struct Patience {
    after: Duration,
    since: Mutex<HashMap<u16, Instant>>,
}

impl Patience {
    pub(crate) fn new(after: Duration) -> Patience {
        Patience { after, since: Mutex::default() }
    }

    /// The shard took an event.
    pub(crate) fn stored(&self, shard: u16) {
        if !self.after.is_zero() {
            self.since().remove(&shard);
        }
    }

    /// The shard did not take one: whether LiveKit shall try again rather than the spool take it.
    pub(crate) fn is_left(&self, shard: u16, now: Instant) -> bool {
        if self.after.is_zero() {
            return false;
        }
        now.saturating_duration_since(*self.since().entry(shard).or_insert(now)) < self.after
    }

    fn since(&self) -> MutexGuard<'_, HashMap<u16, Instant>> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lasts_from_the_first_failure_of_a_shard_and_begins_anew_after_a_success() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let patience = Patience::new(3 * second);
        for (after, left) in [(0, true), (2, true), (3, false), (9, false)] {
            assert_eq!(patience.is_left(0, start + after * second), left, "{after}");
        }
        assert!(patience.is_left(1, start + 9 * second), "another shard has not failed yet");
        patience.stored(1);
        assert!(!patience.is_left(0, start + 9 * second));
        patience.stored(0);
        assert!(patience.is_left(0, start + 10 * second));
        assert!(!Patience::new(Duration::ZERO).is_left(0, start));
    }
}
