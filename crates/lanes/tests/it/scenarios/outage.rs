//! An upstream that is down for half an hour: the breaker keeps events and their order; nobody else notices.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use lanes::{Bounds, Breaker, Millis, Outcome, Retry, Rules, Seq, StoredEvent};

use super::desk::{Desk, RETRY, change, event, rows, rules, stored};

const ROOMS: u64 = 40;
const MINUTE: Millis = 60_000;

/// A handler with its store, its consumer and its upstream.
struct Place {
    desk: Desk,
    published: Seq,
    delivered: Seq,
    parked: BTreeMap<(String, Seq), StoredEvent<Seq>>,
    /// By room: what was handled, in order.
    handled: BTreeMap<String, Vec<Seq>>,
    attempts: u64,
    dead: u64,
}

fn room(seq: Seq) -> String {
    format!("r{}", seq % ROOMS)
}

impl Place {
    fn new(rules: Rules) -> Self {
        let desk = Desk::new(rules);
        let (parked, handled) = (BTreeMap::new(), BTreeMap::new());
        Self { desk, published: 0, delivered: 0, parked, handled, attempts: 0, dead: 0 }
    }

    /// Carries out all that can be done now.
    fn work(&mut self, upstream: bool) {
        loop {
            if self.desk.handler.wants(0) && self.delivered < self.published {
                let until = self.published.min(self.delivered + 50);
                let chunk: Vec<_> = (self.delivered + 1..=until).map(|seq| event(seq, &room(seq))).collect();
                self.delivered = until;
                self.desk.deliver(chunk);
            } else if let Some(seq) = self.desk.take_started().first().copied() {
                self.attempts += 1;
                if upstream {
                    self.handled.entry(room(seq)).or_default().push(seq);
                }
                self.desk.finish(seq, if upstream { Outcome::Done } else { RETRY });
            } else if !self.desk.commits.is_empty() {
                self.commit();
            } else if !self.desk.loads.is_empty() {
                let (_, key, from, limit) = self.desk.loads[0].clone();
                let of_key = self
                    .parked
                    .iter()
                    .filter(|((lane, seq), _)| *lane == key && seq.cast_signed() >= from.cast_signed());
                let events = of_key.map(|(_, event)| event.clone()).take(limit as usize).collect();
                self.desk.load(events);
            } else {
                return;
            }
        }
    }

    fn commit(&mut self) {
        let commit = self.desk.reply(lanes::CommitReply::Done);
        for row in &commit.rows {
            let key = (row.key.to_string(), row.seq);
            match &row.change {
                lanes::Change::Parked { attempts, .. } => {
                    self.parked.insert(key, StoredEvent { attempts: *attempts, ..stored(row.seq) });
                }
                lanes::Change::Failed { attempts, .. } => {
                    self.parked.entry(key).and_modify(|event| event.attempts = *attempts);
                }
                _ => {
                    self.parked.remove(&key);
                }
            }
            self.dead += u64::from(change(row) == "dead");
        }
    }

    /// Time passes, with one new event in each step of it.
    fn pass(&mut self, time: Millis, each: Millis, upstream: bool) {
        let until = self.desk.now + time;
        let mut next_event = self.desk.now;
        while self.desk.now < until {
            if next_event <= self.desk.now {
                self.published += 1;
                next_event += each;
            }
            self.work(upstream);
            let wake = self.desk.handler.next_wake().unwrap_or(until).max(self.desk.now + 1);
            self.desk.pass(wake.min(next_event).min(until) - self.desk.now);
        }
        self.work(upstream);
    }
}

fn half_an_hour() -> Rules {
    Rules {
        // Much shorter than the outage: without the breaker everything would be dead after five minutes.
        retry: Retry { for_ms: 5 * MINUTE, ..rules().retry },
        breaker: Some(Breaker { keys: NonZeroU32::new(5).unwrap(), initial_ms: 1_000, max_ms: 30_000 }),
        bounds: Bounds { events: 200, ..Bounds::default() },
        ..rules()
    }
}

#[test]
fn an_upstream_that_is_down_for_half_an_hour_costs_no_dead_letter_and_no_order() {
    let mut place = Place::new(half_an_hour());
    let mut neighbour = Place::new(half_an_hour());
    for (time, upstream) in [(MINUTE, true), (30 * MINUTE, false), (10 * MINUTE, true)] {
        let before = place.attempts;
        place.pass(time, 100, upstream);
        neighbour.pass(time, 100, true);
        if !upstream {
            let spent = place.attempts - before;
            assert!(spent < 150, "{spent} attempts were spent in half an hour");
            let in_hand = place.desk.handler.gauges();
            assert!(in_hand.events < 260, "{in_hand:?}");
        }
    }
    for place in [&place, &neighbour] {
        assert_eq!(place.dead, 0);
        assert_eq!(place.desk.floor(), place.published, "everything is settled");
        assert!(place.parked.is_empty());
        let handled: usize = place.handled.values().map(Vec::len).sum();
        assert_eq!(handled as u64, place.published, "each one once");
        for (room, order) in &place.handled {
            assert!(order.windows(2).all(|pair| pair[0] < pair[1]), "{room} is out of order: {order:?}");
        }
    }
    assert_eq!(neighbour.attempts, neighbour.published, "nothing of the neighbour's was tried twice");
}

#[test]
fn without_the_breaker_the_same_outage_costs_dead_letters() {
    let mut place = Place::new(Rules { breaker: None, ..half_an_hour() });
    place.pass(MINUTE, 100, true);
    place.pass(30 * MINUTE, 100, false);
    assert!(place.dead > 200, "{} are dead: the scenario shows nothing", place.dead);
}

#[test]
fn an_outage_with_one_room_only_costs_no_dead_letter_either() {
    let mut desk = Desk::new(half_an_hour());
    desk.deliver([event(1, "a")]);
    let down_until = desk.now + 30 * MINUTE;
    while desk.now < down_until {
        if !desk.started.is_empty() {
            desk.finish(1, RETRY);
        }
        assert!(desk.commit_all().iter().flat_map(rows).all(|(_, change)| change != "dead"));
        if !desk.loads.is_empty() {
            let attempts = lanes::AttemptState { made: 5, retries: 5, first_at: 1_000_000, ..Default::default() };
            desk.load(vec![StoredEvent { attempts, ..stored(1) }]);
            continue;
        }
        let wake = desk.handler.next_wake().unwrap();
        desk.pass(wake.max(desk.now + 1) - desk.now);
    }
}
