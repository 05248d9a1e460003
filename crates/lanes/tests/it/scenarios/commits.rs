//! Commits: one at a time, and what the store may say of them.

use lanes::{Change, CommitReply, Conflict, ConflictKind, Input, Outcome};

use super::desk::{Desk, event, rows, rules};

fn refused(conflicts: &[(u64, ConflictKind)]) -> CommitReply {
    CommitReply::Refused(conflicts.iter().map(|&(seq, kind)| Conflict { seq, kind }).collect())
}

#[test]
fn one_commit_of_a_shard_is_unanswered_and_the_rest_goes_together() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a"), event(2, "b"), event(3, "c")]);
    for seq in 1..=3 {
        desk.finish(seq, Outcome::Done);
    }
    let first = desk.reply(CommitReply::Done);
    assert_eq!((rows(&first), first.progress.floor), (vec![(1, "done")], 1));
    let second = desk.reply(CommitReply::Done);
    assert_eq!((rows(&second), second.progress.floor), (vec![(2, "done"), (3, "done")], 3));
    assert!(desk.commits.is_empty());
}

#[test]
fn the_progress_is_of_what_is_in_the_commit_and_no_more() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a"), event(2, "b"), event(3, "c")]);
    desk.finish(2, Outcome::Done);
    desk.finish(1, Outcome::Done);
    assert_eq!((desk.commits[0].progress.floor, desk.commits[0].progress.ranges.clone()), (0, vec![(2, 2)]));
    assert_eq!(desk.floor(), 0, "nothing is committed before the answer");
}

#[test]
fn a_refused_duplicate_is_settled_without_effects_and_the_rest_is_sent_again() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a"), event(2, "a")]);
    desk.finish(1, Outcome::Done);
    desk.finish(2, Outcome::Done);
    desk.reply(CommitReply::Done);
    let first = desk.reply(refused(&[(2, ConflictKind::Duplicate { of: 1 })]));
    assert_eq!(rows(&first), [(2, "done")]);
    let again = desk.reply(CommitReply::Done);
    assert_ne!(again.commit, first.commit, "a commit that is sent again has a new number");
    assert!(again.rows.is_empty());
    let books = desk.handler.books(0).unwrap().books;
    assert_eq!((books.done, books.duplicate), (1, 1));
}

#[test]
fn what_the_store_has_already_is_settled_without_a_row() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a"), event(2, "b")]);
    desk.finish(1, Outcome::Done);
    desk.reply(CommitReply::Unavailable);
    desk.finish(2, Outcome::Done);
    desk.pass(100);
    assert_eq!(rows(&desk.commits[0]), [(1, "done")], "exactly what was sent before");
    desk.reply(refused(&[(1, ConflictKind::AlreadyOurs)]));
    assert!(desk.commits[0].rows.is_empty());
    desk.commit_all();
    let books = desk.handler.books(0).unwrap();
    assert_eq!((books.floor, books.books.done), (2, 2));
}

#[test]
fn a_store_that_fails_is_asked_again_after_longer_and_longer_waits() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a")]);
    desk.finish(1, Outcome::Done);
    let since = desk.now;
    let mut waits = Vec::new();
    for _ in 0..8 {
        desk.reply(CommitReply::Unavailable);
        assert!(desk.commits.is_empty());
        let wake = desk.handler.next_wake().unwrap();
        waits.push(wake - desk.now);
        desk.pass(wake - desk.now);
    }
    assert_eq!(waits, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
    assert_eq!(desk.handler.position(0).unwrap().failing_since, Some(since));
    desk.commit_all();
    assert_eq!((desk.floor(), desk.handler.position(0).unwrap().failing_since), (1, None));
}

