//! The first request of each lane, as far as is known: each that was taken makes room for the next of its lane, and only
//! now and then are all lanes looked for, which takes the longer the more waits.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use store::RequestHead;
use tokio::time::Instant;

use super::traffic::Lane;

/// All lanes are looked for no more often than this, however many commits there are.
const APART: Duration = Duration::from_millis(5);

/// Looking for them takes at most one part of so many of the time.
const SHARE: u32 = 5;

/// The first requests of lanes, by place.
#[derive(Debug)]
pub(super) struct Heads {
    by_place: BTreeMap<i64, RequestHead>,
    /// There may be lanes that are not known here.
    incomplete: bool,
    /// All are not looked for again before this time.
    not_before: Instant,
}

impl Heads {
    /// Nothing is known.
    pub(super) fn new(now: Instant) -> Self {
        Self { by_place: BTreeMap::new(), incomplete: true, not_before: now }
    }

    /// There may be lanes that are not known.
    pub(super) fn miss(&mut self) {
        self.incomplete = true;
    }

    /// When all lanes are to be looked for, if they are.
    pub(super) fn due(&self) -> Option<Instant> {
        self.incomplete.then_some(self.not_before)
    }

    /// These are all, as they were looked for from `began` to `ended`.
    pub(super) fn replace(&mut self, heads: Vec<RequestHead>, began: Instant, ended: Instant) {
        self.by_place = heads.into_iter().map(|head| (head.id, head)).collect();
        self.incomplete = false;
        self.not_before = ended + (ended.saturating_duration_since(began) * (SHARE - 1)).max(APART);
    }

    /// These requests are not there any more.
    pub(super) fn remove(&mut self, ids: impl IntoIterator<Item = i64>) {
        for id in ids {
            self.by_place.remove(&id);
        }
    }

    /// These are the first of their lanes now.
    pub(super) fn put(&mut self, heads: Vec<RequestHead>) {
        self.by_place.extend(heads.into_iter().map(|head| (head.id, head)));
    }

    /// By place: who waits longest comes first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &RequestHead> {
        self.by_place.values()
    }

    /// Their lanes.
    pub(super) fn lanes(&self) -> HashSet<Lane> {
        self.iter().map(lane_of_head).collect()
    }
}

/// The lane that a request is the first of.
pub(super) fn lane_of_head(head: &RequestHead) -> Lane {
    Lane { handler: head.handler.clone(), key: head.key.clone(), origin: head.origin.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(id: i64, key: &str) -> RequestHead {
        RequestHead { id, handler: "h".into(), key: key.into(), origin: "o".into() }
    }

    #[test]
    fn looking_for_all_lanes_takes_a_fifth_of_the_time_at_most_and_happens_only_where_one_may_be_missing() {
        let now = Instant::now();
        let mut heads = Heads::new(now);
        assert_eq!(heads.due(), Some(now));
        for (took, apart) in [(0, 5), (1, 5), (100, 400)] {
            let ended = now + Duration::from_millis(took);
            heads.replace(vec![head(1, "a")], now, ended);
            assert_eq!(heads.due(), None);
            heads.miss();
            assert_eq!(heads.due(), Some(ended + Duration::from_millis(apart)), "{took}");
        }
    }

    #[test]
    fn the_next_of_a_lane_takes_the_place_of_the_one_that_is_gone() {
        let now = Instant::now();
        let mut heads = Heads::new(now);
        heads.replace(vec![head(3, "b"), head(1, "a")], now, now);
        let ids = |heads: &Heads| heads.iter().map(|head| head.id).collect::<Vec<_>>();
        assert_eq!(ids(&heads), [1, 3]);
        heads.remove([1, 7]);
        heads.put(vec![head(5, "a")]);
        assert_eq!(ids(&heads), [3, 5]);
        assert_eq!(heads.lanes().len(), 2);
    }
}
