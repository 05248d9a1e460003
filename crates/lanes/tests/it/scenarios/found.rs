//! What the simulator found, each bug once more by hand.

use std::num::NonZeroU32;

use lanes::{
    AttemptState, Bounds, Claimed, CommitReply, Conflict, ConflictKind, Input, OnDead, Outcome, Retry, Rules,
    StoredEvent,
};

use super::desk::{Desk, RETRY, event, fresh, lane, rows, rules, stored, wish};

fn refused(seq: u64, kind: ConflictKind) -> CommitReply {
    CommitReply::Refused(vec![Conflict { seq, kind }])
}

fn redriven(seq: u64) -> StoredEvent<u64> {
    StoredEvent { attempts: AttemptState { made: 1, ..AttemptState::default() }, redriven: true, ..stored(seq) }
}

#[test]
fn an_attempt_whose_record_is_refused_does_not_free_the_one_after_the_next() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a")]);
    desk.finish(1, RETRY);
    desk.pass(500);
    desk.finish(1, wish(100));
    desk.pass(100);
    desk.reply(CommitReply::Unavailable);
    desk.pass(100);
    let unanswered = desk.commits[0].clone();
    assert_eq!(rows(&unanswered), [(1, "failed")]);
    assert!(desk.started.is_empty(), "the second attempt is in no commit yet");
    desk.reply(refused(1, ConflictKind::Unstorable));
    assert_eq!(rows(&desk.commits[0]), [(1, "failed")]);
    assert_eq!(desk.started[0].attempt, 3);
}

#[test]
fn a_redrive_that_came_too_late_does_not_hide_the_stored_event() {
    let mut desk = Desk::unclaimed(rules());
    desk.feed(Input::Claimed(Claimed { lanes: vec![lane("a", 2, 0, false)], ..fresh(2) }));
    desk.redrive(1, "a", 1);
    desk.load(vec![redriven(1), stored(2)]);
    assert!(desk.started.is_empty(), "2 does not run before 1");
    desk.reply(refused(1, ConflictKind::AlreadyOurs));
    desk.load(vec![redriven(1), stored(2)]);
    assert_eq!(desk.take_started(), [1]);
}

/// 3 was read and dropped again; 7, which ran before it was redriven, is in memory and in a commit.
fn behind_a_later_one() -> Desk {
    let mut desk = Desk::unclaimed(Rules { bounds: Bounds { park_after_ms: 0, ..Bounds::default() }, ..rules() });
    desk.feed(Input::Claimed(Claimed { lanes: vec![lane("a", 2, 0, false)], ..fresh(8) }));
    desk.load(vec![stored(7), stored(8)]);
    desk.redrive(3, "a", 1);
    desk.commit_all();
    desk.deliver([event(9, "b")]);
    desk.finish(9, Outcome::Done);
    desk.finish(7, Outcome::Done);
    assert_eq!(desk.take_started(), [3]);
    desk.finish(3, Outcome::HostFailed);
    desk.pass(1_000);
    desk
}

#[test]
fn what_is_dropped_from_memory_behind_a_later_one_is_read_again() {
    let mut desk = behind_a_later_one();
    assert_eq!((desk.loads[0].2, desk.loads[0].3), (3, 33), "7 is in memory still and takes nobody's place");
    desk.load(vec![redriven(3), stored(7), stored(8)]);
    assert_eq!(desk.take_started(), [3]);
}

#[test]
fn what_was_settled_while_it_was_read_does_not_run_again() {
    let mut desk = behind_a_later_one();
    desk.commit_all();
    desk.load(vec![redriven(3), stored(7), stored(8)]);
    desk.finish(3, Outcome::Done);
    assert_eq!(desk.take_started(), [8]);
}

#[test]
fn an_event_that_ran_too_early_does_not_stay_before_the_one_that_is_redriven() {
    let mut desk = Desk::unclaimed(Rules { on_dead: OnDead::Hold, ..rules() });
    desk.feed(Input::Claimed(Claimed { lanes: vec![lane("a", 2, 0, false)], ..fresh(2) }));
    let twice = AttemptState { made: 2, crashes: 2, first_at: 1, ..AttemptState::default() };
    desk.load(vec![StoredEvent { attempts: twice, ..stored(1) }, stored(2)]);
    desk.finish(1, Outcome::Done);
    assert_eq!(desk.take_started(), [2]);
    desk.reply(refused(1, ConflictKind::Unstorable));
    desk.commit_all();
    desk.redrive(1, "a", 3);
    desk.commit_all();
    desk.finish(2, Outcome::Done);
    assert_eq!(desk.take_started(), [1], "what 2 left is dropped, and it waits for 1");
}

