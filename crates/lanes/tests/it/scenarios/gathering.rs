//! What waits for a larger commit, and for how long.

use lanes::{Outcome, Rules};

use super::desk::{Desk, event, rows, rules};

fn gathering() -> Rules {
    Rules { gather_ms: 5, ..rules() }
}

#[test]
fn what_has_ended_waits_for_what_began_with_it() {
    let mut desk = Desk::new(gathering());
    desk.deliver([event(1, "a"), event(2, "b"), event(3, "c")]);
    desk.finish(2, Outcome::Done);
    desk.finish(1, Outcome::Done);
    assert!(desk.commits.is_empty(), "the third one is about to end");
    desk.finish(3, Outcome::Done);
    assert_eq!(rows(&desk.commits[0]), [(2, "done"), (1, "done"), (3, "done")]);
}

#[test]
fn a_single_event_is_committed_at_once() {
    let mut desk = Desk::new(gathering());
    desk.deliver([event(1, "a")]);
    desk.finish(1, Outcome::Done);
    assert_eq!(rows(&desk.commits[0]), [(1, "done")]);
}

#[test]
fn nothing_waits_for_what_has_run_for_a_while() {
    let mut desk = Desk::new(gathering());
    desk.deliver([event(1, "a"), event(2, "b")]);
    desk.pass(2);
    desk.finish(1, Outcome::Done);
    assert_eq!(rows(&desk.commits[0]), [(1, "done")]);
}

#[test]
fn what_has_ended_asks_to_be_woken_when_what_it_waits_for_takes_too_long() {
    let mut desk = Desk::new(gathering());
    desk.deliver([event(1, "a"), event(2, "b")]);
    desk.finish(1, Outcome::Done);
    assert!(desk.commits.is_empty());
    assert_eq!(desk.handler.next_wake(), Some(desk.now + 2));
    desk.pass(2);
    assert_eq!(rows(&desk.commits[0]), [(1, "done")]);
}

#[test]
fn in_a_backlog_what_has_ended_waits_no_longer_than_it_may() {
    let mut desk = Desk::new(gathering());
    desk.deliver((1..=9).map(|seq| event(seq, &seq.to_string())));
    desk.finish(1, Outcome::Done);
    desk.pass(3);
    desk.finish(2, Outcome::Done);
    assert_eq!(desk.handler.next_wake(), Some(desk.now + 2));
    desk.pass(1);
    assert!(desk.commits.is_empty());
    desk.pass(1);
    assert_eq!(rows(&desk.commits[0]), [(1, "done"), (2, "done")]);
}

#[test]
fn a_large_commit_waits_for_no_more() {
    let mut desk = Desk::new(gathering());
    desk.deliver((1..=200).map(|seq| event(seq, &seq.to_string())));
    for seq in 1.. {
        desk.finish(seq, Outcome::Done);
        if !desk.commits.is_empty() {
            break;
        }
    }
    assert_eq!(desk.commits[0].rows.len(), 128);
}

#[test]
fn a_shard_that_is_given_back_waits_for_no_more() {
    let mut desk = Desk::new(gathering());
    desk.deliver([event(1, "a"), event(2, "b")]);
    desk.finish(1, Outcome::Done);
    desk.feed(lanes::Input::GiveBack { shard: 0 });
    assert_eq!(rows(&desk.commits[0]), [(1, "done")]);
}
