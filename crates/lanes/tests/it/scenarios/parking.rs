//! Lanes that go to the store and come back.

use lanes::{AttemptState, BYGONE, Bounds, Change, Claimed, Input, Origin, Outcome, Rules, StoredEvent};

use super::desk::{Desk, RETRY, event, fresh, gone, lane, rows, rules, stored, waiting, wish};

#[test]
fn a_lane_that_must_wait_long_is_parked_as_a_whole_and_the_floor_moves() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a"), event(2, "a"), event(3, "a"), event(4, "b")]);
    desk.finish(1, wish(60_000));
    let commit = desk.commits[0].clone();
    assert_eq!(rows(&commit), [(1, "parked"), (2, "parked"), (3, "parked")]);
    assert_eq!(commit.lanes, [waiting("a", 1_060_000)]);
    let Change::Parked { attempts, report, .. } = commit.rows[0].change.clone() else { panic!("not parked") };
    assert_eq!((attempts.made, attempts.next_at, report), (1, 1_060_000, Some("report")), "the failed attempt with it");
    desk.finish(4, Outcome::Done);
    desk.commit_all();
    assert_eq!(desk.floor(), 4);
    assert_eq!(desk.handler.books(0).unwrap().books.parked, 3);
    assert_eq!(desk.handler.gauges().events, 0, "nothing of it stays in memory");
}

#[test]
fn a_lane_that_waits_shortly_stays_in_memory() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a"), event(2, "a")]);
    desk.finish(1, wish(5_000));
    assert_eq!(rows(&desk.commits[0]), [(1, "failed")]);
}

#[test]
fn what_is_delivered_to_a_parked_lane_follows_it() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a")]);
    desk.finish(1, wish(60_000));
    desk.deliver([event(2, "a")]);
    let commits = desk.commit_all();
    assert_eq!(commits.iter().map(rows).collect::<Vec<_>>(), [vec![(1, "parked")], vec![(2, "parked")]]);
    assert_eq!(desk.floor(), 2);
    assert!(commits[1].lanes.is_empty(), "the store knows the lane and when it is due");
}

#[test]
fn a_due_lane_is_read_back_and_leaves_the_store_with_its_last_event() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a"), event(2, "a")]);
    desk.finish(1, wish(60_000));
    desk.commit_all();
    desk.pass(59_999);
    assert!(desk.loads.is_empty());
    desk.pass(1);
    assert_eq!(desk.loads[0], (desk.loads[0].0, "a".to_owned(), BYGONE, 32));
    let attempts = AttemptState { made: 1, retries: 1, first_at: 1_000_000, next_at: 1_060_000, crashes: 0 };
    desk.load(vec![StoredEvent { attempts, ..stored(1) }, stored(2)]);
    assert_eq!((desk.started[0].seq, desk.started[0].attempt, desk.started[0].first_at), (1, 2, 1_000_000));
    desk.finish(1, Outcome::Done);
    desk.finish(2, Outcome::Done);
    let commits = desk.commit_all();
    assert_eq!(commits[0].rows[0].origin, Origin::Parked);
    assert_eq!(commits[0].lanes, [waiting("a", 0)]);
    assert_eq!(commits[1].lanes, [gone("a")]);
    let books = desk.handler.books(0).unwrap().books;
    assert_eq!((books.done, books.parked), (2, 0));
    desk.deliver([event(3, "a")]);
    assert_eq!(desk.take_started(), [3], "the lane lives in memory again");
}

#[test]
fn long_lanes_are_read_in_windows() {
    let mut desk = Desk::unclaimed(rules());
    desk.feed(Input::Claimed(Claimed { lanes: vec![lane("a", 40, 0, false)], ..fresh(40) }));
    desk.load((1..=32).map(stored).collect());
    for seq in 1..=32 {
        desk.finish(seq, Outcome::Done);
    }
    assert_eq!((desk.loads[0].2, desk.loads[0].3), (33, 32));
    desk.load((33..=40).map(stored).collect());
    assert_eq!(desk.take_started(), [33]);
}

#[test]
fn an_answer_to_the_read_of_an_older_claim_is_not_taken() {
    let mut desk = Desk::unclaimed(rules());
    let claimed = || Claimed { lanes: vec![lane("a", 3, 0, false)], ..fresh(3) };
    desk.feed(Input::Claimed(claimed()));
    let old = desk.loads[0].0;
    desk.feed(Input::Claimed(claimed()));
    desk.feed(Input::Loaded { shard: 0, load: old, key: "a".into(), events: vec![stored(2), stored(3)] });
    assert!(desk.started.is_empty());
    desk.loads.remove(0);
    desk.load(vec![stored(1), stored(2), stored(3)]);
    assert_eq!(desk.take_started(), [1]);
}

