//! The retry policy as a table.

use std::num::NonZeroU32;

use super::*;

fn policy() -> Retry {
    Retry { for_ms: 60_000, initial_ms: 500, max_ms: 10_000, jitter: 0.0, crash_attempts: NonZeroU32::new(3).unwrap() }
}

fn attempt(before: AttemptState) -> Attempt {
    Attempt { before, started: 1_000, ended: 1_250, is_final: false, stopped: 0, conflicts: Conflicts::default() }
}

fn state(made: u32, crashes: u32, retries: u32, first_at: Millis, next_at: Millis) -> AttemptState {
    AttemptState { made, crashes, retries, first_at, next_at }
}

const RETRY: Outcome = Outcome::Retry { after_ms: None };
const TRAP: Outcome = Outcome::Crash(Crash::Trap);

#[test]
fn each_outcome_has_its_class() {
    let table: &[(Outcome, AttemptState, Verdict)] = &[
        (Outcome::Done, state(0, 0, 0, 0, 0), Verdict::Settled(Settled::Done)),
        (Outcome::Done, state(4, 2, 2, 9, 9), Verdict::Settled(Settled::Done)),
        (Outcome::Skipped, state(0, 0, 0, 0, 0), Verdict::Settled(Settled::Skipped)),
        (Outcome::Permanent, state(0, 0, 0, 0, 0), Verdict::Dead(state(1, 0, 0, 1_000, 0), Cause::Permanent)),
        (Outcome::HostFailed, state(2, 1, 1, 600, 900), Verdict::HostAgain(2_250)),
        (RETRY, state(0, 0, 0, 0, 0), Verdict::Again(state(1, 0, 1, 1_000, 1_750))),
        (RETRY, state(1, 0, 1, 600, 900), Verdict::Again(state(2, 0, 2, 600, 2_250))),
        (RETRY, state(2, 1, 1, 600, 900), Verdict::Again(state(3, 1, 2, 600, 2_250))),
        (RETRY, state(40, 0, 40, 600, 900), Verdict::Again(state(41, 0, 41, 600, 11_250))),
        (TRAP, state(0, 0, 0, 0, 0), Verdict::Again(state(1, 1, 0, 1_000, 1_750))),
        (TRAP, state(1, 1, 0, 600, 900), Verdict::Again(state(2, 2, 0, 600, 2_250))),
        (TRAP, state(2, 2, 0, 600, 900), Verdict::Dead(state(3, 3, 0, 600, 900), Cause::Crashed(Crash::Trap))),
        (TRAP, state(9, 0, 9, 600, 900), Verdict::Again(state(10, 1, 9, 600, 1_750))),
        (
            Outcome::Crash(Crash::OutOfMemory),
            state(7, 2, 5, 600, 900),
            Verdict::Dead(state(8, 3, 5, 600, 900), Cause::Crashed(Crash::OutOfMemory)),
        ),
    ];
    for &(outcome, before, verdict) in table {
        assert_eq!(judge(outcome, &attempt(before), &policy(), 0.5), verdict, "{outcome:?} after {before:?}");
    }
}

#[test]
fn the_wish_of_the_handler_is_honoured_up_to_the_longest_wait() {
    for (wish, wait) in
        [(0, 100), (1, 100), (100, 100), (101, 101), (7_000, 7_000), (10_001, 10_000), (u32::MAX, 10_000)]
    {
        let verdict = judge(Outcome::Retry { after_ms: Some(wish) }, &attempt(AttemptState::default()), &policy(), 0.0);
        assert_eq!(verdict, Verdict::Again(state(1, 0, 1, 1_000, 1_250 + wait)), "a wish of {wish} ms");
    }
}

#[test]
fn retries_end_when_the_next_one_would_come_after_the_time_allowed() {
    let policy = Retry { for_ms: 46_000, ..policy() };
    // The third wait is 2 s: the next attempt would begin at 53 s.
    for (first_at, goes_on) in [(1_000, false), (6_999, false), (7_000, true), (50_000, true)] {
        let before = state(2, 0, 2, first_at, 0);
        let attempt = Attempt { started: 50_000, ended: 51_000, ..attempt(before) };
        let after = state(3, 0, 3, first_at, 53_000);
        let expected = if goes_on { Verdict::Again(after) } else { Verdict::Dead(after, Cause::RetriesExhausted) };
        assert_eq!(judge(RETRY, &attempt, &policy, 0.5), expected, "first at {first_at}");
    }
}

#[test]
fn an_attempt_announced_as_the_last_one_is_the_last_one() {
    let last = Attempt { is_final: true, ..attempt(AttemptState::default()) };
    let verdict = judge(Outcome::Retry { after_ms: Some(100) }, &last, &policy(), 0.5);
    assert_eq!(verdict, Verdict::Dead(state(1, 0, 1, 1_000, 1_350), Cause::RetriesExhausted));
    assert!(matches!(judge(TRAP, &last, &policy(), 0.5), Verdict::Again(_)), "crashes have a count of their own");
}

#[test]
fn the_last_attempt_is_known_before_it_runs() {
    for (before, now, last) in [
        (state(0, 0, 0, 0, 0), 1_000, false),
        (state(1, 0, 1, 1_000, 0), 60_000, false),
        (state(1, 0, 1, 1_000, 0), 60_001, true),
        (state(9, 0, 9, 1_000, 0), 51_000, false),
        (state(9, 0, 9, 1_000, 0), 51_001, true),
    ] {
        assert_eq!(is_final(&before, now, 0, &policy()), last, "{before:?} at {now}");
    }
    assert!(is_final(&AttemptState::default(), 5, 0, &Retry { for_ms: 0, ..policy() }), "no time for a second attempt");
}

#[test]
fn jitter_moves_a_wait_both_ways_and_never_above_the_longest() {
    let with = |jitter| Retry { jitter, ..policy() };
    for (wait, jitter, draw, expected) in [
        (1_000, 0.2, 0.0, 800),
        (1_000, 0.2, 0.5, 1_000),
        (1_000, 0.2, 0.999_999, 1_200),
        (10_000, 0.2, 0.999_999, 10_000),
        (1_000, 5.0, 0.0, 0),
        (1_000, f64::NAN, 0.0, 1_000),
        (1_000, -1.0, 0.0, 1_000),
    ] {
        assert_eq!(spread(wait, &with(jitter), draw), expected, "{wait} ms with jitter {jitter} and {draw}");
    }
}

#[test]
fn waits_double_without_overflow() {
    let waits: Vec<Millis> = [1, 2, 3, 4, 5, 6, 60, 64, 65, 66, u32::MAX].map(|n| backoff(&policy(), n)).into();
    assert_eq!(waits, [500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000, 10_000, 10_000, 10_000, 10_000]);
    assert_eq!(backoff(&policy(), 0), 500);
}
