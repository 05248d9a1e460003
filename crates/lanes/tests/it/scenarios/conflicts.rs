//! Conflicts: what an invocation had read was changed before it could be committed.

use lanes::{Cause, Change, CommitReply, Conflict, ConflictKind, OnDead, Outcome, Rules};

use super::desk::{Desk, RETRY, event, held, lane, rows, rules, stored};
use lanes::{Claimed, Input};

fn changed(seqs: &[u64]) -> CommitReply {
    CommitReply::Refused(seqs.iter().map(|&seq| Conflict { seq, kind: ConflictKind::Changed }).collect())
}

#[test]
fn an_invocation_in_vain_runs_again_at_once_and_the_rest_of_its_commit_is_written() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a"), event(2, "b"), event(3, "c")]);
    desk.finish(3, Outcome::Done);
    desk.finish(1, Outcome::Done);
    desk.finish(2, Outcome::Done);
    desk.reply(CommitReply::Done);
    assert_eq!(rows(&desk.commits[0]), [(1, "done"), (2, "done")]);
    desk.reply(changed(&[1]));
    assert_eq!(rows(&desk.commits[0]), [(2, "done")]);
    assert_eq!(desk.take_started(), [1]);
    assert_eq!(desk.started[0].attempt, 1, "a run in vain is no attempt");
    desk.finish(1, Outcome::Done);
    desk.commit_all();
    assert_eq!((desk.floor(), desk.handler.books(0).unwrap().books.done), (3, 3));
}

#[test]
fn what_ran_after_it_in_its_lane_runs_again_too_in_order() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a"), event(2, "a"), event(3, "a"), event(4, "b")]);
    desk.finish(4, Outcome::Done);
    for seq in 1..=2 {
        desk.finish(seq, Outcome::Done);
    }
    desk.reply(CommitReply::Done);
    assert_eq!(rows(&desk.commits[0]), [(1, "done"), (2, "done")]);
    desk.reply(changed(&[1]));
    assert!(desk.commits.is_empty());
    desk.finish(3, Outcome::Done);
    assert!(desk.commits.is_empty(), "it had seen what never was");
    for seq in 1..=3 {
        assert_eq!(desk.take_started(), [seq]);
        desk.finish(seq, Outcome::Done);
    }
    desk.commit_all();
    assert_eq!((desk.floor(), desk.handler.books(0).unwrap().books.done), (4, 4));
}

#[test]
fn later_runs_in_vain_wait_longer_and_at_last_the_event_is_a_dead_letter() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a")]);
    let since = desk.now;
    let mut waits = Vec::new();
    let mut local = true;
    let commit = loop {
        // Noticed before it goes into a commit, or by the store: it is the same.
        if local {
            desk.finish(1, Outcome::Conflict);
        } else {
            desk.finish(1, Outcome::Done);
            desk.reply(changed(&[1]));
        }
        local = !local;
        if let Some(commit) = desk.commits.first() {
            break commit.clone();
        }
        let wait = desk.handler.next_wake().map_or(0, |at| at - desk.now);
        waits.push(wait);
        desk.pass(wait);
    };
    assert_eq!(waits[0], 0);
    for (wait, most) in waits[1..].iter().zip([10, 20, 40, 80, 160, 320, 640, 1_000, 1_000]) {
        assert!((most / 2..=most * 3 / 2).contains(wait), "{waits:?}");
    }
    assert!(desk.now - since <= rules().retry.for_ms && desk.now - since + 1_500 > rules().retry.for_ms);
    let Change::Dead { attempts, cause, report } = commit.rows[0].change else { panic!("{commit:?}") };
    assert_eq!((attempts.made, cause, report.is_some()), (1, Cause::Conflict, true));
}

#[test]
fn an_attempt_between_conflicts_begins_them_anew() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a")]);
    desk.finish(1, Outcome::Conflict);
    desk.finish(1, Outcome::Conflict);
    assert!(desk.take_started().is_empty(), "the second one waits");
    desk.pass(15);
    desk.finish(1, RETRY);
    desk.commit_all();
    desk.pass(500);
    assert_eq!(desk.started[0].attempt, 2);
    desk.finish(1, Outcome::Conflict);
    assert_eq!(desk.take_started(), [1], "at once");
}

#[test]
fn a_parked_event_in_vain_runs_again_and_stays_parked_until_it_is_settled() {
    let mut desk = Desk::unclaimed(rules());
    let claimed = Claimed { lanes: vec![lane("a", 1, 0, false)], ..super::desk::fresh(1) };
    desk.feed(Input::Claimed(Claimed { progress: parked_one(), ..claimed }));
    desk.load(vec![stored(1)]);
    desk.finish(1, Outcome::Done);
    desk.reply(changed(&[1]));
    assert!(desk.commits.is_empty());
    assert_eq!(desk.take_started(), [1]);
    desk.finish(1, Outcome::Done);
    let commit = desk.reply(CommitReply::Done);
    assert_eq!((rows(&commit), commit.progress.books.parked, commit.progress.books.done), (vec![(1, "done")], 0, 1));
}

fn parked_one() -> lanes::Progress {
    let mut progress = lanes::Progress { floor: 1, ..lanes::Progress::default() };
    progress.books.parked = 1;
    progress
}

#[test]
fn an_event_that_is_given_up_after_conflicts_holds_its_lane() {
    let mut desk =
        Desk::new(Rules { on_dead: OnDead::Hold, retry: lanes::Retry { for_ms: 0, ..rules().retry }, ..rules() });
    desk.deliver([event(1, "a"), event(2, "a")]);
    desk.finish(1, Outcome::Done);
    desk.reply(changed(&[1]));
    desk.pass(5);
    // The one behind it began on what was in vain.
    desk.finish(2, Outcome::Done);
    desk.finish(1, Outcome::Done);
    desk.reply(changed(&[1]));
    let commit = desk.reply(CommitReply::Done);
    assert_eq!((rows(&commit), commit.lanes.clone()), (vec![(1, "dead")], vec![held("a")]));
    desk.finish(2, Outcome::Done);
    let commits = desk.commit_all();
    assert_eq!(rows(&commits[0]), [(2, "parked")], "what it brings was in vain, and it waits for the operator");
    assert!(desk.take_started().is_empty());
}

#[test]
fn conflicts_are_nothing_to_the_breaker() {
    let breaker = lanes::Breaker { keys: 1.try_into().unwrap(), initial_ms: 1_000, max_ms: 1_000 };
    let mut desk = Desk::new(Rules { breaker: Some(breaker), ..rules() });
    desk.deliver([event(1, "a")]);
    desk.finish(1, Outcome::Conflict);
    assert_eq!(desk.take_started(), [1]);
}
