//! What rows of one commit come to, by hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use lanes::{Identity, Origin, Seq, Settled};

use super::*;
use crate::{Event, Headers, Report};

fn bucket(contended: bool) -> Bucket {
    Bucket { name: "usage".into(), contended }
}

fn spot(key: &str) -> Spot {
    Spot { bucket: bucket(true), space: "".into(), key: key.into() }
}

/// An invocation with its stamp, the versions that it read, and the keys that it set.
fn row(seq: Seq, stamp: i64, reads: &[(&str, i64)], writes: &[&str]) -> Row {
    let keyvalue = Keyvalue {
        stamp,
        reads: reads.iter().map(|(key, version)| (spot(key), *version)).collect(),
        writes: writes
            .iter()
            .map(|key| Write { spot: spot(key), value: Some(Bytes::from_static(b"v")), ttl_ms: None })
            .collect(),
        lists: Vec::new(),
    };
    of_keyvalue(seq, keyvalue)
}

fn of_keyvalue(seq: Seq, keyvalue: Keyvalue) -> Row {
    let identity = Identity { project: "default".into(), created: 0, id: format!("EV_{seq}").into() };
    let event = Event {
        seq,
        project: "default".into(),
        kind: "room_started".into(),
        headers: Headers::default(),
        body: Bytes::new(),
        identity: identity.clone(),
        key: "room".into(),
        received_at_ms: 0,
    };
    let report = Some(Arc::new(Report { keyvalue, ..Report::default() }));
    let change = Change::Settled { state: Settled::Done, attempt: 1, report };
    Row { seq, identity, key: "room".into(), origin: Origin::Stream, change, event: Arc::new(event) }
}

fn lists(seq: Seq, changes: i64) -> Row {
    of_keyvalue(seq, Keyvalue { stamp: 9, lists: vec![(bucket(true), changes)], ..Keyvalue::default() })
}

#[test]
fn a_key_is_checked_by_what_the_first_one_read_and_left_as_the_last_one_wrote() {
    let rows = [row(1, 10, &[("a", 5)], &["a"]), row(2, 20, &[("a", 10), ("b", 0)], &["a"])];
    let net = Net::of(&rows).unwrap();
    assert_eq!(net.seen, BTreeMap::from([(&spot("a"), 5), (&spot("b"), 0)]));
    let last: Vec<_> = net.last.iter().map(|(spot, (_, stamp))| (&*spot.key, *stamp)).collect();
    assert_eq!(last, [("a", 20)]);
}

#[test]
fn rows_that_read_what_an_earlier_one_changed_contradict_it() {
    assert!(Net::of(&[row(1, 10, &[("a", 5)], &["a"]), row(2, 20, &[("a", 5)], &[])]).is_none());
    assert!(Net::of(&[row(1, 10, &[("a", 5)], &[]), row(2, 20, &[("a", 6)], &[])]).is_none());
    assert!(Net::of(&[row(1, 10, &[], &["a"]), lists(2, 1)]).is_none());
    assert!(Net::of(&[lists(1, 1), row(2, 20, &[], &["a"])]).is_some(), "who listed before saw all there was");
    assert!(Net::of(&[row(1, 10, &[("a", 5)], &["a"]), row(2, 20, &[("a", 5)], &[])][..1]).is_some());
}

#[test]
fn those_in_vain_are_named_with_all_that_follows_from_it() {
    let rows = [
        row(1, 10, &[("a", 5)], &["a"]),
        row(2, 20, &[("a", 10)], &["b"]),
        row(3, 30, &[("c", 7)], &["c"]),
        row(4, 40, &[("c", 30)], &["c"]),
        row(5, 50, &[("c", 7)], &[]),
        lists(6, 3),
    ];
    let rows: Vec<&Row> = rows.iter().collect();
    // Somebody has changed `a` meanwhile.
    let (a, c, usage) = (spot("a"), spot("c"), bucket(true));
    let current = Current { versions: [(&a, 6), (&c, 7)].into(), changes: [(&usage, 3)].into() };
    let seqs: Vec<Seq> = in_vain(&rows, current).iter().map(|conflict| conflict.seq).collect();
    assert_eq!(seqs, [1, 2, 5, 6]);
}

#[test]
fn only_contended_buckets_are_written_one_after_another() {
    let mut other = row(1, 10, &[], &["a"]);
    let quiet = Write {
        spot: Spot { bucket: bucket(false), space: "room".into(), key: "k".into() },
        value: None,
        ttl_ms: None,
    };
    let rows = [of_keyvalue(1, Keyvalue { stamp: 1, writes: vec![quiet], ..Keyvalue::default() })];
    assert!(contended(&rows).is_empty());
    other.seq = 2;
    assert_eq!(contended(&[other]), BTreeSet::from([&bucket(true)]));
}
