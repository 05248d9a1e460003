//! So many a second and no more: a flood of refused requests must not take the disk from the events.

use std::time::Instant;

/// A token bucket that holds what one second brings.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: f64,
    tokens: f64,
    filled_at: Instant,
}

impl Bucket {
    /// A full one.
    pub(super) fn new(rate: u32, now: Instant) -> Bucket {
        Bucket { rate: f64::from(rate), tokens: f64::from(rate), filled_at: now }
    }

    /// Takes one token; false when there is none.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let brought = now.saturating_duration_since(self.filled_at).as_secs_f64() * self.rate;
        self.tokens = (self.tokens + brought).min(self.rate);
        self.filled_at = now;
        let has = self.tokens >= 1.0;
        if has {
            self.tokens -= 1.0;
        }
        has
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn taken(bucket: &mut Bucket, now: Instant) -> usize {
        (0..1000).take_while(|_| bucket.take(now)).count()
    }

    #[test]
    fn a_second_brings_so_many_and_no_more_are_saved() {
        let start = Instant::now();
        let mut bucket = Bucket::new(20, start);
        assert_eq!(taken(&mut bucket, start), 20);
        assert_eq!(taken(&mut bucket, start + Duration::from_millis(500)), 10);
        assert_eq!(taken(&mut bucket, start + Duration::from_mins(1)), 20);
    }

    #[test]
    fn one_a_second_is_one_a_second() {
        let start = Instant::now();
        let mut bucket = Bucket::new(1, start);
        let seconds: Vec<_> = (0..8).map(|n| bucket.take(start + Duration::from_millis(n * 500))).collect();
        assert_eq!(seconds, [true, false, true, false, true, false, true, false]);
    }
}
