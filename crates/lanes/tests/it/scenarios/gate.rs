//! Pause and rate.

use std::num::{NonZeroU16, NonZeroU32};

use lanes::{Claimed, Input, Mark, Millis, Outcome, Rate, Retry, Rules, Suspect};

use super::desk::{Desk, RETRY, event, fresh, rows, rules, wish};

fn rate(events: u32, per_ms: Millis, shards: u16) -> Rules {
    let (events, shards) = (NonZeroU32::new(events).unwrap(), NonZeroU16::new(shards).unwrap());
    Rules { rate: Some(Rate { events, per_ms, shards }), concurrency: NonZeroU32::new(64).unwrap(), ..rules() }
}

fn pause(desk: &mut Desk) {
    let since = desk.now;
    desk.feed(Input::Pause { since });
}

#[test]
fn a_paused_handler_ends_what_runs_and_starts_and_pulls_nothing() {
    let mut desk = Desk::new(Rules { concurrency: NonZeroU32::new(1).unwrap(), ..rules() });
    desk.deliver([event(1, "a"), event(2, "b")]);
    pause(&mut desk);
    assert!(!desk.handler.wants(0));
    desk.finish(1, Outcome::Done);
    desk.commit_all();
    assert_eq!(desk.floor(), 1);
    desk.pass(100_000);
    assert!(desk.started.is_empty());
    assert_eq!(desk.handler.next_wake(), None, "nothing comes of time alone");
    desk.feed(Input::Resume);
    assert_eq!(desk.take_started(), [2]);
    assert!(desk.handler.wants(0));
}

#[test]
fn a_suspect_does_not_run_alone_either() {
    let mut desk = Desk::unclaimed(rules());
    pause(&mut desk);
    let suspects = vec![Suspect { seq: 1, deaths: 1, lone_deaths: 0 }];
    desk.feed(Input::Claimed(Claimed { suspects, ..fresh(0) }));
    desk.deliver([event(1, "a")]);
    assert!(desk.started.is_empty());
    desk.feed(Input::Resume);
    assert_eq!(desk.marks, [Mark::Alone(1)]);
}

#[test]
fn time_with_the_handler_paused_does_not_count_against_the_time_for_retries() {
    let mut desk = Desk::new(Rules { retry: Retry { for_ms: 10_000, ..rules().retry }, ..rules() });
    desk.deliver([event(1, "a")]);
    desk.finish(1, wish(4_000));
    desk.commit_all();
    pause(&mut desk);
    desk.pass(3_600_000);
    desk.feed(Input::Resume);
    assert!(!desk.started[0].is_final);
    desk.finish(1, wish(4_000));
    assert_eq!(desk.commit_all().iter().flat_map(rows).collect::<Vec<_>>(), [(1, "failed")]);
    desk.pass(4_000);
    desk.finish(1, wish(4_000));
    assert_eq!(desk.commit_all().iter().flat_map(rows).collect::<Vec<_>>(), [(1, "failed")]);
    desk.pass(4_000);
    desk.finish(1, wish(4_000));
    assert_eq!(desk.commit_all().iter().flat_map(rows).collect::<Vec<_>>(), [(1, "dead")], "8 s and 4 more count");
}

#[test]
fn a_pause_and_a_breaker_of_an_earlier_process_do_not_count_either() {
    let mut desk = Desk::unclaimed(Rules { retry: Retry { for_ms: 10_000, ..rules().retry }, ..rules() });
    let now = desk.now;
    desk.feed(Input::Stopped(vec![(now - 80_000, now - 50_000), (now - 60_000, now - 45_000)]));
    desk.feed(Input::Pause { since: now - 40_000 });
    let attempts = lanes::AttemptState { made: 1, retries: 1, first_at: now - 80_000, ..Default::default() };
    desk.feed(Input::Claimed(Claimed { attempts: vec![(1, attempts)], ..fresh(0) }));
    desk.deliver([event(1, "a")]);
    desk.pass(5_000);
    assert!(desk.started.is_empty(), "it is paused");
    desk.feed(Input::Resume);
    assert!(!desk.started[0].is_final, "5 s of 85 are counted");
    desk.finish(1, RETRY);
    assert_eq!(desk.commit_all().iter().flat_map(rows).collect::<Vec<_>>(), [(1, "failed")]);
}

#[test]
fn no_more_start_than_the_rate_says() {
    let mut desk = Desk::new(rate(50, 1_000, 1));
    desk.deliver((1..=200).map(|seq| event(seq, &format!("k{seq}"))));
    let began = desk.now;
    let mut starts = Vec::new();
    while starts.len() < 150 {
        while let Some(seq) = desk.take_started().first().copied() {
            starts.push(desk.now - began);
            desk.finish(seq, Outcome::Done);
            desk.commit_all();
        }
        let wake = desk.handler.next_wake().unwrap();
        assert!(wake > desk.now, "it wakes at once again");
        desk.pass(wake - desk.now);
    }
    assert_eq!(starts.iter().filter(|&&at| at == 0).count(), 6, "one, and a burst of a tenth of a second");
    let last = *starts.last().unwrap();
    assert!((2_800..=3_000).contains(&last), "150 at 50 a second took {last} ms");
}

#[test]
fn a_runner_takes_the_share_of_the_shards_it_owns() {
    let mut desk = Desk::new(rate(10, 1_000, 4));
    let mut spent = 0;
    let mut take = |desk: &mut Desk, first: u64| {
        desk.deliver((first..first + 20).map(|seq| event(seq, &format!("k{seq}"))));
        let began = desk.now;
        while spent < first + 19 {
            let Some(wake) = desk.handler.next_wake() else { break };
            desk.pass(wake - desk.now);
            spent += desk.started.len() as u64;
            for seq in desk.take_started() {
                desk.finish(seq, Outcome::Done);
            }
            desk.commit_all();
        }
        desk.now - began
    };
    let alone = take(&mut desk, 1);
    assert!((7_000..=8_000).contains(&alone), "one of four shards: {alone} ms for 20");
    for shard in 1..4 {
        desk.feed(Input::Claimed(Claimed { shard, ..fresh(0) }));
    }
    let all = take(&mut desk, 21);
    assert!((1_800..=2_400).contains(&all), "all shards: {all} ms for 20");
}

#[test]
fn a_rate_that_is_taken_away_is_gone_at_once() {
    let mut desk = Desk::new(rate(1, 3_600_000, 1));
    desk.deliver([event(1, "a"), event(2, "b")]);
    assert_eq!(desk.take_started(), [1]);
    desk.handler.set_rules(rules());
    assert_eq!(desk.handler.next_wake(), Some(desk.now));
    desk.feed(Input::Tick);
    assert_eq!(desk.take_started(), [1, 2]);
}
