//! Attempts: what is recorded, counted and announced.

use std::num::NonZeroU32;

use lanes::{AttemptState, Cause, Change, Crash, Outcome, Retry, Rules};

use super::desk::{Desk, RETRY, event, rows, rules, wish};

const TRAP: Outcome = Outcome::Crash(Crash::Trap);

fn cause(change: &Change<&str>) -> Cause {
    let Change::Dead { cause, .. } = change else { panic!("not dead") };
    *cause
}

#[test]
fn the_next_attempt_begins_after_the_failed_one_was_handed_to_a_commit() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a"), event(2, "b")]);
    desk.finish(2, Outcome::Done);
    desk.finish(1, RETRY);
    assert_eq!(rows(&desk.commits[0]), [(2, "done")]);
    desk.pass(1_000);
    assert!(desk.started.is_empty(), "the failed attempt is in no commit yet");
    desk.reply(lanes::CommitReply::Done);
    assert_eq!(rows(&desk.commits[0]), [(1, "failed")]);
    assert_eq!(desk.take_started(), [1], "it need not be answered");
}

#[test]
fn a_failed_attempt_leaves_the_floor_where_it_is() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a")]);
    desk.finish(1, RETRY);
    let commits = desk.commit_all();
    assert_eq!(rows(&commits[0]), [(1, "failed")]);
    assert_eq!(desk.floor(), 0);
}

#[test]
fn waits_double_up_to_the_longest() {
    let mut desk = Desk::new(Rules { retry: Retry { max_ms: 3_000, ..rules().retry }, ..rules() });
    desk.deliver([event(1, "a")]);
    let mut waits = Vec::new();
    for _ in 0..5 {
        desk.finish(1, RETRY);
        desk.commit_all();
        let wake = desk.handler.next_wake().unwrap();
        waits.push(wake - desk.now);
        desk.pass(wake - desk.now);
    }
    assert_eq!(waits, [500, 1_000, 2_000, 3_000, 3_000]);
}

#[test]
fn crashes_are_counted_by_themselves_and_end_as_a_dead_letter() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a")]);
    for outcome in [RETRY, TRAP, RETRY, TRAP] {
        desk.finish(1, outcome);
        desk.commit_all();
        desk.pass(5_000);
    }
    desk.finish(1, TRAP);
    let commit = desk.commit_all().pop().unwrap();
    let Change::Dead { attempts, cause, report } = &commit.rows[0].change else { panic!("not dead") };
    assert_eq!((attempts.made, attempts.crashes, attempts.retries), (5, 3, 2));
    assert_eq!((*cause, *report), (Cause::Crashed(Crash::Trap), Some("report")));
    assert_eq!(desk.floor(), 1);
    assert_eq!(desk.handler.books(0).unwrap().books.dead, 1);
}

#[test]
fn retries_end_with_the_time_allowed_and_the_last_one_is_announced() {
    let mut desk = Desk::new(Rules { retry: Retry { for_ms: 2_000, ..rules().retry }, ..rules() });
    desk.deliver([event(1, "a")]);
    let mut announced = Vec::new();
    let dead = loop {
        announced.push(desk.started[0].is_final);
        desk.finish(1, RETRY);
        if let Some(commit) = desk.commit_all().pop()
            && rows(&commit) == [(1, "dead")]
        {
            break commit;
        }
        desk.pass(desk.handler.next_wake().unwrap() - desk.now);
    };
    assert_eq!(cause(&dead.rows[0].change), Cause::RetriesExhausted);
    assert_eq!(announced, [false, false, true], "0, 500 and 1500 ms; the next one would be at 3500");
}

#[test]
fn a_permanent_failure_is_dead_at_once_and_the_lane_goes_on() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a"), event(2, "a")]);
    desk.finish(1, Outcome::Permanent);
    assert_eq!(desk.take_started(), [2]);
    assert_eq!(cause(&desk.commits[0].rows[0].change), Cause::Permanent);
}

#[test]
fn the_handlers_wish_is_the_wait() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a")]);
    desk.finish(1, wish(1_234));
    desk.commit_all();
    assert_eq!(desk.handler.next_wake(), Some(desk.now + 1_234));
}

#[test]
fn a_failure_of_the_host_is_no_attempt() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a"), event(2, "a")]);
    desk.finish(1, Outcome::HostFailed);
    assert!(desk.commits.is_empty(), "nothing is recorded");
    assert!(desk.started.is_empty(), "not at once, and not the next one");
    desk.pass(1_000);
    assert_eq!((desk.started[0].seq, desk.started[0].attempt), (1, 1));
}

#[test]
fn jitter_spreads_the_waits_of_a_seed_always_alike() {
    let waits = || {
        let retry = Retry { jitter: 0.2, ..rules().retry };
        let concurrency = NonZeroU32::new(50).unwrap();
        let mut desk = Desk::new(Rules { retry, concurrency, ..rules() });
        desk.deliver((1..=50).map(|seq| event(seq, &format!("k{seq}"))));
        (1..=50).for_each(|seq| desk.finish(seq, RETRY));
        let commits = desk.commit_all();
        let rows = commits.iter().flat_map(|commit| &commit.rows);
        let wait = |change: &Change<&str>| match change {
            Change::Failed { attempts: AttemptState { next_at, .. }, .. } => next_at - 1_000_000,
            _ => panic!("not failed"),
        };
        rows.map(|row| wait(&row.change)).collect::<Vec<_>>()
    };
    let once = waits();
    assert_eq!(once, waits());
    assert_eq!(once.len(), 50);
    assert!(once.iter().all(|wait| (400..=600).contains(wait)), "{once:?}");
    assert!(once.iter().any(|&wait| wait < 460) && once.iter().any(|&wait| wait > 540), "{once:?}");
}
