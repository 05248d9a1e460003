//! The breaker: when many keys fail, one event at a time finds out whether it is worth it again.

use std::num::NonZeroU32;

use lanes::{Breaker, BreakerState, Cause, Change, Claimed, Crash, Input, Outcome, Retry, Rules};

use super::desk::{Desk, RETRY, event, fresh, lane, rows, rules, stored, wish};

fn breaker(keys: u32) -> Rules {
    let keys = NonZeroU32::new(keys).unwrap();
    Rules { breaker: Some(Breaker { keys, initial_ms: 1_000, max_ms: 8_000 }), ..rules() }
}

/// Three keys of five failed.
fn open() -> Desk {
    let mut desk = Desk::new(breaker(3));
    desk.deliver([event(1, "a"), event(2, "b"), event(3, "c"), event(4, "d"), event(5, "e")]);
    for seq in [1, 2, 3] {
        desk.finish(seq, RETRY);
    }
    desk.commit_all();
    desk
}

#[test]
fn as_many_failing_keys_as_it_counts_open_it_and_nothing_starts() {
    let desk = open();
    assert_eq!(desk.handler.gate().breaker, BreakerState::Open);
    let started: Vec<_> = desk.started.iter().map(|invocation| invocation.seq).collect();
    assert_eq!(started, [4, 5], "they began before the third one failed");
    assert!(!desk.handler.wants(0), "pulling stops");
}

#[test]
fn one_key_that_fails_again_and_again_counts_once() {
    let mut desk = Desk::new(breaker(3));
    desk.deliver([event(1, "a"), event(2, "b"), event(3, "c")]);
    for _ in 0..5 {
        desk.finish(1, RETRY);
        desk.commit_all();
        desk.pass(30_000);
        desk.deliver([]);
        while !desk.loads.is_empty() {
            desk.load(vec![stored(1)]);
        }
    }
    assert_eq!(desk.handler.gate().breaker, BreakerState::Closed);
    assert_eq!(desk.handler.gate().failing_keys, 1);
}

#[test]
fn a_success_begins_the_count_anew_and_a_permanent_failure_says_nothing() {
    let mut desk = Desk::new(Rules { concurrency: NonZeroU32::new(9).unwrap(), ..breaker(3) });
    desk.deliver((1..=9).map(|seq| event(seq, &format!("k{seq}"))));
    for (seq, outcome, failing) in [
        (1, RETRY, 1),
        (2, Outcome::Crash(Crash::Trap), 2),
        (3, Outcome::Permanent, 2),
        (4, Outcome::HostFailed, 2),
        (5, Outcome::Done, 0),
        (6, RETRY, 1),
        (7, RETRY, 2),
    ] {
        desk.finish(seq, outcome);
        assert_eq!(desk.handler.gate().failing_keys, failing, "after {seq}");
        assert_eq!(desk.handler.gate().breaker, BreakerState::Closed);
    }
}

#[test]
fn probes_go_one_at_a_time_after_longer_and_longer_waits() {
    let mut desk = Desk::new(Rules { concurrency: NonZeroU32::new(1).unwrap(), ..breaker(3) });
    desk.deliver((1..=9).map(|seq| event(seq, &format!("k{seq}"))));
    for seq in [1, 2, 3] {
        desk.finish(seq, wish(300_000));
    }
    desk.commit_all();
    let mut waits = Vec::new();
    for seq in 4..=8 {
        assert!(desk.started.is_empty());
        let wake = desk.handler.next_wake().unwrap();
        // Looks in between, to tell how long it is open, start nothing.
        let began = desk.now;
        let mut wake_at = wake;
        while desk.started.is_empty() {
            desk.pass(wake_at - desk.now);
            wake_at = desk.handler.next_wake().unwrap();
        }
        waits.push(desk.now - began);
        assert_eq!(desk.take_started(), [seq], "one of an untouched key");
        assert_eq!(desk.handler.gate().breaker, BreakerState::Probing);
        desk.finish(seq, wish(300_000));
        desk.commit_all();
    }
    assert_eq!(waits, [1_000, 2_000, 4_000, 8_000, 8_000]);
}

