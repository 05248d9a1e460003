//! Dead letters: holding a lane, going on, and coming back.

use lanes::{Change, CommitReply, Conflict, ConflictKind, OnDead, Origin, Outcome, Rules};

use super::desk::{Desk, RETRY, event, gone, held, rows, rules, stored, waiting};
use lanes::{AttemptState, StoredEvent};

fn hold() -> Rules {
    Rules { on_dead: OnDead::Hold, ..rules() }
}

fn redriven(seq: u64, made: u32) -> StoredEvent<u64> {
    StoredEvent { attempts: AttemptState { made, ..AttemptState::default() }, redriven: true, ..stored(seq) }
}

#[test]
fn a_dead_letter_holds_its_lane_and_what_follows_is_parked() {
    let mut desk = Desk::new(hold());
    desk.deliver([event(1, "a"), event(2, "a"), event(3, "b")]);
    desk.finish(1, Outcome::Permanent);
    assert_eq!(desk.take_started(), [3]);
    assert_eq!(rows(&desk.commits[0]), [(1, "dead"), (2, "parked")]);
    assert_eq!(desk.commits[0].lanes, [held("a")]);
    desk.commit_all();
    desk.deliver([event(4, "a")]);
    assert_eq!(rows(&desk.commits[0]), [(4, "parked")]);
    assert!(desk.commits[0].lanes.is_empty(), "it is held already");
    desk.commit_all();
    desk.pass(1_000_000);
    assert_eq!((desk.take_started(), desk.loads.len()), (vec![3], 0));
    assert_eq!(desk.handler.gauges().held_lanes, 1);
}

#[test]
fn a_redriven_event_lets_its_held_lane_go_on_in_order() {
    let mut desk = Desk::new(hold());
    desk.deliver([event(1, "a"), event(2, "a")]);
    desk.finish(1, Outcome::Permanent);
    desk.commit_all();
    desk.redrive(1, "a", 1);
    let commit = desk.commits[0].clone();
    assert_eq!((rows(&commit), commit.rows[0].origin), (vec![(1, "parked")], Origin::Dead));
    assert_eq!(commit.lanes, [waiting("a", 0)]);
    let Change::Parked { attempts, redriven: true, report: None } = commit.rows[0].change else {
        panic!("not redriven")
    };
    assert_eq!(attempts, AttemptState { made: 1, ..AttemptState::default() }, "attempts go on counting");
    assert!(desk.loads.is_empty(), "not before it is committed");
    desk.commit_all();
    desk.load(vec![redriven(1, 1), stored(2)]);
    let first = &desk.started[0];
    assert_eq!((first.seq, first.attempt, first.redriven), (1, 2, true));
    desk.finish(1, Outcome::Done);
    desk.finish(2, Outcome::Done);
    let commits = desk.commit_all();
    assert_eq!(commits.last().unwrap().lanes, [gone("a")]);
    let books = desk.handler.books(0).unwrap().books;
    assert_eq!((books.done, books.parked, books.dead), (2, 0, 0));
}

#[test]
fn where_each_event_is_a_lane_of_its_own_nothing_is_held() {
    let mut desk = Desk::new(Rules { order: lanes::Order::None, ..hold() });
    desk.deliver([event(1, "a")]);
    desk.finish(1, Outcome::Permanent);
    assert!(desk.commit_all().remove(0).lanes.is_empty());
    assert_eq!(desk.handler.gauges().lanes, 0);
}

#[test]
fn a_redriven_event_that_dies_again_holds_again() {
    let mut desk = Desk::new(hold());
    desk.deliver([event(1, "a")]);
    desk.finish(1, Outcome::Permanent);
    desk.commit_all();
    desk.redrive(1, "a", 1);
    desk.commit_all();
    desk.load(vec![redriven(1, 1)]);
    desk.finish(1, Outcome::Permanent);
    let commit = desk.commit_all().remove(0);
    assert_eq!((rows(&commit), commit.lanes), (vec![(1, "dead")], vec![held("a")]));
}

#[test]
fn where_lanes_go_on_a_redriven_event_runs_before_what_has_not_begun() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a"), event(2, "a"), event(3, "a")]);
    desk.finish(1, Outcome::Permanent);
    desk.commit_all();
    desk.redrive(1, "a", 1);
    desk.commit_all();
    desk.finish(2, Outcome::Done);
    assert_eq!(desk.take_started(), [] as [u64; 0], "3 has not begun and waits");
    desk.load(vec![redriven(1, 1)]);
    assert_eq!(desk.take_started(), [1]);
    desk.finish(1, Outcome::Done);
    assert_eq!(desk.take_started(), [3]);
    assert_eq!(desk.commit_all().last().unwrap().lanes, [gone("a")]);
}

#[test]
fn several_redriven_events_run_by_sequence() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a"), event(2, "a"), event(3, "a"), event(4, "a")]);
    for seq in 1..=3 {
        desk.finish(seq, Outcome::Permanent);
    }
    desk.commit_all();
    desk.redrive(3, "a", 1);
    desk.redrive(2, "a", 1);
    desk.commit_all();
    desk.finish(4, RETRY);
    desk.commit_all();
    desk.load(vec![redriven(2, 1), redriven(3, 1)]);
    assert_eq!(desk.take_started(), [2]);
    desk.redrive(1, "a", 1);
    desk.commit_all();
    desk.finish(2, Outcome::Done);
    assert_eq!(desk.take_started(), [1], "it came while 2 ran");
    desk.finish(1, Outcome::Done);
    assert_eq!(desk.take_started(), [3]);
}

