//! Who runs when.

use std::num::NonZeroU32;

use lanes::{Claimed, Input, Mark, Order, Outcome, Rules};

use super::desk::{Desk, RETRY, event, fresh, rules};

fn concurrency(number: u32) -> Rules {
    Rules { concurrency: NonZeroU32::new(number).unwrap(), ..rules() }
}

#[test]
fn events_of_one_key_run_one_after_another_and_keys_side_by_side() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a"), event(2, "a"), event(3, "b")]);
    assert_eq!(desk.take_started(), [1, 3]);
    desk.finish(1, Outcome::Done);
    assert_eq!(desk.take_started(), [3, 2], "without waiting for the commit");
}

#[test]
fn without_order_events_of_one_key_run_side_by_side_in_lanes_of_their_own() {
    let mut desk = Desk::new(Rules { order: Order::None, ..rules() });
    desk.deliver([event(1, "a"), event(2, "a"), event(3, "a")]);
    assert_eq!(desk.take_started(), [1, 2, 3]);
    assert_eq!(desk.started[1].key.as_ref(), "EV_2");
}

#[test]
fn no_more_run_than_the_rules_allow() {
    let mut desk = Desk::new(concurrency(2));
    desk.deliver([event(1, "a"), event(2, "b"), event(3, "c")]);
    assert_eq!(desk.take_started(), [1, 2]);
    desk.handler.set_rules(concurrency(1));
    desk.finish(1, Outcome::Done);
    assert_eq!(desk.take_started(), [2], "new rules hold from the next decision on");
    desk.finish(2, Outcome::Done);
    assert_eq!(desk.take_started(), [3]);
}

#[test]
fn lanes_take_turns_first_in_first_out() {
    let mut desk = Desk::new(concurrency(1));
    desk.deliver([event(1, "a"), event(2, "a"), event(3, "b"), event(4, "c"), event(5, "a")]);
    let mut order = Vec::new();
    while let Some(invocation) = desk.started.first() {
        order.push(invocation.seq);
        desk.finish(*order.last().unwrap(), Outcome::Done);
    }
    assert_eq!(order, [1, 3, 4, 2, 5]);
}

#[test]
fn shards_take_turns() {
    let mut desk = Desk::new(concurrency(1));
    desk.feed(Input::Claimed(Claimed { shard: 1, ..fresh(0) }));
    desk.deliver([event(1, "a"), event(2, "b"), event(3, "c")]);
    desk.deliver_to(1, [event(1, "x"), event(2, "y")]);
    let mut order = Vec::new();
    while let Some(invocation) = desk.started.first() {
        let shard = u16::from(invocation.key.as_ref() >= "x");
        order.push((shard, invocation.seq));
        let seq = invocation.seq;
        desk.finish_in(shard, seq, Outcome::Done);
    }
    assert_eq!(order, [(0, 1), (1, 1), (0, 2), (1, 2), (0, 3)]);
}

#[test]
fn the_mark_names_all_that_runs_in_the_shard() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a"), event(2, "b")]);
    desk.deliver([event(3, "c")]);
    assert_eq!(desk.marks, [Mark::Running(vec![1, 2]), Mark::Running(vec![1, 2, 3])]);
}

#[test]
fn a_lane_waits_for_the_retry_of_its_first_event() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a"), event(2, "a"), event(3, "b")]);
    desk.finish(3, Outcome::Done);
    desk.finish(1, RETRY);
    desk.commit_all();
    assert!(desk.started.is_empty());
    desk.pass(499);
    assert!(desk.started.is_empty());
    assert_eq!(desk.handler.next_wake(), Some(desk.now + 1));
    desk.pass(1);
    assert_eq!(desk.take_started(), [1]);
    assert_eq!((desk.started[0].attempt, desk.started[0].first_at), (2, 1_000_000));
}
