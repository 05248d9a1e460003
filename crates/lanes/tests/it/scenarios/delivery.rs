//! Deliveries, duplicates, and what never comes.

use lanes::{Delivery, Identity, Input, Known, Verdict};

use super::desk::{Desk, RETRY, event, identity, rows, rules};

fn with(verdict: Verdict, seq: u64) -> Delivery<u64> {
    Delivery { verdict, ..event(seq, "a") }
}

fn copy_of(first: u64, seq: u64) -> Delivery<u64> {
    Delivery { identity: identity(first), ..event(seq, "a") }
}

#[test]
fn sequences_that_are_not_delivered_are_settled_as_filtered() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(4, "a"), event(7, "b")]);
    let commit = desk.commits.first().unwrap();
    assert_eq!((commit.progress.floor, commit.progress.ranges.as_slice()), (3, [(5, 6)].as_slice()));
    assert_eq!(commit.progress.books.filtered, 5);
    assert!(commit.rows.is_empty());
}

#[test]
fn what_is_not_subscribed_to_is_counted_and_what_when_refuses_has_a_row() {
    let mut desk = Desk::new(rules());
    desk.deliver([with(Verdict::NotSubscribed, 1), with(Verdict::Filtered, 2)]);
    let commits = desk.commit_all();
    let all: Vec<_> = commits.iter().flat_map(rows).collect();
    assert_eq!(all, [(2, "filtered")]);
    assert_eq!(desk.handler.books(0).unwrap().books.filtered, 2);
    assert_eq!(desk.floor(), 2);
    assert!(desk.started.is_empty());
}

#[test]
fn a_second_copy_of_an_event_in_memory_is_a_duplicate_at_once() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a"), copy_of(1, 2)]);
    desk.deliver([copy_of(1, 3)]);
    assert_eq!(desk.take_started(), [1]);
    desk.commit_all();
    let books = desk.handler.books(0).unwrap();
    assert_eq!((books.books.duplicate, books.ranges.as_slice()), (2, [(2, 3)].as_slice()));
}

#[test]
fn a_copy_of_an_event_that_is_being_looked_up_is_a_duplicate() {
    let mut desk = Desk::new(rules());
    desk.lookups = Some(Vec::new());
    desk.deliver([event(1, "a")]);
    desk.deliver([copy_of(1, 2)]);
    assert_eq!(desk.lookups, Some(vec![(1, vec![1])]), "nobody asks about the copy");
}

#[test]
fn a_copy_of_an_event_in_the_ledger_is_a_duplicate() {
    let mut desk = Desk::new(rules());
    desk.ledger.insert(identity(1), 1);
    desk.feed(Input::Lost { shard: 0 });
    desk.feed(Input::Claimed(super::desk::fresh(1)));
    desk.deliver([copy_of(1, 2)]);
    desk.commit_all();
    assert!(desk.started.is_empty());
    assert_eq!(desk.handler.books(0).unwrap().books.duplicate, 1);
}

#[test]
fn a_copy_is_a_duplicate_while_the_first_one_waits_is_parked_or_is_dead() {
    for outcome in [RETRY, super::desk::wish(60_000), lanes::Outcome::Permanent] {
        let mut desk = Desk::new(rules());
        desk.deliver([event(1, "a")]);
        desk.finish(1, outcome);
        desk.commit_all();
        desk.deliver([copy_of(1, 2)]);
        desk.commit_all();
        assert!(desk.started.is_empty(), "{outcome:?}");
        assert_eq!(desk.handler.books(0).unwrap().books.duplicate, 1, "{outcome:?}");
    }
}

#[test]
fn the_same_id_with_another_time_of_creation_is_another_event() {
    let mut desk = Desk::new(rules());
    let other = Delivery { identity: Identity { created: 8, ..identity(1) }, ..event(2, "b") };
    desk.deliver([event(1, "a"), other]);
    assert_eq!(desk.take_started(), [1, 2]);
}

