//! How many lines of one handler go to the runner's log: that log is everybody's.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Lines a second, on average.
const LINES_A_SECOND: f64 = 200.0;

/// Lines at once.
const BURST: f64 = 2_000.0;

/// A bucket of lines, for as long as the handler lives. Attempts' records are not thinned by it.
#[derive(Debug)]
pub(crate) struct Rate(Mutex<Bucket>);

#[derive(Clone, Copy, Debug)]
struct Bucket {
    lines: f64,
    at: Instant,
}

impl Default for Rate {
    fn default() -> Self {
        Self(Mutex::new(Bucket { lines: BURST, at: Instant::now() }))
    }
}

impl Rate {
    /// How many of `wanted` lines may be written now.
    pub(crate) fn take(&self, wanted: usize) -> usize {
        let mut bucket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.take(wanted, Instant::now())
    }
}

impl Bucket {
    fn take(&mut self, wanted: usize, now: Instant) -> usize {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.lines = (self.lines + passed * LINES_A_SECOND).min(BURST);
        self.at = now;
        let granted = u32::try_from(wanted).unwrap_or(u32::MAX).min(whole(self.lines));
        self.lines -= f64::from(granted);
        granted as usize
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the burst")]
fn whole(lines: f64) -> u32 {
    lines as u32
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_passes_and_then_only_the_rate() {
        let start = Instant::now();
        let mut bucket = Bucket { lines: BURST, at: start };
        assert_eq!(bucket.take(1_500, start), 1_500);
        assert_eq!(bucket.take(1_500, start), 500);
        assert_eq!(bucket.take(1, start), 0);
        assert_eq!(bucket.take(1_000, start + Duration::from_secs(2)), 400);
        assert_eq!(bucket.take(5_000, start + Duration::from_hours(1)), 2_000);
    }
}