#[test]
fn a_probe_that_succeeds_lets_everything_go_on() {
    let mut desk = open();
    desk.finish(4, RETRY);
    desk.finish(5, RETRY);
    desk.commit_all();
    desk.pass(1_000);
    assert_eq!(desk.take_started(), [1], "due first");
    desk.finish(1, Outcome::Done);
    assert_eq!(desk.handler.gate().breaker, BreakerState::Closed);
    assert_eq!(desk.take_started(), [2, 3, 4, 5]);
    assert!(desk.handler.wants(0));
}

#[test]
fn a_probe_that_is_dead_or_not_run_by_the_host_leaves_it_open() {
    let mut desk = open();
    desk.finish(4, RETRY);
    desk.finish(5, RETRY);
    desk.pass(1_000);
    desk.finish(1, Outcome::HostFailed);
    assert_eq!(desk.handler.gate().breaker, BreakerState::Open);
    assert!(desk.started.is_empty(), "the same wait again");
    desk.pass(1_000);
    desk.finish(2, Outcome::Permanent);
    assert_eq!(desk.take_started(), [3], "the next one at once");
}

#[test]
fn where_fewer_keys_are_active_all_of_them_must_fail() {
    let mut desk = Desk::new(breaker(5));
    desk.deliver([event(1, "a"), event(2, "b")]);
    desk.finish(1, RETRY);
    desk.commit_all();
    assert_eq!(desk.handler.gate().breaker, BreakerState::Closed, "b may yet succeed");
    desk.finish(2, RETRY);
    desk.commit_all();
    assert_eq!(desk.handler.gate().breaker, BreakerState::Open);
    desk.pass(999);
    assert!(desk.started.is_empty());
}

#[test]
fn a_new_key_is_tried_where_only_all_the_few_others_failed() {
    let mut desk = Desk::new(breaker(5));
    desk.deliver([event(1, "a")]);
    desk.finish(1, RETRY);
    desk.commit_all();
    assert_eq!(desk.handler.gate().breaker, BreakerState::Open);
    assert!(desk.handler.wants(0), "one room in trouble does not stop the others");
    desk.deliver([event(2, "b")]);
    assert_eq!(desk.take_started(), [2], "at once");
    desk.finish(2, Outcome::Done);
    assert_eq!(desk.handler.gate().breaker, BreakerState::Closed);
}

#[test]
fn what_died_does_not_keep_it_open_where_few_keys_failed() {
    let crash_attempts = NonZeroU32::new(1).unwrap();
    let mut desk = Desk::new(Rules { retry: Retry { crash_attempts, ..rules().retry }, ..breaker(5) });
    desk.deliver([event(1, "a")]);
    desk.finish(1, Outcome::Crash(Crash::Trap));
    desk.commit_all();
    assert_eq!(desk.handler.gate().breaker, BreakerState::Closed);
}

#[test]
fn with_nothing_left_to_probe_with_pulling_goes_on() {
    let crash_attempts = NonZeroU32::new(1).unwrap();
    let mut desk = Desk::new(Rules { retry: Retry { crash_attempts, ..rules().retry }, ..breaker(2) });
    desk.deliver([event(1, "a"), event(2, "b")]);
    desk.finish(1, Outcome::Crash(Crash::Trap));
    desk.finish(2, Outcome::Crash(Crash::Trap));
    desk.commit_all();
    assert_eq!(desk.handler.gate().failing_keys, 2);
    assert!(desk.handler.wants(0));
    desk.deliver([event(3, "c"), event(4, "d")]);
    assert_eq!(desk.handler.gate().breaker, BreakerState::Open);
    assert!(!desk.handler.wants(0));
    desk.pass(1_000);
    assert_eq!(desk.take_started(), [3]);
}

