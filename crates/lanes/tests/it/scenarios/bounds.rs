//! What may wait in memory.

use std::num::NonZeroU32;

use lanes::{Bounds, Claimed, Input, Outcome, Rules};

use super::desk::{Desk, event, fresh, lane, rows, rules, stored, wish};

fn bounded(events: u32, bytes: u64) -> Rules {
    Rules { bounds: Bounds { events, bytes, ..Bounds::default() }, ..rules() }
}

#[test]
fn nothing_more_is_taken_at_the_bound_of_events() {
    let mut desk = Desk::new(bounded(3, 1_000));
    desk.deliver([event(1, "a"), event(2, "a")]);
    assert!(desk.handler.wants(0));
    desk.deliver([event(3, "a")]);
    assert!(!desk.handler.wants(0));
    desk.finish(1, Outcome::Done);
    assert!(!desk.handler.wants(0), "it stays in memory until it is committed");
    desk.commit_all();
    assert!(desk.handler.wants(0));
    assert!(!desk.handler.wants(1), "a shard that is not ours");
}

#[test]
fn nothing_more_is_taken_at_the_bound_of_bytes() {
    let mut desk = Desk::new(bounded(100, 20));
    desk.deliver([event(1, "a"), event(2, "a")]);
    assert!(!desk.handler.wants(0));
}

#[test]
fn at_the_bound_with_nothing_to_run_waiting_lanes_are_parked() {
    let mut desk = Desk::new(bounded(2, 1_000));
    desk.deliver([event(1, "a"), event(2, "a")]);
    desk.finish(1, wish(1_000));
    let commits = desk.commit_all();
    let all: Vec<_> = commits.iter().flat_map(rows).collect();
    assert_eq!(all.last().unwrap(), &(2, "parked"));
    assert!(desk.handler.wants(0));
}

#[test]
fn below_the_bound_waiting_lanes_stay_in_memory() {
    let mut desk = Desk::new(bounded(3, 1_000));
    desk.deliver([event(1, "a"), event(2, "a")]);
    desk.finish(1, wish(1_000));
    assert_eq!(desk.commit_all().iter().flat_map(rows).collect::<Vec<_>>(), [(1, "failed")]);
}

#[test]
fn many_due_lanes_are_read_a_few_at_a_time() {
    let concurrency = NonZeroU32::new(2).unwrap();
    let mut desk = Desk::unclaimed(Rules { concurrency, ..bounded(64, 10_000) });
    let lanes = (0..100).map(|at| lane(&format!("k{at:02}"), 50, 0, false)).collect();
    desk.feed(Input::Claimed(Claimed { lanes, ..fresh(5_000) }));
    assert_eq!(desk.loads.len(), 2, "as many as there are slots");
    assert_eq!(desk.loads[0].3, 32);
    desk.load((1..=32).map(stored).collect());
    assert_eq!(desk.loads.len(), 1);
    desk.finish(1, Outcome::Done);
    assert_eq!(desk.loads.len(), 2);
    assert_eq!(desk.loads[1].3, 1, "half of the bound is read back: a lane at its turn gets one more event");
}

#[test]
fn gauges_say_what_is_in_hand() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a"), event(2, "a"), event(3, "b"), event(4, "c"), event(5, "d"), event(6, "e")]);
    desk.finish(3, wish(60_000));
    desk.finish(4, wish(1_000));
    desk.commit_all();
    let gauges = desk.handler.gauges();
    assert_eq!((gauges.events, gauges.bytes, gauges.running), (5, 50, 3));
    assert_eq!((gauges.waiting_lanes, gauges.parked_lanes, gauges.parked_events), (1, 1, 1));
    let position = desk.handler.position(0).unwrap();
    assert_eq!((position.floor, position.delivered, position.lag), (0, 6, 5));
}
