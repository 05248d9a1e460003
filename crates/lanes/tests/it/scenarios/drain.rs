//! Draining.

use lanes::{Claimed, CommitReply, Input, Outcome};

use super::desk::{Desk, RETRY, event, fresh, rows, rules, stored, wish};

#[test]
fn an_idle_shard_is_released_at_once() {
    let mut desk = Desk::new(rules());
    assert!(!desk.handler.is_drained());
    desk.feed(Input::Drain);
    assert_eq!(desk.released, [0]);
    assert!(desk.handler.is_drained());
}

#[test]
fn what_runs_ends_and_is_committed_before_the_release_and_nothing_starts() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a"), event(2, "a"), event(3, "b")]);
    desk.feed(Input::Drain);
    desk.deliver([event(4, "c")]);
    assert!(!desk.handler.wants(0));
    desk.finish(1, Outcome::Done);
    desk.finish(3, RETRY);
    assert!(desk.started.is_empty());
    desk.reply(CommitReply::Unavailable);
    desk.pass(100);
    assert!(desk.released.is_empty());
    let commits = desk.commit_all();
    assert_eq!(commits.iter().map(rows).collect::<Vec<_>>(), [vec![(1, "done")], vec![(3, "failed")]]);
    assert_eq!(desk.released, [0]);
    assert!(desk.handler.is_drained());
    assert_eq!(desk.handler.next_wake(), None);
}

#[test]
fn nothing_is_parked_for_a_drain() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a"), event(2, "a")]);
    desk.feed(Input::Drain);
    desk.finish(1, wish(60_000));
    assert_eq!(desk.commit_all().iter().map(rows).collect::<Vec<_>>(), [vec![(1, "failed")]]);
    assert_eq!(desk.released, [0]);
}

#[test]
fn a_shard_that_is_claimed_during_a_drain_is_given_back() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a")]);
    desk.feed(Input::Drain);
    desk.feed(Input::Claimed(Claimed { shard: 1, ..fresh(0) }));
    assert_eq!(desk.released, [1]);
}

#[test]
fn answers_that_come_after_a_drain_began_start_nothing() {
    let mut desk = Desk::unclaimed(rules());
    desk.feed(Input::Claimed(Claimed { lanes: vec![super::desk::lane("p", 1, 0, false)], ..fresh(1) }));
    desk.deliver([event(2, "a")]);
    desk.lookups = Some(Vec::new());
    desk.deliver([event(3, "b")]);
    desk.feed(Input::Drain);
    let (lookup, _) = desk.lookups.take().unwrap()[0];
    desk.feed(Input::LookedUp { shard: 0, lookup, known: Vec::new() });
    desk.load(vec![stored(1)]);
    assert_eq!(desk.take_started(), [2]);
    desk.finish(2, Outcome::Done);
    desk.commit_all();
    assert_eq!(desk.released, [0]);
}

#[test]
fn a_shard_that_is_given_back_ends_what_runs_and_the_others_go_on() {
    let mut desk = Desk::new(rules());
    desk.feed(Input::Claimed(Claimed { shard: 1, ..fresh(0) }));
    desk.deliver([event(1, "a"), event(2, "a")]);
    desk.feed(Input::GiveBack { shard: 0 });
    desk.deliver([event(3, "b")]);
    assert!(!desk.handler.wants(0) && desk.handler.wants(1));
    assert!(desk.released.is_empty(), "1 runs");
    desk.finish(1, Outcome::Done);
    assert!(desk.take_started().iter().all(|seq| *seq == 1), "nothing of it starts any more");
    let commits = desk.commit_all();
    assert_eq!(commits.iter().map(rows).collect::<Vec<_>>(), [vec![(1, "done")]]);
    assert_eq!(desk.released, [0]);
    assert_eq!(desk.handler.shards().collect::<Vec<_>>(), [1]);
    assert!(!desk.handler.is_drained());
    desk.feed(Input::Drain);
    assert_eq!(desk.released, [0, 1]);
}
