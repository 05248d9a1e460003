//! PostgreSQL alone: several runners that share a store.

use lanes::{CommitReply, Conflict, ConflictKind, Origin, Suspect};
use sqlx::{Connection as _, PgConnection};
use store::{Bucket, Error, LIVE, OutboxPage, OutboxSpan, Owner, Sending, Spot};
use testkit::{Fault, FaultProxy, PostgresServer};

use crate::world::{
    HANDLER, claiming, commit, done, done_with, done_with_keys, effect, keys, member, owner_of, parked, progress, row,
    row_of,
};

type World = crate::world::World<true>;

#[tokio::test]
async fn what_one_owns_the_other_cannot_have_until_it_is_released() {
    let world = World::new().await;
    let other = world.another().await;
    world.store.beat(&member("a")).await.unwrap();
    let fleet = other.beat(&member("b")).await.unwrap();
    assert_eq!(fleet.members, [member("a"), member("b")]);
    let owner = owner_of(&world.store.claim(claiming("a", 0)).await.unwrap().claimed);
    let refused = other.claim(claiming("b", 0)).await.unwrap_err();
    assert!(matches!(refused, Error::Taken { shard: 0, .. }), "{refused}");
    assert!(refused.to_string().contains(HANDLER), "{refused}");
    let taken = other.beat(&member("b")).await.unwrap().taken;
    assert_eq!(taken, [((HANDLER.to_owned(), 0), "a".to_owned())].into());

    let news = other.changed();
    world.release(&owner).await.unwrap();
    tokio::time::timeout(std::time::Duration::from_mins(1), news.notified()).await.unwrap();
    assert!(other.beat(&member("b")).await.unwrap().taken.is_empty());
    let claim = other.claim(claiming("b", 0)).await.unwrap();
    assert_eq!((claim.claimed.epoch, claim.claimed.suspects), (2, vec![]));
    assert_eq!(world.put(&owner, vec![row(1, Origin::Stream, done())]).await, CommitReply::Lost);
}

#[tokio::test]
async fn a_claimer_that_looked_at_the_stream_before_another_went_on_looks_again_and_resets_nothing() {
    let world = World::new().await;
    let other = world.another().await;
    world.store.beat(&member("a")).await.unwrap();
    other.beat(&member("b")).await.unwrap();
    let owner = owner_of(&world.store.claim(claiming("a", 0)).await.unwrap().claimed);
    let mut stale = claiming("b", 0);
    stale.stream.last_seq = 2;
    let rows = (1..=5).map(|seq| row(seq, Origin::Stream, done())).collect();
    assert_eq!(world.put(&owner, rows).await, CommitReply::Done);
    world.release(&owner).await.unwrap();

    let refused = other.claim(stale.clone()).await.unwrap_err();
    assert!(matches!(refused, Error::Stale { shard: 0, .. }), "{refused}");
    let claim = other.claim(claiming("b", 0)).await.unwrap();
    assert_eq!((claim.reset, claim.claimed.progress.floor), (None, 5));
    // It has owned the shard all the time since: if the stream ends earlier now, it was restored.
    let reset = other.claim(stale).await.unwrap().reset.unwrap();
    assert!(reset.contains("ends at sequence 2"), "{reset}");
}