#[test]
fn a_redrive_of_what_is_stored_already_changes_nothing() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a")]);
    desk.finish(1, Outcome::Permanent);
    desk.commit_all();
    desk.redrive(1, "a", 1);
    desk.redrive(1, "a", 1);
    assert_eq!(rows(&desk.commits[0]), [(1, "parked")]);
    desk.commit_all();
    desk.redrive(1, "a", 1);
    desk.load(vec![redriven(1, 1)]);
    desk.redrive(1, "a", 1);
    assert!(desk.commits.is_empty());
}

#[test]
fn a_redrive_that_came_too_late_is_taken_back() {
    let mut desk = Desk::new(rules());
    desk.redrive(1, "a", 1);
    desk.reply(CommitReply::Refused(vec![Conflict { seq: 1, kind: ConflictKind::AlreadyOurs }]));
    assert!(desk.commits.is_empty(), "nothing remains of the commit");
    let gauges = desk.handler.gauges();
    assert_eq!((gauges.events, gauges.lanes), (0, 0));
}

#[test]
fn a_redrive_whose_answer_was_lost_counts() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a")]);
    desk.finish(1, Outcome::Permanent);
    desk.commit_all();
    desk.redrive(1, "a", 1);
    desk.reply(CommitReply::Unavailable);
    desk.pass(100);
    desk.reply(CommitReply::Refused(vec![Conflict { seq: 1, kind: ConflictKind::AlreadyOurs }]));
    desk.commit_all();
    let books = desk.handler.books(0).unwrap().books;
    assert_eq!((books.dead, books.parked), (0, 1));
    assert_eq!(desk.loads.len(), 1);
}

#[test]
fn a_skipped_letter_lets_its_held_lane_go_on_and_is_skipped_in_the_books() {
    let mut desk = Desk::new(hold());
    desk.deliver([event(1, "a"), event(2, "a")]);
    desk.finish(1, Outcome::Permanent);
    desk.commit_all();
    assert!(desk.started.is_empty(), "it holds its lane");
    desk.skip(1, "a", 1);
    let commits = desk.commit_all();
    assert_eq!(commits.iter().flat_map(rows).collect::<Vec<_>>(), [(1, "skipped")]);
    assert_eq!(commits[0].lanes, [waiting("a", 0)]);
    desk.load(vec![stored(2)]);
    assert_eq!(desk.take_started(), [2]);
    desk.finish(2, Outcome::Done);
    desk.commit_all();
    let books = desk.handler.books(0).unwrap().books;
    assert_eq!((books.done, books.skipped, books.dead, books.parked), (1, 1, 0, 0));
    assert_eq!(desk.handler.gauges().lanes, 0);
}

#[test]
fn a_skipped_letter_that_was_the_last_of_its_lane_takes_it_out_of_the_store() {
    let mut desk = Desk::new(hold());
    desk.deliver([event(1, "a")]);
    desk.finish(1, Outcome::Permanent);
    desk.commit_all();
    desk.skip(1, "a", 1);
    assert_eq!(desk.commit_all()[0].lanes, [gone("a")]);
    let gauges = desk.handler.gauges();
    assert_eq!((gauges.lanes, gauges.events, gauges.bytes), (0, 0, 0));
}

#[test]
fn a_letter_that_is_redriven_and_skipped_obeys_the_first_word() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a")]);
    desk.finish(1, Outcome::Permanent);
    desk.commit_all();
    desk.redrive(1, "a", 1);
    desk.skip(1, "a", 1);
    assert_eq!(rows(&desk.commits[0]), [(1, "parked")]);
    desk.commit_all();
    desk.skip(1, "a", 1);
    assert!(desk.commits.is_empty(), "it is not dead any more");
}

#[test]
fn a_skip_that_came_too_late_is_taken_back() {
    let mut desk = Desk::new(rules());
    desk.skip(1, "a", 1);
    desk.reply(CommitReply::Refused(vec![Conflict { seq: 1, kind: ConflictKind::AlreadyOurs }]));
    assert!(desk.commits.is_empty(), "nothing remains of the commit");
    let gauges = desk.handler.gauges();
    assert_eq!((gauges.events, gauges.lanes), (0, 0));
}

#[test]
fn what_a_gone_stream_left_of_a_room_runs_before_what_the_new_one_brings() {
    let old = |at: u64| lanes::BYGONE + 7 + at;
    let mut desk = Desk::unclaimed(rules());
    desk.feed(lanes::Input::Claimed(lanes::Claimed {
        lanes: vec![super::desk::lane("a", 2, 2_000_000, false)],
        ..super::desk::fresh(0)
    }));
    desk.deliver([event(1, "a"), event(2, "a")]);
    desk.commit_all();
    desk.pass(1_000_000);
    assert_eq!(desk.loads[0].2, lanes::BYGONE);
    desk.load(vec![stored(1), stored(2), stored(old(0)), stored(old(1))]);
    for seq in [old(0), old(1), 1, 2] {
        assert_eq!(desk.take_started(), [seq]);
        desk.finish(seq, Outcome::Done);
        desk.commit_all();
    }
}

#[test]
fn a_lane_is_not_read_while_a_word_on_its_letters_is_not_answered() {
    for skip in [false, true] {
        let mut desk = Desk::unclaimed(rules());
        desk.feed(lanes::Input::Claimed(lanes::Claimed {
            lanes: vec![super::desk::lane("a", 1, desk.now + 1_000, false)],
            ..super::desk::fresh(5)
        }));
        if skip {
            desk.skip(3, "a", 1);
        } else {
            desk.redrive(3, "a", 1);
        }
        desk.pass(1_000);
        assert!(desk.loads.is_empty(), "3 may stand before all that would be read, or be there no more");
        desk.commit_all();
        assert_eq!(desk.loads.len(), 1);
    }
}
