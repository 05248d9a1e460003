//! The outbox: order, ids, and what is noted of each send.

use std::sync::Arc;

use lanes::Origin;
use store::{Sending, Sent};

use super::world::{World, claiming, done, done_with, effect, failed, report, request, row, row_of};

#[tokio::test]
async fn effects_wait_in_commit_order_with_ids_that_never_change() {
    let world = World::new().await;
    let owner = world.own().await;
    let two = done_with(vec![effect("a.one", "1"), effect("a.two", "")]);
    world
        .put_done(&owner, vec![row(2, Origin::Stream, two), row(1, Origin::Stream, done_with(vec![effect("b", "3")]))])
        .await;
    world.put_done(&owner, vec![row(3, Origin::Stream, done_with(vec![effect("c", "4")]))]).await;
    let rows = world.outbox_waiting(0, 100).await.unwrap().rows;
    let told: Vec<_> = rows.iter().map(|row| (row.msg_id.as_str(), row.subject.as_str(), row.body.as_ref())).collect();
    assert_eq!(
        told,
        [
            ("default/billing/EV_2/0", "a.one", b"1".as_slice()),
            ("default/billing/EV_2/1", "a.two", b""),
            ("default/billing/EV_1/0", "b", b"3"),
            ("default/billing/EV_3/0", "c", b"4"),
        ]
    );
    let twice = [("a".to_owned(), "1".to_owned()), ("a".to_owned(), "2".to_owned())];
    assert_eq!(rows[0].headers, twice);
    assert_eq!((&*rows[0].key, rows[0].tries, &rows[0].sent, &rows[0].error), ("room", 0, &None, &None));
    let page = world.outbox_waiting(rows[0].id, 2).await.unwrap().rows;
    assert_eq!(page, rows[1..3]);
    // By their places it is the same rows; what is gone is left out.
    world.outbox_sent(&[rows[2].id]).await.unwrap();
    let some: Vec<_> = world.outbox_rows(&[rows[3].id, rows[2].id, rows[0].id]).await.unwrap();
    assert_eq!(some.iter().map(|row| row.id).collect::<Vec<_>>(), [rows[0].id, rows[3].id]);
    assert_eq!((&some[0].msg_id, &some[0].body), (&rows[0].msg_id, &rows[0].body));
}

#[tokio::test]
async fn of_requests_the_first_of_each_key_and_origin_waits_and_messages_are_apart() {
    let world = World::new().await;
    let owner = world.own().await;
    let mixed = vec![request("https://a.example", "/1"), effect("a", "m"), request("https://b.example", "/2")];
    world.put_done(&owner, vec![row(1, Origin::Stream, done_with(mixed))]).await;
    let again = done_with(vec![request("https://a.example", "/3?x=1")]);
    world.put_done(&owner, vec![row(2, Origin::Stream, again)]).await;
    let lines = async || -> Vec<String> {
        let ids: Vec<i64> = world.requests_waiting(0, 10).await.unwrap().iter().map(|head| head.id).collect();
        let rows = world.requests(&ids).await.unwrap();
        rows.iter().map(|row| format!("{} {}{} {}", row.method, row.origin, row.path, row.id_key)).collect()
    };
    let second = "POST https://b.example/2 default/billing/EV_1/2".to_owned();
    assert_eq!(lines().await, ["POST https://a.example/1 default/billing/EV_1/0".to_owned(), second.clone()]);
    let heads = world.requests_waiting(0, 10).await.unwrap();
    assert_eq!(world.requests_waiting(heads[0].id, 10).await.unwrap(), heads[1..]);
    assert_eq!((&*heads[0].handler, &*heads[0].key, &*heads[0].origin), ("billing", "room", "https://a.example"));
    let rows = world.requests(&[heads[0].id]).await.unwrap();
    assert_eq!((&*rows[0].handler, &*rows[0].key, rows[0].body.as_ref()), ("billing", "room", b"{}".as_slice()));
    assert_eq!((rows[0].headers.len(), rows[0].tries, rows[0].sent_at), (1, 0, None));
    let messages = world.outbox_waiting(0, 10).await.unwrap().rows;
    assert_eq!(messages.iter().map(|row| &*row.subject).collect::<Vec<_>>(), ["a"]);
    world.outbox_sending(&[Sending { id: rows[0].id, stream: String::new(), last_seq: 0 }], 7).await.unwrap();
    world.outbox_unanswered(&[(rows[0].id, "no answer".into())]).await.unwrap();
    let first = world.requests(&[rows[0].id]).await.unwrap().remove(0);
    assert_eq!(
        (first.id, first.tries, first.sent_at, first.error.as_deref()),
        (rows[0].id, 1, Some(7), Some("no answer"))
    );
    world.outbox_sent(&[first.id]).await.unwrap();
    assert_eq!(lines().await, [second, "POST https://a.example/3?x=1 default/billing/EV_2/0".to_owned()]);
}

