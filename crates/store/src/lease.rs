//! How long this process may take itself for the owner of its shards.
//!
//! Where several runners share a store, a runner that was paused must not begin anything when it wakes: its shards may
//! have another owner by then. So it counts its lease down by itself, from before it asked for it, on a clock that runs
//! while the machine sleeps. A lease that ran out here is over for good, whatever the store would still say of it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::Notify;

#[cfg(any(target_os = "linux", target_os = "android"))]
const CLOCK: ClockId = ClockId::Boottime;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const CLOCK: ClockId = ClockId::Monotonic;

/// The lease of this process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lease {
    /// None: held for life, by a lock.
    counted: Option<Arc<Counted>>,
}

#[derive(Debug)]
struct Counted {
    /// Milliseconds of the clock.
    deadline: AtomicU64,
    /// One more each time it is over.
    generation: AtomicU64,
    over: Arc<Notify>,
}

/// A lease as it was when something was claimed under it.
#[derive(Clone, Debug)]
pub struct Hold {
    counted: Option<(Arc<Counted>, u64)>,
}

impl Lease {
    /// A lease that is over until it is begun; `over` is notified whenever it ends.
    pub(crate) fn counted(over: Arc<Notify>) -> Self {
        let counted = Counted { deadline: AtomicU64::new(0), generation: AtomicU64::new(0), over };
        Self { counted: Some(Arc::new(counted)) }
    }

    /// What is claimed from here on is held for as long as this lease is.
    pub(crate) fn hold(&self) -> Hold {
        Hold {
            counted: self.counted.as_ref().map(|counted| {
                let generation = counted.generation.load(Ordering::SeqCst);
                (Arc::clone(counted), generation)
            }),
        }
    }

    /// The store has granted `ttl` to what was asked at `asked`, by [`now`].
    pub(crate) fn extend(&self, asked: Duration, ttl: Duration) {
        if let Some(counted) = &self.counted {
            counted.deadline.store(millis(asked.saturating_add(ttl)), Ordering::SeqCst);
        }
    }

    /// It is over: nothing that was held under it is held any more.
    pub(crate) fn end(&self) {
        if let Some(counted) = &self.counted {
            counted.end(counted.generation.load(Ordering::SeqCst));
        }
    }
}

impl Hold {
    /// Whether the lease has lasted since. Once it has not, it never will again.
    #[must_use]
    pub fn is_good(&self) -> bool {
        let Some((counted, generation)) = &self.counted else { return true };
        if counted.generation.load(Ordering::SeqCst) != *generation {
            return false;
        }
        let good = millis(now()) < counted.deadline.load(Ordering::SeqCst);
        if !good {
            counted.end(*generation);
        }
        good
    }
}

impl Counted {
    fn end(&self, generation: u64) {
        let next = generation.wrapping_add(1);
        if self.generation.compare_exchange(generation, next, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
            self.deadline.store(0, Ordering::SeqCst);
            self.over.notify_one();
        }
    }
}

/// The time since the machine started, its sleep included.
pub(crate) fn now() -> Duration {
    let time = clock_gettime(CLOCK);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_hours(1);

    #[test]
    fn what_a_lock_holds_is_held_for_life() {
        let lease = Lease::default();
        let hold = lease.hold();
        lease.end();
        assert!(hold.is_good() && lease.hold().is_good());
    }

    #[test]
    fn a_lease_that_ran_out_is_not_revived_by_a_late_answer() {
        let lease = Lease::counted(Arc::default());
        assert!(!lease.hold().is_good(), "nothing was granted yet");
        let asked = now();
        lease.extend(asked, LONG);
        let first = lease.hold();
        assert!(first.is_good());
        lease.extend(asked, Duration::ZERO);
        assert!(!first.is_good(), "it counts from before it was asked for");
        lease.extend(asked, LONG);
        assert!(!first.is_good(), "it was over");
        assert!(lease.hold().is_good(), "the next one");
    }

    #[tokio::test]
    async fn the_end_is_told() {
        let over = Arc::new(Notify::new());
        let lease = Lease::counted(Arc::clone(&over));
        lease.extend(now(), LONG);
        let hold = lease.hold();
        lease.end();
        over.notified().await;
        assert!(!hold.is_good());
    }
}
