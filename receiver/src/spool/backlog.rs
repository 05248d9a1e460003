//! What waits in the spool, as far as decisions need it: which lanes have something there, and how much it is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::metrics::SpoolMetrics;

/// What a row takes beyond headers and body: its lane, its id, and their places in the indexes.
pub(crate) const ROW_OVERHEAD: u64 = 512;

/// The backlog. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Backlog(Arc<Mutex<Waiting>>);

#[derive(Debug)]
struct Waiting {
    metrics: SpoolMetrics,
    lanes: HashMap<Box<str>, u64>,
    rows: u64,
    bytes: u64,
    max_bytes: u64,
}

/// How much waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Depth {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
}

/// There is no room for an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full {
    pub(crate) max_bytes: u64,
}

/// A place for one event, counted from before it is written, so that the next event of its lane follows it. It is given
/// back when this is dropped before [`Place::keep`].
#[derive(Debug)]
pub(crate) struct Place {
    backlog: Backlog,
    lane: Box<str>,
    size: u64,
    kept: bool,
}

impl Backlog {
    /// One in which `lanes` (with their rows and bytes) wait already.
    pub(crate) fn new(
        max_bytes: u64,
        lanes: impl IntoIterator<Item = (Box<str>, u64, u64)>,
        metrics: SpoolMetrics,
    ) -> Backlog {
        let mut waiting = Waiting { metrics, lanes: HashMap::new(), rows: 0, bytes: 0, max_bytes };
        for (lane, rows, bytes) in lanes {
            waiting.rows += rows;
            waiting.bytes += bytes;
            *waiting.lanes.entry(lane).or_default() += rows;
        }
        waiting.show();
        Backlog(Arc::new(Mutex::new(waiting)))
    }

    /// Whether something of this lane waits: then all that comes after it must wait too.
    pub(crate) fn holds(&self, lane: &str) -> bool {
        let waiting = self.waiting();
        waiting.rows > 0 && waiting.lanes.contains_key(lane)
    }

    /// A place for an event of `size` bytes.
    pub(crate) fn place(&self, lane: &str, size: u64) -> Result<Place, Full> {
        let mut waiting = self.waiting();
        if waiting.bytes.saturating_add(size) > waiting.max_bytes {
            return Err(Full { max_bytes: waiting.max_bytes });
        }
        waiting.rows += 1;
        waiting.bytes += size;
        match waiting.lanes.get_mut(lane) {
            Some(rows) => *rows += 1,
            None => drop(waiting.lanes.insert(lane.into(), 1)),
        }
        waiting.show();
        Ok(Place { backlog: self.clone(), lane: lane.into(), size, kept: false })
    }

    /// An event has left.
    pub(crate) fn left(&self, lane: &str, size: u64) {
        let mut waiting = self.waiting();
        waiting.rows = waiting.rows.saturating_sub(1);
        waiting.bytes = waiting.bytes.saturating_sub(size);
        if let Some(rows) = waiting.lanes.get_mut(lane) {
            *rows -= 1;
            if *rows == 0 {
                waiting.lanes.remove(lane);
            }
        }
        waiting.show();
    }

    pub(crate) fn depth(&self) -> Depth {
        self.waiting().depth()
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn depth(&self) -> Depth {
        Depth { rows: self.rows, bytes: self.bytes }
    }

    /// At once, so that nobody who sees an empty spool is wrong.
    fn show(&self) {
        self.metrics.depth(self.depth());
    }
}

impl Place {
    /// The event is on disk.
    pub(crate) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.kept {
            self.backlog.left(&self.lane, self.size);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backlog<const N: usize>(lanes: [(Box<str>, u64, u64); N]) -> Backlog {
        Backlog::new(100, lanes, SpoolMetrics::default())
    }

    fn depth(backlog: &Backlog) -> (u64, u64) {
        let Depth { rows, bytes } = backlog.depth();
        (rows, bytes)
    }

    #[test]
    fn a_lane_is_held_from_its_first_place_until_its_last_event_has_left() {
        let backlog = backlog([]);
        assert!(!backlog.holds("a"));
        let first = backlog.place("a", 10).unwrap();
        assert!(backlog.holds("a") && !backlog.holds("b"), "before it is written");
        first.keep();
        backlog.place("a", 5).unwrap().keep();
        assert_eq!(depth(&backlog), (2, 15));
        backlog.left("a", 10);
        assert!(backlog.holds("a"));
        backlog.left("a", 5);
        assert!(!backlog.holds("a"));
        assert_eq!(depth(&backlog), (0, 0));
    }

    #[test]
    fn what_was_not_written_gives_its_place_back() {
        let backlog = backlog([]);
        drop(backlog.place("a", 100).unwrap());
        assert!(!backlog.holds("a"));
        assert_eq!(depth(&backlog), (0, 0));
    }

    #[test]
    fn beyond_its_bytes_nothing_is_taken_and_what_is_there_stays() {
        let backlog = backlog([("old".into(), 2, 60)]);
        assert!(backlog.holds("old"));
        let full = backlog.place("a", 41).unwrap_err();
        assert_eq!(full, Full { max_bytes: 100 });
        assert!(!backlog.holds("a"));
        backlog.place("a", 40).unwrap().keep();
        assert_eq!(depth(&backlog), (3, 100));
        backlog.left("old", 30);
        assert!(backlog.holds("old"), "its second one is still there");
    }
}