#[test]
fn a_crash_of_a_probe_counts_as_it_does_elsewhere() {
    let mut desk = Desk::new(breaker(1));
    desk.deliver([event(1, "a")]);
    for _ in 0..2 {
        desk.finish(1, Outcome::Crash(Crash::Trap));
        desk.commit_all();
        desk.pass(8_000);
        if !desk.loads.is_empty() {
            desk.load(vec![stored(1)]);
        }
    }
    desk.finish(1, Outcome::Crash(Crash::Trap));
    let commit = desk.commits.remove(0);
    let Change::Dead { cause, .. } = commit.rows[0].change else { panic!("not dead: {:?}", rows(&commit)) };
    assert_eq!(cause, Cause::Crashed(Crash::Trap));
}

#[test]
fn a_lost_shard_takes_its_failing_keys_and_its_probe_along() {
    let mut desk = open();
    desk.finish(4, RETRY);
    desk.finish(5, RETRY);
    desk.pass(1_000);
    assert_eq!(desk.handler.gate().breaker, BreakerState::Probing);
    desk.feed(Input::Lost { shard: 0 });
    assert_eq!((desk.handler.gate().breaker, desk.handler.gate().failing_keys), (BreakerState::Closed, 0));
    desk.started.clear();
    desk.feed(Input::Claimed(Claimed { lanes: vec![lane("a", 1, 0, false)], ..fresh(5) }));
    desk.load(vec![stored(1)]);
    assert_eq!(desk.take_started(), [1]);
}

#[test]
fn a_shard_that_is_given_back_takes_its_failing_keys_along_at_once() {
    let mut desk = Desk::new(breaker(1));
    desk.feed(Input::Claimed(Claimed { shard: 1, ..fresh(0) }));
    desk.deliver([event(1, "a")]);
    desk.finish(1, RETRY);
    desk.commit_all();
    desk.deliver_to(1, [event(2, "b")]);
    assert_eq!(desk.handler.gate().breaker, BreakerState::Open);
    desk.feed(Input::GiveBack { shard: 0 });
    assert_eq!((desk.released.as_slice(), desk.handler.gate().breaker), ([0].as_slice(), BreakerState::Closed));
    assert_eq!(desk.take_started(), [2]);
}

#[test]
fn time_with_it_open_does_not_count_against_the_time_for_retries() {
    let retry = Retry { for_ms: 20_000, initial_ms: 1_000, max_ms: 1_000, ..rules().retry };
    let mut desk = Desk::new(Rules { retry, ..breaker(1) });
    desk.deliver([event(1, "a")]);
    for _ in 0..50 {
        desk.finish(1, RETRY);
        assert!(desk.commit_all().iter().flat_map(rows).all(|(_, change)| change == "failed"));
        assert!(!desk.started.iter().any(|invocation| invocation.is_final));
        desk.pass(8_000);
    }
    // Without it the same failures end.
    desk.handler.set_rules(Rules { retry: Retry { for_ms: 20_000, ..rules().retry }, ..rules() });
    desk.feed(Input::Tick);
    let mut last = Vec::new();
    for _ in 0..50 {
        if desk.started.is_empty() {
            break;
        }
        desk.finish(1, wish(1_000));
        last = desk.commit_all().iter().flat_map(rows).collect();
        desk.pass(1_000);
    }
    assert_eq!(last, [(1, "dead")]);
}

#[test]
fn the_time_is_told_so_that_it_outlives_the_process() {
    let mut desk = open();
    let since = desk.now;
    desk.pass(999);
    assert!(desk.stopped.is_empty());
    desk.pass(1);
    assert_eq!(desk.stopped, [(since, since + 1_000)]);
    desk.finish(4, RETRY);
    desk.pass(29_999);
    desk.pass(1);
    assert_eq!(desk.stopped.last(), Some(&(since, since + 31_000)));
    desk.pass(5_000);
    desk.finish(5, Outcome::Done);
    assert_eq!(desk.stopped.last(), Some(&(since, since + 36_000)));
}

#[test]
fn a_breaker_that_is_open_for_a_moment_is_not_told_of() {
    let mut desk = open();
    desk.pass(900);
    desk.finish(4, Outcome::Done);
    assert_eq!(desk.handler.gate().breaker, BreakerState::Closed);
    assert!(desk.stopped.is_empty());
}