#[test]
fn attempts_of_an_event_that_died_again_before_its_redrive_go_on_counting() {
    let mut desk = Desk::unclaimed(rules());
    desk.feed(Input::Claimed(Claimed { lanes: vec![lane("a", 1, 0, false)], ..fresh(1) }));
    desk.load(vec![redriven(1)]);
    desk.finish(1, Outcome::Permanent);
    desk.redrive(1, "a", 1);
    let commits = desk.commit_all();
    assert_eq!(commits.iter().map(rows).collect::<Vec<_>>(), [vec![(1, "dead")], vec![(1, "parked")]]);
    let lanes::Change::Parked { attempts, .. } = commits[1].rows[0].change else { panic!("not parked") };
    assert_eq!(attempts.made, 2);
}

#[test]
fn a_lane_is_due_when_its_first_event_is() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a"), event(2, "a")]);
    desk.finish(1, wish(60_000));
    assert_eq!(desk.commits[0].lanes, [super::desk::waiting("a", 1_060_000)], "and not when its second one would be");
}

#[test]
fn a_redriven_event_does_not_wait_for_the_time_of_one_behind_it() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a"), event(2, "a"), event(3, "a")]);
    desk.finish(1, Outcome::Permanent);
    desk.finish(2, Outcome::Permanent);
    desk.finish(3, wish(60_000));
    desk.commit_all();
    desk.redrive(1, "a", 1);
    desk.commit_all();
    desk.load(vec![redriven(1)]);
    assert_eq!(desk.take_started(), [1]);
    desk.redrive(2, "a", 1);
    desk.commit_all();
    desk.finish(1, Outcome::Done);
    assert_eq!(desk.commit_all().last().unwrap().lanes, [], "it is due at once in the store, too");
    desk.load(vec![redriven(2), stored(3)]);
    assert_eq!(desk.take_started(), [2]);
}

#[test]
fn a_redriven_event_does_not_come_before_an_earlier_one_that_was_dropped_from_memory() {
    let mut desk = Desk::unclaimed(Rules { bounds: Bounds { park_after_ms: 0, ..Bounds::default() }, ..rules() });
    desk.feed(Input::Claimed(Claimed { lanes: vec![lane("a", 2, 0, false)], ..fresh(8) }));
    desk.load(vec![stored(7), stored(8)]);
    desk.redrive(3, "a", 1);
    desk.commit_all();
    desk.deliver([event(9, "b")]);
    desk.finish(9, Outcome::Done);
    desk.redrive(5, "a", 1);
    desk.finish(7, Outcome::Done);
    assert_eq!(desk.take_started(), [3]);
    desk.finish(3, Outcome::HostFailed);
    desk.commit_all();
    assert!(desk.started.is_empty(), "5 waits for 3");
    desk.load(vec![redriven(3), redriven(5), stored(8)]);
    assert_eq!(desk.take_started(), [3]);
}

#[test]
fn what_arrives_in_a_held_lane_does_not_pass_an_event_that_runs_there_in_vain() {
    let once = Retry { crash_attempts: NonZeroU32::MIN, ..rules().retry };
    let mut desk = Desk::new(Rules { on_dead: OnDead::Hold, retry: once, ..rules() });
    desk.deliver([event(1, "a"), event(2, "a")]);
    desk.finish(1, Outcome::Done);
    assert_eq!(desk.take_started(), [2]);
    desk.reply(refused(1, ConflictKind::Unstorable));
    desk.deliver([event(5, "a")]);
    let stored = desk.commit_all();
    assert!(stored.iter().flat_map(rows).all(|(seq, _)| seq != 5), "it would stand before 2");
    desk.redrive(1, "a", 1);
    desk.commit_all();
    desk.finish(2, Outcome::Done);
    let mut stands = vec![redriven(1)];
    for seq in [1, 2, 5] {
        desk.commit_all();
        if !desk.loads.is_empty() {
            desk.load(std::mem::take(&mut stands));
        }
        assert_eq!(desk.take_started(), [seq]);
        desk.finish(seq, Outcome::Done);
    }
    desk.commit_all();
    assert_eq!((desk.floor(), desk.handler.gauges().lanes), (5, 0));
}

