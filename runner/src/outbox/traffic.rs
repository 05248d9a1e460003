//! Which request may be sent now: one of a lane at a time, few to one origin, none to an origin that is down but a probe.
//!
//! A lane is handler, key and origin. What the other side refuses holds its lane back; what it cannot serve holds back the
//! lane and, for half as long, all that the handler sends to that origin, so that the next probe is another lane's and
//! one request that always fails keeps nobody else waiting for long.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

/// Requests under way at a time.
const FLYING: usize = 64;

/// Of these, of one handler to one origin.
const TO_ONE: usize = 16;

/// The waits of a lane whose request was not served.
const LANE_FIRST: Duration = Duration::from_millis(500);
const LANE_LAST: Duration = Duration::from_mins(1);

/// The waits of an origin that does not serve.
const ORIGIN_FIRST: Duration = Duration::from_millis(250);
const ORIGIN_LAST: Duration = Duration::from_secs(10);

/// The waits of a lane whose request was refused: only a change on the other side helps.
const REFUSED_FIRST: Duration = Duration::from_secs(1);
const REFUSED_LAST: Duration = Duration::from_mins(1);

/// How often it is looked whether an operator has decided about a request that waits for one.
const HELD: Duration = Duration::from_secs(10);

/// The most that `Retry-After` is believed.
const ASKED_LAST: Duration = Duration::from_mins(5);

/// Handler, key and origin.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Lane {
    pub(super) handler: Arc<str>,
    pub(super) key: Arc<str>,
    pub(super) origin: Arc<str>,
}

/// Handler and origin.
pub(super) type Origin = (Arc<str>, Arc<str>);

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The other side has it.
    Taken,
    /// The other side answers, and does not want this one.
    Refused,
    /// The other side did not serve it, and said perhaps when to come again.
    Unavailable { retry_after: Option<Duration> },
    /// It waits for an operator, or is not this runner's.
    Held,
}

#[derive(Clone, Copy, Debug)]
struct Wait {
    until: Instant,
    wait: Duration,
}

#[derive(Debug, Default)]
struct ToOrigin {
    flying: usize,
    wait: Option<Wait>,
}

/// What is under way, and what waits.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    flying: HashSet<Lane>,
    lanes: HashMap<Lane, Wait>,
    origins: HashMap<Origin, ToOrigin>,
}

impl Traffic {
    /// How many more may be sent now.
    pub(super) fn free(&self) -> usize {
        FLYING.saturating_sub(self.flying.len())
    }

    /// How many more of them to this origin.
    pub(super) fn room(&self, origin: &Origin, now: Instant) -> usize {
        match self.origins.get(origin) {
            None => TO_ONE,
            Some(ToOrigin { flying, wait: None }) => TO_ONE.saturating_sub(*flying),
            Some(ToOrigin { flying, wait: Some(wait) }) => usize::from(wait.until <= now && *flying == 0),
        }
    }

    /// Until when the lane is held back, if it is.
    pub(super) fn rests_until(&self, lane: &Lane, now: Instant) -> Option<Instant> {
        self.lanes.get(lane).map(|wait| wait.until).filter(|until| *until > now)
    }

    /// Whether a request of the lane is under way.
    pub(super) fn is_under_way(&self, lane: &Lane) -> bool {
        self.flying.contains(lane)
    }

    /// Takes the lane's request up, if it may be sent now.
    pub(super) fn begin(&mut self, lane: &Lane, now: Instant) -> bool {
        let origin = origin_of(lane);
        let may = self.free() > 0
            && self.rests_until(lane, now).is_none()
            && !self.is_under_way(lane)
            && self.room(&origin, now) > 0;
        if may {
            self.origins.entry(origin).or_default().flying += 1;
            self.flying.insert(lane.clone());
        }
        may
    }

