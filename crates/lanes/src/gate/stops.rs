//! Times in which nothing could be tried: they do not count against `for`.

use crate::Millis;

/// More are not kept: the oldest are forgotten.
const MOST: usize = 10_000;

/// Times from and until, ascending, neither overlapping nor adjacent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stops(Vec<(Millis, Millis)>);

impl Stops {
    pub(crate) fn add(&mut self, from: Millis, until: Millis) {
        if from >= until {
            return;
        }
        let first = self.0.partition_point(|&(_, end)| end < from);
        let past = self.0.partition_point(|&(start, _)| start <= until);
        let mut merged = (from, until);
        for (start, end) in self.0.drain(first..past.max(first)) {
            merged = (merged.0.min(start), merged.1.max(end));
        }
        self.0.insert(first, merged);
        if self.0.len() > MOST {
            self.0.remove(0);
        }
    }

    /// How much of the time is in one of them, or after `current`, since when nothing can be tried.
    pub(crate) fn between(&self, from: Millis, until: Millis, current: Option<Millis>) -> Millis {
        let goes_on = current.unwrap_or(Millis::MAX).clamp(from, until.max(from));
        let first = self.0.partition_point(|&(_, end)| end <= from);
        let past = self.0.iter().skip(first).take_while(|&&(start, _)| start < goes_on);
        let stopped: Millis = past.map(|&(start, end)| end.min(goes_on) - start.max(from)).sum();
        stopped + until.saturating_sub(goes_on)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_overlaps_or_touches_is_one() {
        let mut stops = Stops::default();
        for (from, until) in [(10, 20), (30, 40), (20, 25), (5, 5), (50, 60), (35, 55)] {
            stops.add(from, until);
        }
        assert_eq!(stops.0, [(10, 25), (30, 60)]);
    }

    proptest! {
        #[test]
        fn it_is_a_set_of_milliseconds(
            parts in prop::collection::vec((0_u64..60, 0_u64..9), 0..20),
            (from, length) in (0_u64..70, 0_u64..40),
            current in prop::option::of(0_u64..90),
        ) {
            let mut stops = Stops::default();
            for &(from, length) in &parts {
                stops.add(from, from + length);
            }
            let until = from + length;
            let stopped = |at: &Millis| {
                parts.iter().any(|&(from, length)| (from..from + length).contains(at))
                    || current.is_some_and(|current| current <= *at)
            };
            prop_assert_eq!(stops.between(from, until, current), (from..until).filter(stopped).count() as u64);
        }
    }
}