#[test]
fn a_parked_event_that_fails_again_is_recorded_and_its_lane_waits_in_the_store() {
    let mut desk = Desk::unclaimed(rules());
    desk.feed(Input::Claimed(Claimed { lanes: vec![lane("a", 2, 0, false)], ..fresh(2) }));
    desk.load(vec![stored(1), stored(2)]);
    desk.finish(1, wish(60_000));
    let commit = desk.commit_all().remove(0);
    assert_eq!((rows(&commit), commit.rows[0].origin), (vec![(1, "parked")], Origin::Parked));
    assert_eq!(commit.lanes, [waiting("a", 1_060_000)]);
    assert_eq!(desk.handler.gauges().events, 0);
    desk.pass(60_000);
    assert_eq!(desk.loads.len(), 1);
}

#[test]
fn a_short_retry_of_a_parked_event_stays_in_memory_and_is_recorded() {
    let mut desk = Desk::unclaimed(rules());
    desk.feed(Input::Claimed(Claimed { lanes: vec![lane("a", 1, 0, false)], ..fresh(1) }));
    desk.load(vec![stored(1)]);
    desk.finish(1, RETRY);
    let commit = desk.commit_all().remove(0);
    assert_eq!((rows(&commit), commit.rows[0].origin), (vec![(1, "failed")], Origin::Parked));
    assert_eq!(commit.lanes, [waiting("a", 1_000_500)]);
    desk.pass(500);
    assert_eq!(desk.take_started(), [1]);
}

#[test]
fn a_lane_with_too_much_in_memory_is_parked_once_its_first_event_has_ended() {
    let bounds = Bounds { lane_events: 2, lane_patience_ms: 0, ..Bounds::default() };
    let mut desk = Desk::new(Rules { bounds, ..rules() });
    desk.deliver((1..=5).map(|seq| event(seq, "a")));
    assert_eq!(desk.take_started(), [] as [u64; 0], "five are over the bound before the first one begins");
    assert_eq!(rows(&desk.commits[0]).len(), 5);
    let mut desk =
        Desk::new(Rules { bounds: Bounds { lane_events: 2, lane_patience_ms: 0, ..Bounds::default() }, ..rules() });
    desk.deliver([event(1, "a")]);
    desk.deliver((2..=5).map(|seq| event(seq, "a")));
    assert!(desk.commits.is_empty(), "never while its first event runs");
    desk.finish(1, Outcome::Done);
    assert_eq!(rows(&desk.commits[0]), [(1, "done"), (2, "parked"), (3, "parked"), (4, "parked"), (5, "parked")]);
    assert_eq!(desk.commits[0].lanes, [waiting("a", 0)]);
    desk.commit_all();
    assert_eq!(desk.loads.len(), 1, "it is due at once");
}

#[test]
fn a_lane_that_gets_on_empties_itself_though_it_has_too_much_in_memory() {
    let bounds = Bounds { lane_events: 2, lane_patience_ms: 1_000, ..Bounds::default() };
    let mut desk = Desk::new(Rules { bounds, ..rules() });
    desk.deliver((1..=6).map(|seq| event(seq, "a")));
    desk.pass(999);
    desk.finish(1, Outcome::Done);
    assert_eq!((rows(&desk.commits[0]), desk.take_started()), (vec![(1, "done")], vec![2]));
    desk.commit_all();
    desk.pass(1);
    desk.finish(2, Outcome::Done);
    assert_eq!(rows(&desk.commits[0]), [(2, "done"), (3, "parked"), (4, "parked"), (5, "parked"), (6, "parked")]);
}

#[test]
fn a_lane_of_which_the_store_has_less_than_it_said_is_not_held_up() {
    let mut desk = Desk::unclaimed(rules());
    desk.feed(Input::Claimed(Claimed { lanes: vec![lane("a", 2, 0, false)], ..fresh(2) }));
    desk.load(vec![stored(2)]);
    desk.finish(2, Outcome::Done);
    desk.deliver([event(3, "a")]);
    desk.commit_all();
    assert_eq!(desk.take_started(), [3]);
    assert_eq!(desk.handler.gauges().mended_lanes, 1);
}
