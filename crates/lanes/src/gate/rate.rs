//! A token bucket: so many starts in so long a time, spread evenly.

use crate::{Millis, Rate};

/// How far ahead of an even spread starts may be: as many as fall into this time go at once.
const BURST_US: u64 = 100_000;

/// Where the next start belongs in an even spread, in microseconds; 0 is long ago.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bucket {
    next_us: u64,
}

impl Bucket {
    pub(crate) fn has(self, now: Millis) -> bool {
        self.next(now).is_none()
    }

    /// When there will be a token, if there is none now.
    pub(crate) fn next(self, now: Millis) -> Option<Millis> {
        let at = self.next_us.saturating_sub(BURST_US).div_ceil(1_000);
        (at > now).then_some(at)
    }

    /// Takes a token. This runner has so many of the handler's shards.
    pub(crate) fn take(&mut self, now: Millis, rate: &Rate, shards: usize) {
        self.next_us = self.next_us.max(now.saturating_mul(1_000)).saturating_add(interval_us(rate, shards));
    }
}

/// The time between two starts in an even spread over the shards that are owned.
fn interval_us(rate: &Rate, shards: usize) -> u64 {
    let (all, owned) = (u64::from(rate.shards.get()), (shards as u64).max(1));
    let events = u64::from(rate.events.get()).saturating_mul(owned.min(all));
    rate.per_ms.saturating_mul(1_000).saturating_mul(all).div_ceil(events)
}

#[cfg(test)]
mod tests {
    use std::num::{NonZeroU16, NonZeroU32};

    use super::*;

    fn rate(events: u32, per_ms: Millis, shards: u16) -> Rate {
        Rate { events: NonZeroU32::new(events).unwrap(), per_ms, shards: NonZeroU16::new(shards).unwrap() }
    }

    #[test]
    fn a_runner_has_the_share_of_its_shards() {
        for (events, per_ms, shards, owned, interval) in [
            (100, 1_000, 1, 1, 10_000),
            (100, 1_000, 4, 4, 10_000),
            (100, 1_000, 4, 1, 40_000),
            (100, 1_000, 4, 3, 13_334),
            (1, 60_000, 2, 2, 60_000_000),
            (1, 60_000, 2, 9, 60_000_000),
            (1, 60_000, 2, 0, 120_000_000),
        ] {
            assert_eq!(
                interval_us(&rate(events, per_ms, shards), owned),
                interval,
                "{events} {per_ms} {shards} {owned}"
            );
        }
    }

    #[test]
    fn no_second_has_more_starts_than_the_rate_and_one_burst() {
        let (mut bucket, rate) = (Bucket::default(), rate(50, 1_000, 1));
        let mut starts = Vec::new();
        for now in 10_000..15_000 {
            while bucket.has(now) {
                bucket.take(now, &rate, 1);
                starts.push(now);
            }
        }
        assert_eq!(starts.iter().filter(|&&at| at == 10_000).count(), 6, "one, and what falls into the burst");
        for second in 10_000..14_000 {
            let within = starts.iter().filter(|&&at| (second..second + 1_000).contains(&at)).count();
            assert!((50..=56).contains(&within), "{within} from {second} on");
        }
    }

    #[test]
    fn what_was_not_used_is_not_saved_up() {
        let (mut bucket, rate) = (Bucket::default(), rate(10, 1_000, 1));
        bucket.take(1_000, &rate, 1);
        let at_once = (0..100)
            .take_while(|_| {
                bucket.has(900_000) && {
                    bucket.take(900_000, &rate, 1);
                    true
                }
            })
            .count();
        assert_eq!(at_once, 2);
        assert_eq!(bucket.next(900_000), Some(900_100));
    }
}
