//! What finished invocations of a handler have written and no commit has answered for yet.
//!
//! Whoever comes next in a lane sees it, and so do other lanes where keys are shared. It lasts for as long as the state
//! machine has the report: until it is committed, and can be read from the store, or is taken back, and never was.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use store::{Bucket, Report, Spot};

/// Keys with reports that may be gone are swept out when there are twice as many as after the last time, but not below
/// this.
const SWEEP: usize = 1_024;

/// Writes of one handler on this runner.
#[derive(Debug, Default)]
pub(crate) struct Uncommitted {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    writes: HashMap<Spot, Vec<Weak<Report>>>,
    after_sweep: usize,
}

/// A value with its version.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) value: Option<Bytes>,
    pub(super) version: i64,
}

impl Uncommitted {
    /// The last value of a key, if one is not committed yet.
    pub(super) fn get(&self, spot: &Spot) -> Option<Seen> {
        self.lock().newest(spot)
    }

    /// The last word on each key of a space that is not committed yet: whether it is there.
    pub(super) fn keys(&self, bucket: &Bucket, space: &str) -> Vec<(Arc<str>, bool)> {
        let state = self.lock();
        let spots = state.writes.keys().filter(|spot| spot.bucket == *bucket && *spot.space == *space);
        spots.filter_map(|spot| Some((spot.key.clone(), state.newest(spot)?.value.is_some()))).collect()
    }

    /// Adds what an invocation has written. False, and nothing of it is added, if one that has finished meanwhile has
    /// changed what it had read.
    pub(crate) fn add(&self, report: &Arc<Report>) -> bool {
        let keyvalue = &report.keyvalue;
        if keyvalue.is_empty() {
            return true;
        }
        let mut state = self.lock();
        let stands = |(spot, version): &(Spot, i64)| state.newest(spot).is_none_or(|seen| seen.version == *version);
        let unchanged = |(bucket, _): &(Bucket, i64)| {
            !state.writes.keys().any(|spot| spot.bucket == *bucket && state.newest(spot).is_some())
        };
        if !keyvalue.reads.iter().all(stands) || !keyvalue.lists.iter().all(unchanged) {
            return false;
        }
        for write in &keyvalue.writes {
            let of_key = state.writes.entry(write.spot.clone()).or_default();
            of_key.retain(|report| report.strong_count() > 0);
            of_key.push(Arc::downgrade(report));
        }
        state.sweep();
        true
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn newest(&self, spot: &Spot) -> Option<Seen> {
        let report = self.writes.get(spot)?.iter().rev().find_map(Weak::upgrade)?;
        let write = report.keyvalue.write(spot)?;
        Some(Seen { value: write.value.clone(), version: write.version(report.keyvalue.stamp) })
    }

    fn sweep(&mut self) {
        if self.writes.len() < SWEEP.max(self.after_sweep.saturating_mul(2)) {
            return;
        }
        self.writes.retain(|_, reports| {
            reports.retain(|report| report.strong_count() > 0);
            !reports.is_empty()
        });
        self.after_sweep = self.writes.len();
    }
}

#[cfg(test)]
mod tests {
    use store::{Keyvalue, Write};

    use super::*;

    fn spot(key: &str) -> Spot {
        Spot { bucket: Bucket { name: "b".into(), contended: true }, space: "".into(), key: key.into() }
    }

    fn report(stamp: i64, reads: &[(&str, i64)], writes: &[(&str, Option<&'static str>)]) -> Arc<Report> {
        let reads = reads.iter().map(|(key, version)| (spot(key), *version)).collect();
        let write = |(key, value): &(&str, Option<&'static str>)| Write {
            spot: spot(key),
            value: value.map(|value| Bytes::from_static(value.as_bytes())),
            ttl_ms: None,
        };
        let keyvalue = Keyvalue { stamp, reads, writes: writes.iter().map(write).collect(), lists: Vec::new() };
        Arc::new(Report { keyvalue, ..Report::default() })
    }

    #[test]
    fn the_last_word_counts_for_as_long_as_its_report_is_held() {
        let uncommitted = Uncommitted::default();
        let value = |key| uncommitted.get(&spot(key)).map(|seen| (seen.value, seen.version));
        let first = report(1, &[], &[("k", Some("1"))]);
        assert!(uncommitted.add(&first));
        let second = report(2, &[("k", 1)], &[("k", None)]);
        assert!(uncommitted.add(&second));
        assert_eq!(value("k"), Some((None, store::ABSENT)), "it was removed");
        drop(second);
        assert_eq!(value("k"), Some((Some("1".into()), 1)), "that was taken back");
        drop(first);
        assert_eq!(value("k"), None);
    }

    #[test]
    fn who_has_read_what_was_changed_meanwhile_adds_nothing() {
        let uncommitted = Uncommitted::default();
        let first = report(1, &[("k", 9)], &[("k", Some("1"))]);
        assert!(uncommitted.add(&first));
        let late = report(2, &[("k", 9)], &[("k", Some("2")), ("other", Some("2"))]);
        assert!(!uncommitted.add(&late));
        assert!(uncommitted.get(&spot("other")).is_none());
        let mut lists = Report::default();
        lists.keyvalue.lists.push((spot("k").bucket, 3));
        assert!(!uncommitted.add(&Arc::new(lists.clone())));
        drop(first);
        assert!(uncommitted.add(&Arc::new(lists)));
    }

    #[test]
    fn what_is_gone_takes_no_room_for_ever() {
        let uncommitted = Uncommitted::default();
        for number in 0..10 * SWEEP {
            assert!(uncommitted.add(&report(1, &[], &[(&number.to_string(), Some("v"))])));
        }
        assert!(uncommitted.lock().writes.len() <= 2 * SWEEP);
    }
}
