//! The set of settled sequences: a floor and ranges above it.

use crate::{Progress, Seq};

impl Progress {
    /// Is this sequence settled?
    #[must_use]
    pub fn covers(&self, seq: Seq) -> bool {
        if seq <= self.floor {
            return true;
        }
        let after = self.ranges.partition_point(|&(low, _)| low <= seq);
        after.checked_sub(1).and_then(|at| self.ranges.get(at)).is_some_and(|&(_, high)| seq <= high)
    }

    /// How many sequences of `low..=high` are not settled.
    #[must_use]
    pub fn missing(&self, low: Seq, high: Seq) -> u64 {
        let low = low.max(self.floor.saturating_add(1));
        if low > high {
            return 0;
        }
        let first = self.ranges.partition_point(|&(_, end)| end < low);
        let overlap: u64 = self
            .ranges
            .iter()
            .skip(first)
            .take_while(|&&(start, _)| start <= high)
            .map(|&(start, end)| end.min(high) - start.max(low) + 1)
            .sum();
        high - low + 1 - overlap
    }

    /// The number of settled sequences above the floor.
    #[must_use]
    pub fn above(&self) -> u64 {
        self.ranges.iter().map(|&(low, high)| high - low + 1).sum()
    }

    /// Settles `low..=high`; answers how many of them were not settled before. The books are the caller's.
    pub(crate) fn cover(&mut self, low: Seq, high: Seq) -> u64 {
        let fresh = self.missing(low, high);
        if fresh == 0 {
            return 0;
        }
        let low = low.max(self.floor.saturating_add(1));
        // The ranges from `first` up to `past` overlap or touch the new one and melt into it.
        let first = self.ranges.partition_point(|&(_, end)| end.saturating_add(1) < low);
        let past = self.ranges.partition_point(|&(start, _)| start <= high.saturating_add(1));
        let mut merged = (low, high);
        for (start, end) in self.ranges.drain(first..past.max(first)) {
            merged = (merged.0.min(start), merged.1.max(end));
        }
        if merged.0 == self.floor.saturating_add(1) {
            self.floor = merged.1;
        } else {
            self.ranges.insert(first, merged);
        }
        fresh
    }

    /// Ranges in order, neither overlapping nor adjacent, none of them at or next to the floor.
    pub(crate) fn normalize(&mut self) {
        let mut ranges = std::mem::take(&mut self.ranges);
        ranges.sort_unstable();
        for (low, high) in ranges {
            self.cover(low, high);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn progress(floor: Seq, ranges: &[(Seq, Seq)]) -> Progress {
        Progress { floor, ranges: ranges.to_vec(), ..Progress::default() }
    }

    #[test]
    fn covering_merges_what_overlaps_or_touches_and_moves_the_floor() {
        type Case<'a> = (Seq, &'a [(Seq, Seq)], (Seq, Seq), u64, Seq, &'a [(Seq, Seq)]);
        let table: &[Case<'_>] = &[
            (0, &[], (1, 1), 1, 1, &[]),
            (0, &[], (2, 3), 2, 0, &[(2, 3)]),
            (0, &[(2, 3)], (1, 1), 1, 3, &[]),
            (0, &[(2, 3), (5, 6)], (4, 4), 1, 0, &[(2, 6)]),
            (0, &[(2, 3), (5, 6)], (1, 4), 2, 6, &[]),
            (0, &[(3, 4)], (2, 8), 5, 0, &[(2, 8)]),
            (9, &[(20, 21)], (1, 9), 0, 9, &[(20, 21)]),
            (9, &[(20, 21)], (5, 12), 3, 12, &[(20, 21)]),
            (9, &[(20, 21)], (20, 21), 0, 9, &[(20, 21)]),
            (9, &[(20, 21), (30, 31), (40, 41)], (22, 39), 16, 9, &[(20, 41)]),
            (9, &[(20, 21)], (15, 18), 4, 9, &[(15, 18), (20, 21)]),
            (9, &[(20, 21)], (8, 7), 0, 9, &[(20, 21)]),
        ];
        for &(floor, ranges, (low, high), fresh, floor_after, after) in table {
            let mut set = progress(floor, ranges);
            assert_eq!(set.cover(low, high), fresh, "{floor} {ranges:?} + {low}..={high}");
            assert_eq!((set.floor, set.ranges.as_slice()), (floor_after, after), "{floor} {ranges:?} + {low}..={high}");
        }
    }

    #[test]
    fn ranges_from_a_store_are_put_in_order() {
        let mut set = progress(4, &[(9, 10), (5, 6), (7, 7), (12, 13), (13, 15)]);
        set.normalize();
        assert_eq!((set.floor, set.ranges.as_slice()), (7, [(9, 10), (12, 15)].as_slice()));
    }

    proptest! {
        #[test]
        fn it_is_a_set_of_sequences(floor in 0_u64..6, parts in prop::collection::vec((1_u64..60, 0_u64..9), 0..40)) {
            let mut set = progress(floor, &[]);
            let mut model: BTreeSet<Seq> = (1..=floor).collect();
            for (low, length) in parts {
                let part: Vec<Seq> = (low..=low + length).collect();
                let fresh = part.iter().filter(|seq| !model.contains(seq)).count() as u64;
                prop_assert_eq!(set.missing(low, low + length), fresh);
                prop_assert_eq!(set.cover(low, low + length), fresh);
                model.extend(part);
                for seq in 1..80 {
                    prop_assert_eq!(set.covers(seq), model.contains(&seq));
                }
                prop_assert_eq!(set.floor + set.above(), model.len() as u64);
                prop_assert!(set.ranges.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0));
                prop_assert!(set.ranges.first().is_none_or(|range| range.0 > set.floor + 1));
            }
        }
    }
}
