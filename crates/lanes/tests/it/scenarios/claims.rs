//! What a takeover knows.

use lanes::{AttemptState, Books, Claimed, Input, Outcome, Progress};

use super::desk::{Desk, event, fresh, lane, rows, rules, stored};

#[test]
fn a_claim_asks_for_what_is_above_the_floor() {
    let mut desk = Desk::unclaimed(rules());
    desk.feed(Input::Claimed(fresh(41)));
    assert_eq!(desk.consumers, [(1, 42)]);
    assert_eq!(desk.handler.position(0).unwrap().epoch, 3);
}

#[test]
fn incarnations_go_on_counting_over_claims() {
    let mut desk = Desk::unclaimed(rules());
    desk.feed(Input::Claimed(fresh(0)));
    desk.feed(Input::Lost { shard: 0 });
    desk.feed(Input::Claimed(fresh(0)));
    assert_eq!(desk.consumers, [(1, 1), (2, 1)]);
}

#[test]
fn what_is_settled_above_the_floor_is_skipped_and_not_counted_again() {
    let books = Books { done: 5, filtered: 1, ..Books::default() };
    let progress = Progress { floor: 2, ranges: vec![(4, 6), (8, 8)], books, anchor: None };
    let mut desk = Desk::unclaimed(rules());
    desk.feed(Input::Claimed(Claimed { progress, ..fresh(2) }));
    desk.deliver([event(3, "a"), event(5, "b"), event(9, "c")]);
    assert_eq!(desk.take_started(), [3, 9]);
    desk.finish(3, Outcome::Done);
    desk.commit_all();
    let progress = desk.handler.books(0).unwrap();
    assert_eq!((progress.floor, progress.books.done, progress.books.filtered), (8, 6, 2), "only 7 was a gap");
}

#[test]
fn attempts_go_on_where_they_were_and_no_sooner() {
    let attempts = AttemptState { made: 4, crashes: 1, retries: 3, first_at: 900_000, next_at: 1_002_000 };
    let mut desk = Desk::unclaimed(rules());
    desk.feed(Input::Claimed(Claimed { attempts: vec![(2, attempts)], ..fresh(0) }));
    desk.deliver([event(1, "a"), event(2, "a")]);
    desk.finish(1, Outcome::Done);
    assert!(desk.started.is_empty());
    desk.pass(2_000);
    assert_eq!((desk.started[0].attempt, desk.started[0].first_at), (5, 900_000));
}

#[test]
fn stored_lanes_come_before_what_is_delivered() {
    let mut desk = Desk::unclaimed(rules());
    let lanes = vec![lane("a", 1, 1_001_000, false), lane("h", 0, 0, true)];
    desk.feed(Input::Claimed(Claimed { lanes, ..fresh(5) }));
    desk.deliver([event(6, "a"), event(7, "h"), event(8, "b")]);
    assert_eq!(desk.take_started(), [8]);
    assert_eq!(rows(&desk.commits[0]), [(6, "parked"), (7, "parked")]);
    desk.commit_all();
    desk.pass(1_000);
    desk.load(vec![stored(1), stored(6)]);
    assert_eq!(desk.take_started(), [8, 1]);
}

#[test]
fn a_lane_that_is_due_too_early_goes_back_to_wait() {
    let mut desk = Desk::unclaimed(rules());
    desk.feed(Input::Claimed(Claimed { lanes: vec![lane("a", 1, 0, false)], ..fresh(1) }));
    let attempts = AttemptState { next_at: desk.now + 60_000, made: 1, ..AttemptState::default() };
    desk.load(vec![lanes::StoredEvent { attempts, ..stored(1) }]);
    assert_eq!(desk.handler.gauges().events, 0);
    assert_eq!(desk.handler.next_wake(), Some(desk.now + 60_000));
}

#[test]
fn a_claim_of_a_shard_that_is_ours_replaces_it() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a")]);
    desk.feed(Input::Claimed(Claimed { epoch: 9, ..fresh(0) }));
    desk.finish(1, Outcome::Done);
    assert!(desk.commits.is_empty(), "that was of the older claim");
    desk.deliver([event(1, "a")]);
    desk.finish(1, Outcome::Done);
    assert_eq!(desk.commits[0].epoch, 9);
}