#[tokio::test]
async fn pages_of_the_outbox_tell_when_a_shard_changed_hands_between_them() {
    let world = World::new().await;
    let other = world.another().await;
    world.store.beat(&member("a")).await.unwrap();
    other.beat(&member("b")).await.unwrap();
    let first = owner_of(&world.store.claim(claiming("a", 0)).await.unwrap().claimed);
    let second = owner_of(&other.claim(claiming("b", 1)).await.unwrap().claimed);
    // Of shard 0 a message before that of shard 1, and one after it.
    for (store, owner, seq, id) in
        [(&world.store, &first, 1, "EV_1"), (&other, &second, 1, "EV_2"), (&world.store, &first, 2, "EV_3")]
    {
        let rows = vec![row_of(seq, id, Origin::Stream, done_with(vec![effect("a", "m")]))];
        assert_eq!(store.commit(owner, commit(owner, progress(seq), rows)).await, CommitReply::Done);
    }
    let page = other.outbox_waiting(0, 9).await.unwrap();
    assert_eq!(page.rows.len(), 1);
    assert_eq!(other.outbox_waiting(0, 9).await.unwrap(), page, "nothing changed hands");
    world.release(&first).await.unwrap();
    other.claim(claiming("b", 0)).await.unwrap();
    let next = other.outbox_waiting(page.rows[0].id, 9).await.unwrap();
    assert_eq!(next.rows.len(), 1, "the second message of shard 0, whose first one is in no page");
    assert_ne!(next.owned, page.owned);
    assert_eq!(other.outbox_waiting(0, 9).await.unwrap().rows.len(), 3);
}

#[tokio::test]
async fn a_page_of_the_outbox_ends_where_many_are_others_and_the_next_goes_on_from_there() {
    let world = World::new().await;
    let other = world.another().await;
    world.store.beat(&member("a")).await.unwrap();
    other.beat(&member("b")).await.unwrap();
    let first = owner_of(&world.store.claim(claiming("a", 0)).await.unwrap().claimed);
    let second = owner_of(&other.claim(claiming("b", 1)).await.unwrap().claimed);
    let many = done_with((0..5_000).map(|_| effect("a", "m")).collect());
    for (store, owner, id, change) in
        [(&world.store, &first, "EV_1", many), (&other, &second, "EV_2", done_with(vec![effect("a", "m")]))]
    {
        let rows = vec![row_of(1, id, Origin::Stream, change)];
        assert_eq!(store.commit(owner, commit(owner, progress(1), rows)).await, CommitReply::Done);
    }
    let (mut from, mut pages) = (OutboxSpan::from(0), Vec::new());
    loop {
        let page = other.outbox_waiting(from, 512).await.unwrap();
        pages.push(page.rows.len());
        let Some(next) = page.next else { break };
        assert!(next.after > from.after);
        from = next;
    }
    assert_eq!(pages, [0, 0, 1]);
    // A page that is full says by its last row where it ends.
    let full = world.store.outbox_waiting(0, 512).await.unwrap();
    assert_eq!((full.rows.len(), full.next.map(|next| next.after)), (512, full.rows.last().map(|row| row.id)));
}

#[tokio::test]
async fn a_list_of_the_outbox_has_nothing_behind_what_was_seen_when_it_began() {
    const INSERT: &str = "
        insert into outbox (handler_id, run, shard, queued_at, key, subject, msg_id, headers, body)
        select handler_id, run, shard, queued_at, key, subject, $1, headers, body from outbox order by id limit 1";
    let world = World::new().await;
    let owner = world.own().await;
    world.put_done(&owner, vec![row(1, Origin::Stream, done_with(vec![effect("a", "m")]))]).await;
    let (mut slow, mut quick) = (world.database().await, world.database().await);
    let commit = async |conn: &mut PgConnection, id: &str| sqlx::query(INSERT).bind(id).execute(conn).await.map(drop);
    // A commit that has its place and is not through yet, and two of other shards that are.
    let mut unseen = slow.begin().await.unwrap();
    commit(&mut unseen, "unseen").await.unwrap();
    commit(&mut quick, "other").await.unwrap();
    commit(&mut quick, "another").await.unwrap();
    let whole = world.outbox_waiting(0, 9).await.unwrap();
    let part = world.outbox_waiting(0, 2).await.unwrap();
    let ids = |page: &OutboxPage| page.rows.iter().map(|row| row.msg_id.clone()).collect::<Vec<_>>();
    assert_eq!(
        (ids(&whole), whole.next),
        (vec!["default/billing/EV_1/0".into(), "other".into(), "another".into()], None)
    );
    assert_eq!(ids(&part), ["default/billing/EV_1/0", "other"]);
    // It is through, and so is the next one of its shard.
    unseen.commit().await.unwrap();
    commit(&mut quick, "after the unseen").await.unwrap();
    let next = world.outbox_waiting(part.next.unwrap(), 9).await.unwrap();
    assert_eq!((ids(&next), next.next), (vec!["another".into()], None), "nothing goes past what was not seen");
    let again = ids(&world.outbox_waiting(0, 9).await.unwrap());
    assert_eq!(again[1..], ["unseen", "other", "another", "after the unseen"]);
}