#[test]
fn a_lane_is_due_by_what_the_store_has_though_a_later_commit_ends_it() {
    let mut desk = Desk::unclaimed(rules());
    let later = AttemptState { made: 1, retries: 1, first_at: 1, next_at: desk.now + 9_000, ..AttemptState::default() };
    desk.feed(Input::Claimed(Claimed { lanes: vec![lane("a", 2, 0, false)], ..fresh(2) }));
    desk.load(vec![stored(1), StoredEvent { attempts: later, ..stored(2) }]);
    desk.finish(1, RETRY);
    desk.reply(CommitReply::Unavailable);
    desk.pass(500);
    desk.finish(1, Outcome::Done);
    let commit = desk.commits.remove(0);
    assert_eq!(rows(&commit), [(1, "failed")], "sent again");
    assert_eq!(commit.lanes, [super::desk::waiting("a", 1_000_500)], "1 is stored until the next commit");
}

#[test]
fn what_is_behind_an_attempt_that_was_taken_back_does_not_wait_for_its_time() {
    let mut desk = Desk::unclaimed(Rules { bounds: Bounds { park_after_ms: 0, ..Bounds::default() }, ..rules() });
    desk.feed(Input::Claimed(Claimed { lanes: vec![lane("a", 3, 0, false)], ..fresh(3) }));
    desk.load(vec![stored(1), stored(2), stored(3)]);
    desk.finish(1, Outcome::Done);
    // 2 waits in the store for its next attempt, and so does 3 behind it.
    desk.finish(2, wish(60_000));
    // But 1 was in vain, and then so was that attempt.
    desk.reply(refused(1, ConflictKind::Changed));
    desk.finish(1, Outcome::Done);
    desk.finish(2, Outcome::Done);
    desk.reply(CommitReply::Done);
    let commit = desk.reply(CommitReply::Done);
    assert_eq!((rows(&commit), commit.lanes), (vec![(2, "done")], vec![]), "it is due since the claim");
    desk.load(vec![stored(3)]);
    assert_eq!(desk.take_started(), [3]);
}

/// Somebody else owns the shard by now, and has made a dead letter of it.
#[test]
fn what_is_redriven_while_it_is_looked_up_does_not_run_beside_that() {
    let mut desk = Desk::new(rules());
    desk.lookups = Some(Vec::new());
    desk.deliver([event(1, "a")]);
    let (lookup, _) = desk.lookups.take().unwrap()[0];
    desk.redrive(1, "a", 1);
    desk.feed(Input::LookedUp { shard: 0, lookup, known: Vec::new() });
    assert!(desk.started.is_empty());
    assert_eq!(rows(&desk.commits[0]), [(1, "parked")]);
    assert_eq!(desk.commits.len(), 1);
}

#[test]
fn a_letter_that_is_out_of_date_makes_no_row_beside_that_of_an_event_whose_end_is_refused() {
    for letter in [Desk::redrive, Desk::skip] {
        let mut desk = Desk::unclaimed(rules());
        desk.feed(Input::Claimed(Claimed { lanes: vec![lane("a", 1, 0, false)], ..fresh(1) }));
        desk.load(vec![redriven(1)]);
        desk.finish(1, Outcome::Done);
        letter(&mut desk, 1, "a", 1);
        desk.reply(refused(1, ConflictKind::Unstorable));
        desk.pass(60_000);
        desk.finish(1, Outcome::Skipped);
        let commits = desk.commit_all();
        assert!(!commits.is_empty());
        assert!(commits.iter().all(|commit| rows(commit).len() == 1), "{commits:?}");
    }
}

#[test]
fn a_lane_is_due_by_what_the_store_has_though_its_first_event_waits_for_what_is_known_here_alone() {
    let host_fails: fn(&mut Desk) = |desk| desk.finish(1, Outcome::HostFailed);
    let in_vain: fn(&mut Desk) = |desk| (0..2).for_each(|_| desk.finish(1, Outcome::Conflict));
    let unrecorded: fn(&mut Desk) = |desk| {
        desk.finish(1, RETRY);
        desk.reply(refused(1, ConflictKind::Unstorable));
    };
    // With 0 the event is dropped from memory to wait.
    for (wait, park_after_ms) in [(host_fails, 60_000), (host_fails, 0), (in_vain, 60_000), (unrecorded, 60_000)] {
        let mut desk = Desk::unclaimed(Rules { bounds: Bounds { park_after_ms, ..Bounds::default() }, ..rules() });
        desk.feed(Input::Claimed(Claimed { lanes: vec![lane("a", 1, 0, false)], ..fresh(1) }));
        desk.load(vec![stored(1)]);
        wait(&mut desk);
        desk.deliver([event(2, "a")]);
        let commit = desk.reply(CommitReply::Done);
        assert_eq!((rows(&commit), commit.lanes), (vec![(2, "parked")], vec![]), "it is due since the claim");
        assert!(desk.started.is_empty() && desk.loads.is_empty(), "it waits nevertheless");
    }
}
