//! The first request of each lane, as far as is known: each that was taken makes room for the next of its lane, and only
//! now and then are all lanes looked for, which takes the longer the more waits.
//!
//! Those that may go are kept by origin and place and those that rest by time, so that to choose takes no longer where a
//! hundred thousand lanes wait. One that is under way is not here.

use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::time::Duration;

use store::RequestHead;
use tokio::time::Instant;

use super::traffic::{Lane, Origin};

/// All lanes are looked for no more often than this, however many commits there are.
const APART: Duration = Duration::from_millis(5);

/// Looking for them takes at most one part of so many of the time.
const SHARE: u32 = 5;

/// The first requests of lanes.
#[derive(Debug)]
pub(super) struct Heads {
    /// Those that their lanes do not hold back, by origin and place.
    ready: HashMap<Origin, BTreeMap<i64, RequestHead>>,
    /// Those whose lanes rest, by when that ends.
    resting: BTreeMap<(Instant, i64), RequestHead>,
    /// There may be lanes that are not known here.
    incomplete: bool,
    /// All are not looked for again before this time.
    not_before: Instant,
}

impl Heads {
    /// Nothing is known.
    pub(super) fn new(now: Instant) -> Self {
        Self { ready: HashMap::new(), resting: BTreeMap::new(), incomplete: true, not_before: now }
    }

    /// There may be lanes that are not known.
    pub(super) fn miss(&mut self) {
        self.incomplete = true;
    }

    /// When all lanes are to be looked for, if they are.
    pub(super) fn due(&self) -> Option<Instant> {
        self.incomplete.then_some(self.not_before)
    }

    /// Forgets all, as they were looked for from `began` to `ended`, and are put here anew.
    pub(super) fn renew(&mut self, began: Instant, ended: Instant) {
        self.ready.clear();
        self.resting.clear();
        self.incomplete = false;
        self.not_before = ended + (ended.saturating_duration_since(began) * (SHARE - 1)).max(APART);
    }

    /// This is the first of its lane, which rests until then, if it does.
    pub(super) fn put(&mut self, mut head: RequestHead, rests_until: Option<Instant>) {
        if let Some(until) = rests_until {
            self.resting.insert((until, head.id), head);
            return;
        }
        let of_origin = self.ready.entry(origin_of(&head));
        // The names are there once for all of an origin.
        (head.handler, head.origin) = of_origin.key().clone();
        of_origin.or_default().insert(head.id, head);
    }

    /// When the next lane has rested.
    pub(super) fn rested_at(&self) -> Option<Instant> {
        self.resting.first_key_value().map(|(&(until, _), _)| until)
    }

    /// Takes out what may go, at most `most`, and of an origin only as many as `room` says: who waits longest comes first.
    pub(super) fn take(&mut self, now: Instant, most: usize, room: impl Fn(&Origin) -> usize) -> Vec<RequestHead> {
        while let Some(rested) = self.resting.first_entry().filter(|first| first.key().0 <= now) {
            let head = rested.remove();
            self.put(head, None);
        }
        let mut taken = Vec::new();
        for (place, origin) in self.longest_waiting(most, room) {
            if let Some(of_origin) = self.ready.get_mut(&origin) {
                taken.extend(of_origin.remove(&place));
                if of_origin.is_empty() {
                    self.ready.remove(&origin);
                }
            }
        }
        taken
    }

    fn longest_waiting(&self, most: usize, room: impl Fn(&Origin) -> usize) -> Vec<(i64, Origin)> {
        let mut first = BinaryHeap::new();
        for (origin, heads) in &self.ready {
            for &place in heads.keys().take(room(origin)) {
                if first.len() >= most && first.peek().is_none_or(|&(last, _)| last < place) {
                    break;
                }
                first.push((place, origin));
                if first.len() > most {
                    first.pop();
                }
            }
        }
        first.into_sorted_vec().into_iter().map(|(place, origin)| (place, origin.clone())).collect()
    }
}

/// The lane that a request is the first of.
pub(super) fn lane_of_head(head: &RequestHead) -> Lane {
    Lane { handler: head.handler.clone(), key: head.key.clone(), origin: head.origin.clone() }
}

fn origin_of(head: &RequestHead) -> Origin {
    (head.handler.clone(), head.origin.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(id: i64, key: &str, origin: &str) -> RequestHead {
        RequestHead { id, handler: "h".into(), key: key.into(), origin: origin.into() }
    }

    fn ids(heads: &[RequestHead]) -> Vec<i64> {
        heads.iter().map(|head| head.id).collect()
    }

    #[test]
    fn looking_for_all_lanes_takes_a_fifth_of_the_time_at_most_and_happens_only_where_one_may_be_missing() {
        let now = Instant::now();
        let mut heads = Heads::new(now);
        assert_eq!(heads.due(), Some(now));
        for (took, apart) in [(0, 5), (1, 5), (100, 400)] {
            let ended = now + Duration::from_millis(took);
            heads.renew(now, ended);
            assert_eq!(heads.due(), None);
            heads.miss();
            assert_eq!(heads.due(), Some(ended + Duration::from_millis(apart)), "{took}");
        }
    }

    #[test]
    fn who_waits_longest_goes_first_whatever_the_origin_as_far_as_that_has_room() {
        let now = Instant::now();
        let mut heads = Heads::new(now);
        for (id, origin) in [(9, "a"), (4, "b"), (7, "a"), (1, "c"), (8, "b"), (2, "a")] {
            heads.put(head(id, &id.to_string(), origin), None);
        }
        let room = |origin: &Origin| if &*origin.1 == "c" { 0 } else { 2 };
        assert_eq!(ids(&heads.take(now, 3, room)), [2, 4, 7]);
        assert_eq!(ids(&heads.take(now, 3, room)), [8, 9], "each is taken once, and `c` has no room");
        assert_eq!(ids(&heads.take(now, 0, |_| 16)), [0_i64; 0]);
        assert_eq!(ids(&heads.take(now, 3, |_| 16)), [1]);
    }

    #[test]
    fn a_lane_that_rests_is_passed_over_until_then() {
        let now = Instant::now();
        let later = now + Duration::from_millis(500);
        let mut heads = Heads::new(now);
        heads.put(head(1, "rests", "a"), Some(later));
        heads.put(head(2, "other", "a"), None);
        assert_eq!(heads.rested_at(), Some(later));
        assert_eq!(ids(&heads.take(later - Duration::from_millis(1), 9, |_| 9)), [2]);
        assert_eq!(ids(&heads.take(later, 9, |_| 9)), [1]);
        assert_eq!(heads.rested_at(), None);
    }

    #[test]
    fn what_was_known_is_forgotten_when_all_are_looked_for() {
        let now = Instant::now();
        let mut heads = Heads::new(now);
        heads.put(head(1, "a", "a"), None);
        heads.put(head(2, "b", "a"), Some(now));
        heads.renew(now, now);
        assert!(heads.take(now, 9, |_| 9).is_empty());
    }
}