#[tokio::test]
async fn a_runner_that_does_not_tell_that_it_lives_is_buried_and_fenced() {
    let world = World::new().await;
    let other = world.another().await;
    world.store.beat(&member("a")).await.unwrap();
    let hold = world.store.hold();
    let owner = owner_of(&world.store.claim(claiming("a", 0)).await.unwrap().claimed);
    world.mark(&owner, &[1, 2]).written().await;
    assert!(hold.is_good());

    world.expire_all_but("b").await;
    let fleet = other.beat(&member("b")).await.unwrap();
    assert_eq!((fleet.buried, fleet.members), (vec!["a".to_owned()], vec![member("b")]));
    let claim = other.claim(claiming("b", 0)).await.unwrap();
    let suspects = [1, 2].map(|seq| Suspect { seq, deaths: 1, lone_deaths: 0 });
    assert_eq!(claim.claimed.suspects, suspects);
    assert_eq!(world.put(&owner, vec![row(1, Origin::Stream, done())]).await, CommitReply::Lost);
    assert!(matches!(world.release(&owner).await, Err(Error::Lost { .. })));

    // It wakes up: its next beat tells it that it was buried, and what it held is gone for good.
    world.store.beat(&member("a")).await.unwrap();
    assert!(!hold.is_good() && world.store.hold().is_good());
    assert!(matches!(world.store.claim(claiming("a", 0)).await, Err(Error::Taken { .. })));
}

#[tokio::test]
async fn a_runner_whose_lease_ran_out_claims_nothing() {
    let world = World::new().await;
    assert!(matches!(world.store.claim(claiming("a", 0)).await, Err(Error::Taken { .. })), "it has told nothing yet");
    world.store.beat(&member("a")).await.unwrap();
    world.expire_all_but("nobody").await;
    assert!(matches!(world.store.claim(claiming("a", 0)).await, Err(Error::Taken { .. })));
}

#[tokio::test]
async fn a_runner_that_leaves_leaves_nothing_behind_it() {
    let world = World::new().await;
    let other = world.another().await;
    other.beat(&member("b")).await.unwrap();
    world.store.beat(&member("a")).await.unwrap();
    let hold = world.store.hold();
    world.store.claim(claiming("a", 0)).await.unwrap();
    world.store.leave("a").await.unwrap();
    assert!(!hold.is_good());
    let fleet = other.beat(&member("b")).await.unwrap();
    assert_eq!((fleet.members, fleet.taken.len()), (vec![member("b")], 0));
    assert_eq!(other.claim(claiming("b", 0)).await.unwrap().claimed.epoch, 2);
}

#[tokio::test]
async fn one_lost_epoch_takes_nothing_of_its_neighbours_along() {
    let world = World::new().await;
    let (kept, lost) = (world.claim_as("a", 0).await, world.claim_as("a", 1).await);
    let (kept, lost) = (owner_of(&kept.claimed), owner_of(&lost.claimed));
    world.execute("update progress set epoch = epoch + 1 where shard = 1").await;
    let rows = |shard: u64| vec![row_of(1, &format!("EV_{shard}"), Origin::Stream, done_with(vec![effect("a", "x")]))];
    let (first, second) = tokio::join!(
        world.store.commit(&kept, commit(&kept, progress(1), rows(0))),
        world.store.commit(&lost, commit(&lost, progress(1), rows(1))),
    );
    assert_eq!((first, second), (CommitReply::Done, CommitReply::Lost));
    assert_eq!(world.count("select count(*) from ledger").await, 1);
    assert_eq!(world.count("select count(*) from outbox").await, 1);
}