    /// The lane's request ended. Of a lane without one nothing is to be said.
    pub(super) fn end(&mut self, lane: &Lane, end: End, now: Instant) {
        if !self.flying.remove(lane) {
            return;
        }
        let origin = self.origins.entry(origin_of(lane)).or_default();
        origin.flying = origin.flying.saturating_sub(1);
        match end {
            End::Taken => {
                origin.wait = None;
                self.lanes.remove(lane);
            }
            End::Refused => {
                origin.wait = None;
                let wait = longer(self.lanes.get(lane), REFUSED_FIRST, REFUSED_LAST);
                self.lanes.insert(lane.clone(), Wait { until: now + wait, wait });
            }
            End::Unavailable { retry_after } => {
                let asked = retry_after.unwrap_or_default().min(ASKED_LAST);
                let of_lane = longer(self.lanes.get(lane), LANE_FIRST, LANE_LAST);
                self.lanes.insert(lane.clone(), Wait { until: now + of_lane.max(asked), wait: of_lane });
                // Of several that failed together one counts.
                if origin.wait.is_none_or(|wait| wait.until <= now) {
                    let wait = longer(origin.wait.as_ref(), ORIGIN_FIRST, ORIGIN_LAST);
                    origin.wait = Some(Wait { until: now + wait.max(asked), wait });
                }
            }
            End::Held => {
                self.lanes.insert(lane.clone(), Wait { until: now + HELD, wait: HELD });
            }
        }
        if origin.flying == 0 && origin.wait.is_none() {
            self.origins.remove(&origin_of(lane));
        }
    }

    /// When an origin that waits may be probed.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        self.origins.values().filter_map(|origin| origin.wait).map(|wait| wait.until).filter(|until| *until > now).min()
    }

    /// Forgets the lanes that have nothing to send any more, once `waiting` are all that have. An origin is forgotten with
    /// the last of its lanes.
    pub(super) fn retain(&mut self, waiting: impl Iterator<Item = Lane>) {
        let (mut lanes, mut origins) = (HashSet::new(), HashSet::new());
        for lane in waiting {
            let origin = origin_of(&lane);
            if self.origins.contains_key(&origin) {
                origins.insert(origin);
            }
            if self.lanes.contains_key(&lane) {
                lanes.insert(lane);
            }
        }
        self.lanes.retain(|lane, _| lanes.contains(lane));
        self.origins.retain(|origin, state| state.flying > 0 || origins.contains(origin));
    }
}

fn origin_of(lane: &Lane) -> Origin {
    (lane.handler.clone(), lane.origin.clone())
}