#[tokio::test]
async fn of_some_lanes_the_first_request_is_asked_for_alone() {
    let world = World::new().await;
    let owner = world.own().await;
    let changes = [("https://a.example", "/1"), ("https://b.example", "/2"), ("https://a.example", "/3")];
    for (seq, (origin, path)) in (1..).zip(changes) {
        world.put_done(&owner, vec![row(seq, Origin::Stream, done_with(vec![request(origin, path)]))]).await;
    }
    // The same origin from another room, whose name has a character that PostgreSQL's texts cannot have.
    let mut other = row(4, Origin::Stream, done_with(vec![request("https://a.example", "/4")]));
    other.key = "room\0".into();
    Arc::make_mut(&mut other.event).key = other.key.clone();
    world.put_done(&owner, vec![other]).await;
    let all = world.requests_waiting(0, 9).await.unwrap();
    assert_eq!(all.len(), 3);
    let first = async |lanes: &[[&str; 3]]| world.requests_first(lanes).await.unwrap();
    let (a, b) = (["billing", "room", "https://a.example"], ["billing", "room", "https://b.example"]);
    assert_eq!(first(&[b, a]).await, all[..2]);
    assert_eq!(first(&[["billing", "room\0", "https://a.example"]]).await, all[2..]);
    world.outbox_sent(&[all[0].id]).await.unwrap();
    let next = first(&[a]).await;
    assert_eq!((next.len(), next[0].id > all[1].id, &*next[0].key), (1, true, "room"));
    world.outbox_sent(&[next[0].id]).await.unwrap();
    assert_eq!(first(&[a, ["other", "room", "https://b.example"], ["billing", "", ""]]).await, []);
    assert_eq!(first(&[]).await, []);
}

#[tokio::test]
async fn operators_see_messages_and_requests_of_all_handlers_or_of_one() {
    let world = World::new().await;
    let owner = world.own().await;
    let both = done_with(vec![effect("a.b", "m"), request("https://a.example", "/1")]);
    world.put_done(&owner, vec![row(1, Origin::Stream, both)]).await;
    let list = async |handler, after| world.outbox_list(handler, after, 9).await.unwrap();
    let all = list(None, 0).await;
    let told: Vec<_> = all.iter().map(|row| (row.to.as_str(), row.tries, row.error.clone())).collect();
    assert_eq!(told, [("a.b", 0, None), ("POST https://a.example/1", 0, None)]);
    assert_eq!(list(Some("billing"), all[0].id).await, all[1..]);
    assert!(list(Some("other"), 0).await.is_empty());
}

#[tokio::test]
async fn a_replay_has_ids_of_its_own() {
    let world = World::new().await;
    let mut claiming = claiming("process-1", 0);
    claiming.run = "again";
    let owner = world.claim_of(claiming.clone()).await.unwrap().owner(&claiming);
    let change = done_with(vec![effect("a", "1")]);
    world.put_done(&owner, vec![row_of(1, "EV/ 1", Origin::Stream, change)]).await;
    assert_eq!(world.outbox_waiting(0, 1).await.unwrap().rows[0].msg_id, "default/billing/EV%2F%201/again/0");
}

#[tokio::test]
async fn effects_of_an_attempt_that_failed_are_dropped() {
    let world = World::new().await;
    let owner = world.own().await;
    let with_effects = store::Report { effects: Arc::from([effect("a", "1")]), ..report("retry") };
    let change = lanes::Change::Failed { attempts: super::world::attempts(1), report: Arc::new(with_effects) };
    world.put_done(&owner, vec![row(1, Origin::Stream, change), row(2, Origin::Stream, failed(1))]).await;
    assert!(world.outbox_waiting(0, 10).await.unwrap().rows.is_empty());
}

#[tokio::test]
async fn what_is_noted_of_a_send_outlives_the_process() {
    let world = World::new().await;
    let owner = world.own().await;
    let effects = (0..4).map(|n| effect("a", &n.to_string())).collect();
    world.put_done(&owner, vec![row(1, Origin::Stream, done_with(effects))]).await;
    let ids: Vec<i64> = world.outbox_waiting(0, 10).await.unwrap().rows.iter().map(|row| row.id).collect();
    let sending: Vec<Sending> =
        ids.iter().map(|id| Sending { id: *id, stream: "ORDERS".into(), last_seq: 17 }).collect();
    world.outbox_sending(&sending, 1000).await.unwrap();
    world.outbox_sent(&ids[..1]).await.unwrap();
    world.outbox_failed(&[(ids[1], "no stream takes it".into())]).await.unwrap();
    world.outbox_unanswered(&[(ids[2], "timed out".into())]).await.unwrap();
    let world = world.restart().await;
    world.live_as("process-1").await;
    let rows = world.outbox_waiting(0, 10).await.unwrap().rows;
    let sent = Some(Sent { at_ms: 1000, stream: "ORDERS".into(), last_seq: 17 });
    let told: Vec<_> = rows.iter().map(|row| (row.id, row.tries, row.sent.clone(), row.error.as_deref())).collect();
    let expected = [
        (ids[1], 1, None, Some("no stream takes it")),
        (ids[2], 1, sent.clone(), Some("timed out")),
        (ids[3], 1, sent, None),
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn an_id_is_never_given_twice() {
    let world = World::new().await;
    let owner = world.own().await;
    world.put_done(&owner, vec![row(1, Origin::Stream, done_with(vec![effect("a", "1")]))]).await;
    let first = world.outbox_waiting(0, 1).await.unwrap().rows[0].id;
    world.outbox_sent(&[first]).await.unwrap();
    let world = world.restart().await;
    let owner = world.own().await;
    world.put_done(&owner, vec![row(2, Origin::Stream, done_with(vec![effect("a", "1")]))]).await;
    assert!(world.outbox_waiting(0, 1).await.unwrap().rows[0].id > first);
}

#[tokio::test]
async fn the_sender_is_woken_by_a_commit_with_effects_and_at_the_start() {
    let world = World::new().await;
    let owner = world.own().await;
    let notify = world.outbox_notify();
    // A claim may have brought messages of its own.
    Box::pin(notify.notified()).as_mut().enable();
    world.put_done(&owner, vec![row(1, Origin::Stream, done())]).await;
    let mut woken = Box::pin(notify.notified());
    assert!(!woken.as_mut().enable(), "a commit without effects wakes nobody");
    world.put_done(&owner, vec![row(2, Origin::Stream, done_with(vec![effect("a", "1")]))]).await;
    woken.await;
    let world = world.restart().await;
    world.outbox_notify().notified().await;
}
