//! Events that were in flight when the process died.

use lanes::{Cause, Change, Claimed, CommitReply, Input, Mark, Outcome, Suspect};

use super::desk::{Desk, event, fresh, lane, rows, rules, stored};

fn suspect(seq: u64, deaths: u32, lone_deaths: u32) -> Suspect {
    Suspect { seq, deaths, lone_deaths }
}

fn desk(suspects: Vec<Suspect>) -> Desk {
    let mut desk = Desk::unclaimed(rules());
    desk.feed(Input::Claimed(Claimed { suspects, ..fresh(0) }));
    desk
}

#[test]
fn suspects_run_alone_one_at_a_time_until_what_became_of_them_is_committed() {
    let mut desk = desk(vec![suspect(1, 1, 0), suspect(2, 1, 0)]);
    desk.deliver([event(1, "a"), event(2, "b"), event(3, "c")]);
    assert_eq!((desk.take_started(), desk.marks.clone()), (vec![1], vec![Mark::Alone(1)]));
    desk.finish(1, Outcome::Done);
    assert!(desk.started.is_empty(), "its row may still be lost");
    desk.commit_all();
    assert_eq!((desk.take_started(), desk.marks.last().unwrap().clone()), (vec![2], Mark::Alone(2)));
    desk.finish(2, Outcome::Done);
    desk.commit_all();
    assert_eq!((desk.take_started(), desk.marks.last().unwrap().clone()), (vec![3], Mark::Running(vec![3])));
}

#[test]
fn a_suspect_waits_for_what_runs_and_nothing_overtakes_it() {
    let mut desk = desk(vec![suspect(2, 1, 0)]);
    desk.deliver([event(1, "a"), event(2, "b"), event(3, "c")]);
    assert_eq!(desk.take_started(), [1]);
    desk.finish(1, Outcome::Done);
    assert_eq!(desk.take_started(), [2]);
    assert_eq!(desk.marks.last().unwrap(), &Mark::Alone(2));
}

#[test]
fn what_ended_a_lone_run_is_no_suspect_any_more() {
    let mut desk = desk(vec![suspect(1, 2, 1)]);
    desk.deliver([event(1, "a")]);
    desk.finish(1, super::desk::RETRY);
    desk.commit_all();
    desk.pass(500);
    assert_eq!(desk.marks.last().unwrap(), &Mark::Running(vec![1]));
}

#[test]
fn a_failure_of_the_host_does_not_clear_a_suspect() {
    let mut desk = desk(vec![suspect(1, 2, 1)]);
    desk.deliver([event(1, "a"), event(2, "b")]);
    desk.finish(1, Outcome::HostFailed);
    assert_eq!(desk.take_started(), [2], "others need not wait for it");
    desk.finish(2, Outcome::Done);
    desk.pass(1_000);
    assert_eq!(desk.marks.last().unwrap(), &Mark::Alone(1));
}

#[test]
fn after_three_deaths_of_which_two_came_alone_it_does_not_run_again() {
    let mut desk = desk(vec![suspect(1, 3, 2), suspect(2, 9, 1)]);
    desk.deliver([event(1, "a"), event(2, "b")]);
    let commit = desk.commits[0].clone();
    let Change::Dead { cause, report, .. } = commit.rows[0].change else { panic!("not dead") };
    assert_eq!((rows(&commit), cause, report), (vec![(1, "dead")], Cause::ProcessDied, None));
    assert_eq!(desk.take_started(), [2], "deaths in company do not count");
    assert_eq!(desk.marks, [Mark::Alone(2)]);
}

#[test]
fn a_parked_event_may_be_a_suspect() {
    let mut desk = Desk::unclaimed(rules());
    let lanes = vec![lane("a", 1, 0, false)];
    desk.feed(Input::Claimed(Claimed { suspects: vec![suspect(1, 1, 0)], lanes, ..fresh(1) }));
    desk.load(vec![stored(1)]);
    assert_eq!(desk.marks, [Mark::Alone(1)]);
}

#[test]
fn a_suspect_waits_until_nothing_before_it_can_be_taken_back() {
    let mut desk = desk(vec![suspect(2, 3, 2)]);
    desk.deliver([event(1, "a"), event(2, "a")]);
    desk.finish(1, Outcome::Done);
    assert_eq!(rows(&desk.commits[0]), [(1, "done")]);
    desk.reply(CommitReply::Done);
    assert_eq!(rows(&desk.commits[0]), [(2, "dead")]);
}

#[test]
fn a_lost_shard_ends_the_wait_for_its_suspect() {
    let mut desk = desk(vec![suspect(1, 1, 0)]);
    desk.feed(Input::Claimed(Claimed { shard: 1, ..fresh(0) }));
    desk.deliver([event(1, "a")]);
    desk.deliver_to(1, [event(5, "x")]);
    assert_eq!(desk.take_started(), [1]);
    desk.feed(Input::Lost { shard: 0 });
    assert_eq!(desk.take_started(), [1, 5]);
}