#[test]
fn an_answer_to_an_older_commit_says_nothing() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a")]);
    desk.finish(1, Outcome::Done);
    let old = desk.reply(CommitReply::Unavailable);
    desk.pass(100);
    desk.feed(Input::Committed { shard: 0, commit: old.commit, reply: CommitReply::Done });
    assert_eq!(desk.floor(), 0);
    desk.commit_all();
    desk.feed(Input::Committed { shard: 0, commit: old.commit, reply: CommitReply::Lost });
    assert_eq!(desk.floor(), 1, "nor is the shard lost by it");
}

#[test]
fn an_invocation_that_cannot_be_stored_counts_as_broken_and_what_came_after_it_runs_again() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a"), event(2, "a"), event(3, "a"), event(4, "b")]);
    desk.finish(4, Outcome::Done);
    desk.finish(1, Outcome::Done);
    desk.finish(2, Outcome::Done);
    desk.reply(CommitReply::Done);
    assert_eq!(rows(&desk.commits[0]), [(1, "done"), (2, "done")]);
    desk.reply(refused(&[(1, ConflictKind::Unstorable)]));
    let again = desk.commits[0].clone();
    assert_eq!(rows(&again), [(1, "failed")]);
    let Change::Failed { attempts, .. } = again.rows[0].change else { panic!("not failed") };
    assert_eq!((attempts.made, attempts.crashes), (1, 1));
    assert_eq!(again.progress.floor, 0);
    desk.commit_all();
    desk.finish(3, Outcome::Done);
    assert!(desk.commits.is_empty(), "3 ran too early: what it left is dropped");
    desk.pass(500);
    assert_eq!(desk.take_started(), [1]);
    for seq in 1..=3 {
        desk.finish(seq, Outcome::Done);
    }
    desk.commit_all();
    assert_eq!((desk.floor(), desk.handler.books(0).unwrap().books.done), (4, 4));
}

#[test]
fn a_report_that_cannot_be_stored_is_left_out() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a")]);
    desk.finish(1, Outcome::Permanent);
    desk.reply(refused(&[(1, ConflictKind::Unstorable)]));
    let Change::Dead { report, .. } = desk.commits[0].rows[0].change else { panic!("not dead") };
    assert_eq!(report, None);
    desk.reply(refused(&[(1, ConflictKind::Unstorable)]));
    assert!(desk.commits.is_empty(), "nothing can be left out any more");
    desk.pass(100);
    desk.commit_all();
    assert_eq!(desk.floor(), 1);
}

#[test]
fn an_attempt_that_cannot_be_stored_goes_on_counting() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a")]);
    desk.finish(1, super::desk::RETRY);
    desk.reply(refused(&[(1, ConflictKind::Unstorable)]));
    assert!(desk.commits.is_empty());
    desk.pass(500);
    assert_eq!(desk.started[0].attempt, 2);
}

#[test]
fn a_lost_shard_is_forgotten_and_late_results_are_ignored() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a"), event(2, "b")]);
    desk.finish(1, Outcome::Done);
    desk.reply(CommitReply::Lost);
    assert!(desk.handler.books(0).is_none());
    assert!(!desk.handler.wants(0));
    desk.finish(2, Outcome::Done);
    assert!(desk.commits.is_empty());
    assert_eq!(desk.handler.gauges(), lanes::Gauges::default());
    assert_eq!(desk.handler.next_wake(), None);
}

#[test]
fn what_runs_again_because_of_another_event_has_the_attempts_it_had_before() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a"), event(2, "a"), event(3, "b")]);
    desk.finish(3, Outcome::Done);
    desk.finish(1, Outcome::Done);
    desk.finish(2, super::desk::RETRY);
    desk.reply(CommitReply::Done);
    assert_eq!(rows(&desk.commits[0]), [(1, "done"), (2, "failed")]);
    desk.pass(500);
    desk.finish(2, Outcome::Done);
    desk.reply(refused(&[(1, ConflictKind::Unstorable)]));
    assert_eq!(rows(&desk.commits[0]), [(1, "failed")]);
    desk.commit_all();
    desk.pass(500);
    desk.finish(1, Outcome::Done);
    assert_eq!((desk.started[0].seq, desk.started[0].attempt), (2, 1));
}