#[tokio::test]
async fn only_the_owner_of_a_shard_sends_its_messages() {
    let world = World::new().await;
    let other = world.another().await;
    world.store.beat(&member("a")).await.unwrap();
    other.beat(&member("b")).await.unwrap();
    let mine = owner_of(&world.store.claim(claiming("a", 0)).await.unwrap().claimed);
    let theirs = owner_of(&other.claim(claiming("b", 1)).await.unwrap().claimed);
    for (store, owner) in [(&world.store, &mine), (&other, &theirs)] {
        let id = format!("EV_{}", owner.shard);
        let rows = vec![row_of(1, &id, Origin::Stream, done_with(vec![effect("a", &id)]))];
        assert_eq!(store.commit(owner, commit(owner, progress(1), rows)).await, CommitReply::Done);
    }
    let ids = async |store: &store::Store| {
        let rows = store.outbox_waiting(0, 10).await.unwrap().rows;
        rows.into_iter().map(|row| row.msg_id).collect::<Vec<_>>()
    };
    let (first, second) = ("default/billing/EV_0/0".to_owned(), "default/billing/EV_1/0".to_owned());
    assert_eq!((ids(&world.store).await, ids(&other).await), (vec![first.clone()], vec![second.clone()]));

    // Before it is sent, the shard goes to the other one.
    let id = world.outbox_waiting(0, 1).await.unwrap().rows[0].id;
    world.release(&mine).await.unwrap();
    other.claim(claiming("b", 0)).await.unwrap();
    let sending = [Sending { id, stream: "A".into(), last_seq: 1 }];
    assert!(world.outbox_sending(&sending, 5).await.unwrap().is_empty(), "it is not ours any more");
    assert_eq!(ids(&other).await, [first, second]);
    assert!(other.outbox_sending(&sending, 5).await.unwrap().contains(&id));
}

#[tokio::test]
async fn messages_of_a_handler_that_nobody_runs_any_more_are_sent_by_the_first_runner() {
    let world = World::new().await;
    let other = world.another().await;
    world.store.beat(&member("a")).await.unwrap();
    other.beat(&member("b")).await.unwrap();
    let owner = owner_of(&other.claim(claiming("b", 0)).await.unwrap().claimed);
    let rows = vec![row(1, Origin::Stream, done_with(vec![effect("a", "x")]))];
    assert_eq!(other.commit(&owner, commit(&owner, progress(1), rows)).await, CommitReply::Done);
    other.release(&owner).await.unwrap();
    assert_eq!(other.outbox_waiting(0, 9).await.unwrap().rows.len(), 0);
    assert_eq!(world.outbox_waiting(0, 9).await.unwrap().rows.len(), 1);
}

#[tokio::test]
async fn a_server_that_comes_back_is_written_to_again_and_what_was_answered_is_there() {
    let server = PostgresServer::start().await.unwrap();
    let url = server.database().await.unwrap();
    let store = store::Store::open(&url, &event::Prefix::default()).await.unwrap();
    store.beat(&member("a")).await.unwrap();
    let owner = owner_of(&store.claim(claiming("a", 0)).await.unwrap().claimed);
    let put = async |owner: &Owner, seq: u64, change| {
        store.commit(owner, commit(owner, progress(seq), vec![row(seq, Origin::Stream, change)])).await
    };
    assert_eq!(put(&owner, 1, done()).await, CommitReply::Done);
    server.kill().await.unwrap();
    assert_eq!(put(&owner, 2, done()).await, CommitReply::Unavailable);
    server.restart().await.unwrap();
    let until = std::time::Instant::now() + std::time::Duration::from_mins(1);
    loop {
        match put(&owner, 2, parked(1)).await {
            CommitReply::Done => break,
            reply => assert!(std::time::Instant::now() < until, "{reply:?}"),
        }
    }
    assert_eq!(store.load(HANDLER, LIVE, 0, "room", 0, 9).await.unwrap().len(), 1);
    assert_eq!(store.books().await.unwrap()[0].progress.floor, 2);
}