#[test]
fn a_gap_in_the_consumers_numbers_makes_a_new_consumer_after_what_arrived() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a"), event(2, "b")]);
    desk.lose(1);
    desk.deliver([event(4, "d"), event(5, "e")]);
    assert_eq!(desk.consumers, [(2, 3)]);
    assert_eq!(desk.take_started(), [1, 2], "the rest of the chunk is dropped");
    desk.deliver([event(3, "c"), event(4, "d")]);
    assert_eq!(desk.take_started(), [1, 2, 3, 4]);
}

#[test]
fn deliveries_of_an_older_incarnation_are_dropped() {
    let mut desk = Desk::new(rules());
    desk.feed(Input::Reconnected { shard: 0 });
    let late = Delivery { consumer_seq: 1, ..event(1, "a") };
    desk.feed(Input::Delivered { shard: 0, incarnation: 1, chunk: vec![late] });
    assert!(desk.started.is_empty());
    assert_eq!(desk.consumers, [(2, 1)]);
}

#[test]
fn look_ups_are_answered_in_order_or_not_at_all() {
    let mut desk = Desk::new(rules());
    desk.lookups = Some(Vec::new());
    desk.deliver([event(1, "a")]);
    desk.deliver([event(2, "a")]);
    let asked = desk.lookups.take().unwrap();
    desk.feed(Input::LookedUp { shard: 0, lookup: asked[1].0, known: Vec::new() });
    assert!(desk.started.is_empty());
    let known = vec![Known { asked: 1, seq: 1 }];
    desk.feed(Input::LookedUp { shard: 0, lookup: asked[0].0, known });
    assert!(desk.started.is_empty(), "1 was settled by an earlier commit");
    desk.feed(Input::LookedUp { shard: 0, lookup: asked[1].0, known: Vec::new() });
    assert_eq!(desk.take_started(), [2]);
}

#[test]
fn a_quiet_consumer_moves_the_floor_to_the_streams_end() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(2, "a")]);
    desk.quiet(9, 1, 0);
    desk.commit_all();
    let books = desk.handler.books(0).unwrap();
    assert_eq!((books.floor, books.ranges.as_slice()), (1, [(3, 9)].as_slice()));
    desk.finish(2, lanes::Outcome::Done);
    desk.commit_all();
    assert_eq!(desk.floor(), 9);
}

#[test]
fn a_consumer_that_has_more_is_not_quiet() {
    let mut desk = Desk::new(rules());
    desk.quiet(9, 0, 1);
    desk.quiet(9, 1, 0);
    assert!(desk.commits.is_empty());
}

#[test]
fn a_delivery_that_does_not_come_is_noticed_at_the_second_look() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a")]);
    desk.quiet(2, 2, 0);
    assert!(desk.consumers.is_empty(), "it may be on its way");
    desk.lose(1);
    desk.quiet(2, 2, 0);
    assert_eq!(desk.consumers, [(2, 2)]);
}

#[test]
fn a_delivery_between_two_looks_begins_the_count_anew() {
    let mut desk = Desk::new(rules());
    desk.quiet(2, 2, 0);
    desk.deliver([event(1, "a")]);
    desk.quiet(2, 2, 0);
    assert!(desk.consumers.is_empty());
    desk.quiet(2, 2, 0);
    assert_eq!(desk.consumers, [(2, 2)]);
}

#[test]
fn the_anchor_is_the_last_known_event_below_the_floor() {
    let mut desk = Desk::new(rules());
    desk.deliver([event(1, "a"), event(2, "b"), event(4, "c")]);
    desk.finish(2, lanes::Outcome::Done);
    desk.finish(1, lanes::Outcome::Done);
    let anchors: Vec<_> = desk.commit_all().into_iter().map(|commit| commit.progress.anchor).collect();
    assert_eq!(anchors.last().unwrap(), &Some((2, "EV_2".into())), "3 never came, 4 still runs");
}