fn longer(before: Option<&Wait>, first: Duration, last: Duration) -> Duration {
    before.map_or(first, |before| (before.wait * 2).clamp(first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(key: &str, origin: &str) -> Lane {
        Lane { handler: "h".into(), key: key.into(), origin: origin.into() }
    }

    const DOWN: End = End::Unavailable { retry_after: None };

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_lane_has_one_request_under_way_and_an_origin_no_more_than_its_share() {
        let (mut traffic, now) = (Traffic::default(), Instant::now());
        assert!(traffic.begin(&lane("0", "a"), now));
        assert!(!traffic.begin(&lane("0", "a"), now), "one of a lane at a time");
        let to_a = (1..100).filter(|key| traffic.begin(&lane(&key.to_string(), "a"), now)).count();
        assert_eq!(to_a, TO_ONE - 1);
        assert!(traffic.begin(&lane("0", "b"), now), "another origin is not kept waiting");
        let rest = (0..1_000).filter(|n| traffic.begin(&lane("0", &format!("c{n}")), now)).count();
        assert_eq!(rest, FLYING - TO_ONE - 1);
        assert_eq!(traffic.free(), 0);
        traffic.end(&lane("0", "a"), End::Taken, now);
        assert!(traffic.begin(&lane("0", "a"), now));
    }

    #[test]
    fn a_request_ends_once() {
        let (mut traffic, now) = (Traffic::default(), Instant::now());
        let lanes: Vec<Lane> = (0..TO_ONE).map(|key| lane(&key.to_string(), "a")).collect();
        assert!(lanes.iter().all(|lane| traffic.begin(lane, now)));
        for end in [End::Held, DOWN, DOWN] {
            traffic.end(&lanes[0], end, now);
        }
        let others = (100..200).filter(|key| traffic.begin(&lane(&key.to_string(), "a"), now)).count();
        assert_eq!(others, 1, "one has room, and the origin serves");
    }

    #[test]
    fn what_is_refused_holds_its_lane_back_and_nobody_else() {
        let (mut traffic, now) = (Traffic::default(), Instant::now());
        assert!(traffic.begin(&lane("bad", "a"), now));
        traffic.end(&lane("bad", "a"), End::Refused, now);
        assert!(!traffic.begin(&lane("bad", "a"), now + ms(999)));
        assert!(traffic.begin(&lane("good", "a"), now));
        assert!(traffic.begin(&lane("bad", "a"), now + ms(1_000)));
        traffic.end(&lane("bad", "a"), End::Refused, now + ms(1_000));
        assert_eq!(traffic.rests_until(&lane("bad", "a"), now), Some(now + ms(3_000)), "the waits grow");
        assert_eq!(traffic.next(now), None, "its origin serves");
    }

    #[test]
    fn an_origin_that_is_down_gets_one_probe_at_a_time_until_it_serves() {
        let (mut traffic, now) = (Traffic::default(), Instant::now());
        let keys: Vec<Lane> = (0..5).map(|key| lane(&key.to_string(), "a")).collect();
        for key in &keys[..3] {
            assert!(traffic.begin(key, now));
        }
        for key in &keys[..3] {
            traffic.end(key, DOWN, now);
        }
        assert!(!traffic.begin(&keys[3], now + ms(249)), "three that failed together count once");
        let later = now + ms(250);
        assert_eq!((traffic.next(now), traffic.next(later)), (Some(later), None), "it is told once");
        assert!(traffic.begin(&keys[3], later) && !traffic.begin(&keys[4], later), "one probe");
        traffic.end(&keys[3], DOWN, later);
        assert!(!traffic.begin(&keys[4], later + ms(499)) && traffic.begin(&keys[4], later + ms(500)));
        traffic.end(&keys[4], End::Taken, later + ms(500));
        assert!(keys[..3].iter().all(|key| traffic.begin(key, later + ms(500))), "it serves: all go on");
    }

    #[test]
    fn a_request_that_always_fails_is_not_the_next_probe() {
        let (mut traffic, now) = (Traffic::default(), Instant::now());
        let (poison, other) = (lane("poison", "a"), lane("other", "a"));
        assert!(traffic.begin(&poison, now));
        traffic.end(&poison, DOWN, now);
        let probe = now + ms(250);
        assert!(!traffic.begin(&poison, probe) && traffic.begin(&other, probe));
    }

    #[test]
    fn when_to_come_again_is_heeded_within_reason() {
        let (mut traffic, now) = (Traffic::default(), Instant::now());
        for (asked, waited) in [(7, 7), (86_400, 300)] {
            let lane = lane(&asked.to_string(), &asked.to_string());
            assert!(traffic.begin(&lane, now));
            traffic.end(&lane, End::Unavailable { retry_after: Some(Duration::from_secs(asked)) }, now);
            let again = now + Duration::from_secs(waited);
            assert!(!traffic.begin(&lane, again - ms(1)) && traffic.begin(&lane, again), "{asked}");
        }
    }

    #[test]
    fn what_is_held_is_looked_at_again_and_what_has_nothing_to_send_is_forgotten() {
        let (mut traffic, now) = (Traffic::default(), Instant::now());
        let (held, gone) = (lane("held", "a"), lane("gone", "b"));
        for lane in [&held, &gone] {
            assert!(traffic.begin(lane, now));
            traffic.end(lane, End::Held, now);
        }
        traffic.retain([held.clone()].into_iter());
        assert!(traffic.begin(&gone, now) && !traffic.begin(&held, now));
        assert!(traffic.begin(&held, now + HELD));
    }
}
