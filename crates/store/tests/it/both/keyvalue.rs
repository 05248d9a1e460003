//! Keys: written with the event that they come from or not at all, and only if what was read still stands.

use lanes::{CommitReply, Conflict, ConflictKind, Origin};
use store::{ABSENT, Bucket, Keyvalue, LIVE, Owner, Spot, Usage};

use super::world::{HANDLER, World, claiming, commit, done_with_keys, failed_with_keys, keys, owner_of, progress, row};

fn own(key: &str) -> Spot {
    Spot { bucket: Bucket { name: "usage".into(), contended: false }, space: "default/room".into(), key: key.into() }
}

fn common(key: &str) -> Spot {
    Spot { bucket: Bucket { name: "totals".into(), contended: true }, space: "".into(), key: key.into() }
}

fn changed(seqs: &[u64]) -> CommitReply {
    CommitReply::Refused(seqs.iter().map(|&seq| Conflict { seq, kind: ConflictKind::Changed }).collect())
}

async fn value(world: &World, spot: &Spot) -> Option<String> {
    let found = world.kv_get(HANDLER, LIVE, spot).await.unwrap();
    found.and_then(|found| found.value).map(|value| String::from_utf8(value.to_vec()).unwrap())
}

async fn version(world: &World, spot: &Spot) -> i64 {
    world.kv_get(HANDLER, LIVE, spot).await.unwrap().map_or(ABSENT, |found| found.version)
}

async fn usage(world: &World, bucket: &str) -> (u64, u64) {
    let Usage { keys, bytes } = world.kv_usage(HANDLER, LIVE, bucket).await.unwrap();
    (keys, bytes)
}

#[tokio::test]
async fn keys_are_written_with_the_event_and_outlive_the_process() {
    let world = World::new().await;
    let owner = world.own().await;
    let set = keys(7, &[], &[(own("a"), Some("one")), (own("b"), Some("")), (common("t"), Some("x"))]);
    world.put_done(&owner, vec![row(1, Origin::Stream, done_with_keys(set))]).await;
    let world = world.restart().await;
    assert_eq!(value(&world, &own("a")).await.as_deref(), Some("one"));
    assert_eq!(value(&world, &own("b")).await.as_deref(), Some(""));
    assert_eq!((value(&world, &common("t")).await.as_deref(), version(&world, &common("t")).await), (Some("x"), 7));
    let elsewhere = Spot { space: "default/other".into(), ..own("a") };
    assert_eq!(value(&world, &elsewhere).await, None, "another room has keys of its own");
    assert_eq!(world.kv_get(HANDLER, "replay", &own("a")).await.unwrap(), None, "and so has a replay");
    assert_eq!(world.kv_get("nobody", LIVE, &own("a")).await.unwrap(), None);
}

#[tokio::test]
async fn what_a_bucket_holds_is_counted_through_changes_and_removals() {
    let world = World::new().await;
    let owner = world.own().await;
    let mut seq = 0;
    for (writes, expected) in [
        (vec![(own("a"), Some("12345")), (own("bb"), Some("x"))], (2, 9)),
        (vec![(own("a"), Some("1"))], (2, 5)),
        (vec![(own("a"), None), (own("ccc"), Some("")), (own("never"), None)], (2, 6)),
        (vec![(own("bb"), None), (own("ccc"), None)], (0, 0)),
    ] {
        seq += 1;
        let change = done_with_keys(keys(10 + i64::try_from(seq).unwrap(), &[], &writes));
        world.put_done(&owner, vec![row(seq, Origin::Stream, change)]).await;
        assert_eq!(usage(&world, "usage").await, expected, "{writes:?}");
    }
    assert_eq!(world.count("select count(*) from keyvalue").await, 0);
}

#[tokio::test]
async fn an_attempt_that_failed_leaves_nothing() {
    let world = World::new().await;
    let owner = world.own().await;
    let change = failed_with_keys(keys(7, &[], &[(own("a"), Some("one"))]));
    world.put_done(&owner, vec![row(1, Origin::Stream, change)]).await;
    assert_eq!((value(&world, &own("a")).await, usage(&world, "usage").await), (None, (0, 0)));
}