#[tokio::test]
async fn a_commit_that_the_server_gave_up_is_known_not_to_be_written() {
    let world = World::new().await;
    let owner = world.own().await;
    world.put_done(&owner, vec![row(1, Origin::Stream, done())]).await;
    // The statement waits for a lock; meanwhile its session is ended.
    let held = world.hold_writes().await;
    let (store, of) = (world.store.clone(), owner.clone());
    let commit = commit(&owner, progress(2), vec![row(2, Origin::Stream, done_with(vec![effect("a", "x")]))]);
    let waiting = tokio::spawn(async move { store.commit(&of, commit).await });
    let blocked =
        "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
    testkit::wait_until(std::time::Duration::from_mins(1), "a commit that waits", || async {
        world.count(blocked).await == 1
    })
    .await
    .unwrap();
    let end = "
        select pg_terminate_backend(pid) from pg_stat_activity
        where wait_event_type = 'Lock' and datname = current_database()";
    world.execute(end).await;
    held.end().await;
    assert_eq!(waiting.await.unwrap(), CommitReply::Unavailable);
    world.put_done(&owner, vec![row(2, Origin::Stream, done_with(vec![effect("a", "x")]))]).await;
    assert_eq!(world.count("select count(*) from outbox").await, 1);
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_asked_about_before_anything_is_sent_again() {
    let server = PostgresServer::shared().await.unwrap();
    let proxy = FaultProxy::start(server.port()).await.unwrap();
    let url = server.database_at(proxy.address()).await.unwrap();
    let store = store::Store::open(&url, &event::Prefix::default()).await.unwrap();
    store.beat(&member("a")).await.unwrap();
    let owner = owner_of(&store.claim(claiming("a", 0)).await.unwrap().claimed);
    let of =
        |seq: u64| commit(&owner, progress(seq), vec![row(seq, Origin::Stream, done_with(vec![effect("a", "x")]))]);
    assert_eq!(store.commit(&owner, of(1)).await, CommitReply::Done);

    proxy.set(Fault::SwallowAnswers);
    let (of_store, of_owner, second) = (store.clone(), owner.clone(), of(2));
    let waiting = tokio::spawn(async move { of_store.commit(&of_owner, second).await });
    let name = url.rsplit('/').next().unwrap();
    let mut direct =
        PgConnection::connect(&format!("postgres://roomwire@127.0.0.1:{}/{name}", server.port())).await.unwrap();
    let until = std::time::Instant::now() + std::time::Duration::from_mins(1);
    loop {
        let count: i64 = sqlx::query_scalar("select count(*) from ledger").fetch_one(&mut direct).await.unwrap();
        if count == 2 {
            break;
        }
        assert!(std::time::Instant::now() < until, "it is never written");
        tokio::task::yield_now().await;
    }
    proxy.set(Fault::None);
    proxy.cut();
    assert_eq!(waiting.await.unwrap(), CommitReply::Done, "it was written, once");
    assert_eq!(store.commit(&owner, of(3)).await, CommitReply::Done);
    let rows: i64 = sqlx::query_scalar("select count(*) from outbox").fetch_one(&mut direct).await.unwrap();
    assert_eq!(rows, 3);
}

/// Adds one to a shared key until it was added so often, and begins again whenever somebody was faster.
async fn count_up(store: store::Store, owner: Owner, times: u64) -> u64 {
    let key = common("n");
    let (mut added, mut conflicts) = (0, 0);
    while added < times {
        let found = store.kv_get(HANDLER, LIVE, &key).await.unwrap();
        let (number, version) = found.map_or((0, store::ABSENT), |found| {
            (String::from_utf8(found.value.unwrap().to_vec()).unwrap().parse::<u64>().unwrap(), found.version)
        });
        let next = (number + 1).to_string();
        let set = keys(store::new_stamp(), &[(key.clone(), version)], &[(key.clone(), Some(&next))]);
        let id = format!("EV_{}_{added}", owner.shard);
        let rows = vec![row_of(added + 1, &id, Origin::Stream, done_with_keys(set))];
        match store.commit(&owner, commit(&owner, progress(added + 1), rows)).await {
            CommitReply::Done => added += 1,
            reply => {
                let changed = Conflict { seq: added + 1, kind: ConflictKind::Changed };
                assert_eq!(reply, CommitReply::Refused(vec![changed]));
                conflicts += 1;
            }
        }
    }
    conflicts
}

fn common(key: &str) -> Spot {
    Spot { bucket: Bucket { name: "totals".into(), contended: true }, space: "".into(), key: key.into() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_runners_that_change_a_shared_key_at_the_same_time_none_is_forgotten() {
    const TIMES: u64 = 30;
    let world = World::new().await;
    let other = world.another().await;
    world.store.beat(&member("a")).await.unwrap();
    other.beat(&member("b")).await.unwrap();
    let first = owner_of(&world.store.claim(claiming("a", 0)).await.unwrap().claimed);
    let second = owner_of(&other.claim(claiming("b", 1)).await.unwrap().claimed);
    let first = tokio::spawn(count_up(world.store.clone(), first, TIMES));
    let second = tokio::spawn(count_up(other.clone(), second, TIMES));
    let conflicts = first.await.unwrap() + second.await.unwrap();
    let found = other.kv_get(HANDLER, LIVE, &common("n")).await.unwrap().unwrap();
    assert_eq!(found.value.unwrap(), (2 * TIMES).to_string().as_bytes());
    assert!(conflicts > 0, "they came one after another, which shows nothing");
    assert_eq!(world.store.kv_usage(HANDLER, LIVE, "totals").await.unwrap().keys, 1);
}

/// Two runners that each see a key missing and add another one because of it: one of them must be refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_was_not_there_must_still_not_be_there() {
    let world = World::new().await;
    let other = world.another().await;
    world.store.beat(&member("a")).await.unwrap();
    other.beat(&member("b")).await.unwrap();
    let first = owner_of(&world.store.claim(claiming("a", 0)).await.unwrap().claimed);
    let second = owner_of(&other.claim(claiming("b", 1)).await.unwrap().claimed);
    for round in 1..=20 {
        let (one, two) = (common(&format!("{round}-one")), common(&format!("{round}-two")));
        let put = |store: store::Store, owner: Owner, missing: Spot, set: Spot| {
            let keys = keys(store::new_stamp(), &[(missing, store::ABSENT)], &[(set, Some("x"))]);
            let id = format!("EV_{}_{round}", owner.shard);
            let rows = vec![row_of(round, &id, Origin::Stream, done_with_keys(keys))];
            tokio::spawn(async move { store.commit(&owner, commit(&owner, progress(round), rows)).await })
        };
        let replies = [
            put(world.store.clone(), first.clone(), one.clone(), two.clone()),
            put(other.clone(), second.clone(), two, one),
        ];
        let mut done = 0;
        for reply in replies {
            let reply = reply.await.unwrap();
            let changed = CommitReply::Refused(vec![Conflict { seq: round, kind: ConflictKind::Changed }]);
            assert!(reply == CommitReply::Done || reply == changed, "{reply:?}");
            done += i32::from(reply == CommitReply::Done);
        }
        assert_eq!(done, 1, "round {round}");
    }
}
