//! How long things took: percentiles, and a picture.

use std::time::Duration;

use hdrhistogram::{CreationError, Histogram};
use serde::Serialize;

/// Longer times count as this.
const LONGEST_US: u64 = 3_600_000_000;

/// The widest bar of the picture.
const BAR: u64 = 40;

/// Durations, kept to two digits in bounded memory.
#[derive(Debug)]
pub(super) struct Times(Histogram<u64>);

/// What is said of them, in milliseconds.
#[derive(Debug, Serialize, PartialEq)]
pub(super) struct Percentiles {
    count: u64,
    p50: f64,
    p90: f64,
    p99: f64,
    max: f64,
}

impl Times {
    pub(super) fn new() -> Result<Self, CreationError> {
        Ok(Self(Histogram::new_with_bounds(1, LONGEST_US, 2)?))
    }

    pub(super) fn add(&mut self, took: Duration) {
        self.0.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    pub(super) fn percentiles(&self) -> Percentiles {
        let at = |quantile| ms(self.0.value_at_quantile(quantile));
        Percentiles { count: self.0.len(), p50: at(0.5), p90: at(0.9), p99: at(0.99), max: ms(self.0.max()) }
    }

    /// How many fell between the last bound and this one, in milliseconds; each bound is twice the one before.
    pub(super) fn buckets(&self) -> Vec<(f64, u64)> {
        let mut buckets: Vec<(f64, u64)> = self
            .0
            .iter_log(250, 2.0)
            .map(|step| (ms(step.value_iterated_to().saturating_add(1)), step.count_since_last_iteration()))
            .collect();
        let filled = buckets.iter().position(|(_, count)| *count > 0).unwrap_or(buckets.len());
        buckets.split_off(filled)
    }

    /// One line a bucket.
    pub(super) fn picture(&self) -> Vec<String> {
        let buckets = self.buckets();
        let most = buckets.iter().map(|(_, count)| *count).max().unwrap_or_default().max(1);
        let line = |(bound, count): (f64, u64)| {
            // What is there at all shows.
            let bar = "#".repeat(usize::try_from((count * BAR).div_ceil(most)).unwrap_or_default());
            format!("  < {bound:>9} ms  {count:>9}  {bar}").trim_end().to_owned()
        };
        buckets.into_iter().map(line).collect()
    }
}

impl Percentiles {
    pub(super) fn words(&self) -> String {
        let Self { count, p50, p90, p99, max } = self;
        if *count == 0 { "none".to_owned() } else { format!("p50 {p50} ms, p90 {p90} ms, p99 {p99} ms, max {max} ms") }
    }
}

/// Milliseconds with two digits after the point.
#[expect(clippy::cast_precision_loss, reason = "an hour in microseconds fits a double exactly")]
fn ms(us: u64) -> f64 {
    (us as f64 / 10.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_and_the_greatest_are_told_in_milliseconds() {
        let mut times = Times::new().unwrap();
        assert_eq!(times.percentiles().words(), "none");
        for n in 1..=100 {
            times.add(Duration::from_millis(n));
        }
        times.add(Duration::from_secs(100_000));
        let percentiles = times.percentiles();
        let near = |value: f64, wanted: f64| (value - wanted).abs() <= wanted / 50.0;
        assert!(near(percentiles.p50, 51.0) && near(percentiles.p90, 91.0) && near(percentiles.p99, 100.0));
        assert!(percentiles.count == 101 && near(percentiles.max, 3_600_000.0), "{percentiles:?}");
    }

    #[test]
    fn the_picture_begins_with_the_first_bucket_that_has_something() {
        let mut times = Times::new().unwrap();
        assert!(times.picture().is_empty());
        for us in [900, 900, 900, 900, 3000] {
            times.add(Duration::from_micros(us));
        }
        let counts: Vec<u64> = times.buckets().iter().map(|(_, count)| *count).collect();
        assert_eq!((counts[0], counts.iter().sum::<u64>()), (4, 5));
        assert!(times.picture()[0].ends_with(&"#".repeat(40)), "{:?}", times.picture());
        assert!(times.picture().last().unwrap().ends_with("  ##########"), "{:?}", times.picture());
    }
}