#[tokio::test]
async fn an_epoch_that_is_over_writes_no_keys() {
    let world = World::new().await;
    let old = world.own().await;
    let _new = world.own().await;
    let set = keys(7, &[], &[(own("a"), Some("one")), (common("t"), Some("x"))]);
    assert_eq!(world.put(&old, vec![row(1, Origin::Stream, done_with_keys(set))]).await, CommitReply::Lost);
    assert_eq!((value(&world, &own("a")).await, value(&world, &common("t")).await), (None, None));
}

#[tokio::test]
async fn who_has_read_what_is_another_by_now_is_refused_and_leaves_nothing() {
    let world = World::new().await;
    let owner = world.own().await;
    let first = keys(7, &[(common("t"), ABSENT)], &[(common("t"), Some("1"))]);
    world.put_done(&owner, vec![row(1, Origin::Stream, done_with_keys(first))]).await;
    // One that still believes that the key is not there, one that has read it as it is, and one without keys.
    let late =
        || row(2, Origin::Stream, done_with_keys(keys(8, &[(common("t"), ABSENT)], &[(own("a"), Some("late"))])));
    let right = || row(3, Origin::Stream, done_with_keys(keys(9, &[(common("t"), 7)], &[(common("t"), Some("2"))])));
    let plain = || row(4, Origin::Stream, super::world::done());
    assert_eq!(world.put(&owner, vec![late(), right(), plain()]).await, changed(&[2]));
    assert_eq!((value(&world, &own("a")).await, version(&world, &common("t")).await), (None, 7));
    world.put_done(&owner, vec![right(), plain()]).await;
    assert_eq!(value(&world, &common("t")).await.as_deref(), Some("2"));
    // A key that was removed meanwhile.
    let removed = keys(10, &[], &[(common("t"), None)]);
    world.put_done(&owner, vec![row(5, Origin::Stream, done_with_keys(removed))]).await;
    let reads = row(6, Origin::Stream, done_with_keys(keys(11, &[(common("t"), 9)], &[])));
    assert_eq!(world.put(&owner, vec![reads]).await, changed(&[6]));
    let reads = row(7, Origin::Stream, done_with_keys(keys(12, &[(common("t"), ABSENT)], &[])));
    world.put_done(&owner, vec![reads]).await;
}

#[tokio::test]
async fn rows_of_one_commit_may_follow_each_other_but_not_ignore_each_other() {
    let world = World::new().await;
    let owner = world.own().await;
    let writes = |stamp, seen: i64, value: &'static str| {
        done_with_keys(keys(stamp, &[(common("t"), seen)], &[(common("t"), Some(value))]))
    };
    let rows = vec![row(1, Origin::Stream, writes(7, ABSENT, "1")), row(2, Origin::Stream, writes(8, 7, "2"))];
    world.put_done(&owner, rows).await;
    assert_eq!((value(&world, &common("t")).await.as_deref(), version(&world, &common("t")).await), (Some("2"), 8));
    let rows = vec![
        row(3, Origin::Stream, writes(9, 8, "3")),
        row(4, Origin::Stream, writes(10, 8, "lost")),
        row(5, Origin::Stream, writes(11, 10, "follows what is lost")),
    ];
    assert_eq!(world.put(&owner, rows).await, changed(&[4, 5]));
    assert_eq!(version(&world, &common("t")).await, 8);
}

#[tokio::test]
async fn who_has_listed_keys_is_refused_once_one_was_added() {
    let world = World::new().await;
    let owner = world.own().await;
    let bucket = common("t").bucket;
    let lists = |stamp, changes| Keyvalue { stamp, lists: vec![(bucket.clone(), changes)], ..Keyvalue::default() };
    let before = world.kv_changes(HANDLER, LIVE, &bucket).await.unwrap();
    world.put_done(&owner, vec![row(1, Origin::Stream, done_with_keys(lists(7, before)))]).await;
    let set = keys(8, &[], &[(common("t"), Some("1"))]);
    world.put_done(&owner, vec![row(2, Origin::Stream, done_with_keys(set))]).await;
    let late = row(3, Origin::Stream, done_with_keys(lists(9, before)));
    assert_eq!(world.put(&owner, vec![late]).await, changed(&[3]));
    let after = world.kv_changes(HANDLER, LIVE, &bucket).await.unwrap();
    world.put_done(&owner, vec![row(4, Origin::Stream, done_with_keys(lists(10, after)))]).await;
}

