//! What was measured, and what is made of several measurements: medians, and medians of ratios within a round.

use std::collections::HashMap;
use std::fmt;

use bench_receiver::report::median;

use crate::contestant::Contestant;
use crate::plan::{Cell, Sync};

/// One measurement.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Measured {
    /// Events a second.
    pub(crate) rate: f64,
    /// From sending a webhook to its whole answer.
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// The most memory that the receiver held.
    pub(crate) peak_mb: f64,
    /// What the receiver took of a processor for one event.
    pub(crate) cpu_us: f64,
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Measured { rate, p50_ms, p99_ms, peak_mb, cpu_us } = self;
        write!(f, "{rate:.0} ev/s, p50 {p50_ms:.2} ms, p99 {p99_ms:.2} ms, {peak_mb:.0} MB, {cpu_us:.1} µs")
    }
}

/// All measurements.
#[derive(Debug, Default)]
pub(crate) struct Results(HashMap<(Sync, usize, Contestant), Vec<Measured>>);

impl Results {
    pub(crate) fn add(&mut self, cell: &Cell, measured: Measured) {
        self.0.entry(key(cell.sync, cell.connections, cell.contestant)).or_default().push(measured);
    }

    /// The median over the rounds.
    pub(crate) fn median(
        &self,
        sync: Sync,
        connections: usize,
        of: Contestant,
        value: fn(&Measured) -> f64,
    ) -> Option<f64> {
        median(self.rounds(sync, connections, of)?.iter().map(value).collect())
    }

    /// The median over the rounds of what one has of the other in the same round.
    pub(crate) fn ratio(
        &self,
        sync: Sync,
        connections: usize,
        (one, other): (Contestant, Contestant),
        value: fn(&Measured) -> f64,
    ) -> Option<f64> {
        let (one, other) = (self.rounds(sync, connections, one)?, self.rounds(sync, connections, other)?);
        median(one.iter().zip(other).map(|(one, other)| value(one) / value(other)).collect())
    }

    fn rounds(&self, sync: Sync, connections: usize, of: Contestant) -> Option<&[Measured]> {
        self.0.get(&key(sync, connections, of)).map(Vec::as_slice)
    }
}

/// A ceiling is one for any number of connections.
fn key(sync: Sync, connections: usize, contestant: Contestant) -> (Sync, usize, Contestant) {
    (sync, if contestant.has_connections() { connections } else { 0 }, contestant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_compares_within_a_round() {
        let mut results = Results::default();
        let (sync, connections) = (Sync::Always, 64);
        // The machine is half as fast in the second round, for both.
        for (round, go, ours) in [(0, 100.0, 300.0), (1, 50.0, 150.0), (2, 80.0, 240.0)] {
            for (contestant, rate) in [(Contestant::Go, go), (Contestant::Roomwire(1), ours)] {
                results.add(&Cell { round, sync, connections, contestant }, Measured { rate, ..Measured::default() });
            }
        }
        let of = (Contestant::Roomwire(1), Contestant::Go);
        assert_eq!(results.ratio(sync, connections, of, |measured| measured.rate), Some(3.0));
        assert_eq!(results.median(sync, connections, Contestant::Go, |measured| measured.rate), Some(80.0));
        assert_eq!(results.median(sync, 1, Contestant::Go, |measured| measured.rate), None);
    }
}