#[tokio::test]
async fn a_commit_that_is_sent_again_is_not_taken_for_a_conflict() {
    let world = World::new().await;
    let owner = world.own().await;
    let change = || done_with_keys(keys(7, &[(common("t"), ABSENT)], &[(common("t"), Some("1"))]));
    world.put_done(&owner, vec![row(1, Origin::Stream, change())]).await;
    let ours = CommitReply::Refused(vec![Conflict { seq: 1, kind: ConflictKind::AlreadyOurs }]);
    assert_eq!(world.put(&owner, vec![row(1, Origin::Stream, change())]).await, ours);
}

#[tokio::test]
async fn keys_are_listed_in_order_and_by_pages() {
    let world = World::new().await;
    let owner = world.own().await;
    let names = ["b", "a", "ä", "Z", "a b", "c"];
    let writes: Vec<_> = names.iter().map(|name| (own(name), Some("v"))).collect();
    let other = (Spot { space: "default/other".into(), ..own("x") }, Some("v"));
    let set = keys(7, &[], &[writes, vec![other]].concat());
    world.put_done(&owner, vec![row(1, Origin::Stream, done_with_keys(set))]).await;
    let list =
        async |after: &str, limit| world.kv_keys((HANDLER, LIVE), "usage", "default/room", after, limit).await.unwrap();
    assert_eq!(list("", 4).await, ["Z", "a", "a b", "b"]);
    assert_eq!(list("b", 4).await, ["c", "ä"]);
}

#[tokio::test]
async fn a_key_is_there_for_its_time() {
    let world = World::new().await;
    let owner = world.own().await;
    let mut set = keys(7, &[], &[(own("short"), Some("1")), (own("long"), Some("2"))]);
    set.writes[0].ttl_ms = Some(0);
    set.writes[1].ttl_ms = Some(3_600_000);
    world.put_done(&owner, vec![row(1, Origin::Stream, done_with_keys(set))]).await;
    assert_eq!((value(&world, &own("short")).await, version(&world, &own("short")).await), (None, 7));
    assert_eq!(value(&world, &own("long")).await.as_deref(), Some("2"));
    assert_eq!(world.kv_keys((HANDLER, LIVE), "usage", "default/room", "", 9).await.unwrap(), ["long"]);
    assert_eq!(world.kv_sweep(100).await.unwrap(), 1);
    assert_eq!((version(&world, &own("short")).await, usage(&world, "usage").await), (ABSENT, (1, 5)));
    assert_eq!(world.kv_sweep(100).await.unwrap(), 0);
}

/// Adds one to a shared key as often as is asked for, and begins again each time that somebody was faster.
async fn count_up(store: store::Store, owner: Owner, times: u64) -> u64 {
    let (mut seq, mut conflicts, mut stamp) = (0, 0, store::new_stamp());
    while seq < times {
        let found = store.kv_get(HANDLER, LIVE, &common("n")).await.unwrap();
        let (number, version) = found.map_or((0, ABSENT), |found| {
            let text = String::from_utf8(found.value.unwrap().to_vec()).unwrap();
            (text.parse::<u64>().unwrap(), found.version)
        });
        let next = (number + 1).to_string();
        let set = keys(stamp, &[(common("n"), version)], &[(common("n"), Some(&next))]);
        let id = format!("EV_{}_{seq}", owner.shard);
        let rows = vec![super::world::row_of(seq + 1, &id, Origin::Stream, done_with_keys(set))];
        match store.commit(&owner, commit(&owner, progress(seq + 1), rows)).await {
            CommitReply::Done => seq += 1,
            reply => {
                assert_eq!(reply, changed(&[seq + 1]));
                conflicts += 1;
            }
        }
        stamp = store::new_stamp();
    }
    conflicts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_all_who_change_a_shared_key_at_the_same_time_none_is_forgotten() {
    const TIMES: u64 = 15;
    let world = World::new().await;
    let mut counting = Vec::new();
    for shard in 0..4 {
        let claim = world.claim_of(claiming("a", shard)).await.unwrap();
        counting.push(tokio::spawn(count_up(world.store.clone(), owner_of(&claim.claimed), TIMES)));
    }
    let mut conflicts = 0;
    for counts in counting {
        conflicts += counts.await.unwrap();
    }
    assert_eq!(value(&world, &common("n")).await, Some((4 * TIMES).to_string()));
    assert_eq!(usage(&world, "totals").await, (1, 3));
    assert!(conflicts > 0, "they came one after another, which shows nothing");
}
