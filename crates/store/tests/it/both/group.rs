//! Commits that go together into one transaction, and many rows at once.

use lanes::{CommitReply, Conflict, ConflictKind, Known, Origin};
use store::{Claiming, LIVE, OutboxSpan, Owner};

use super::world::{
    HANDLER, World, claiming, commit, done, done_with, effect, identity, owner_of, progress, row, row_of,
};

#[tokio::test]
async fn a_refused_commit_takes_nothing_of_its_neighbours_along() {
    neighbours(1).await;
}

#[tokio::test]
async fn a_refused_commit_of_which_nothing_else_comes_takes_nothing_of_its_neighbours_along() {
    neighbours(0).await;
}

/// Commits of many shards at once, with so many effects each.
async fn neighbours(effects: usize) {
    let world = World::new().await;
    let mut owners = Vec::new();
    for shard in 0..20 {
        owners.push(owner_of(&world.claim_as("a", shard).await.claimed));
    }
    world.put_done(&owners[0], vec![row_of(1, "EV_taken", Origin::Stream, done())]).await;
    let commits = owners.iter().enumerate().map(|(n, owner)| {
        let store = world.store.clone();
        // Every third one has a duplicate, every fifth one an old epoch.
        let id = if n % 3 == 0 { "EV_taken".to_owned() } else { format!("EV_{n}") };
        let owner = Owner { epoch: if n % 5 == 0 { 7 } else { owner.epoch }, ..owner.clone() };
        let rows = vec![
            row_of(2, &format!("EV_first_{n}"), Origin::Stream, done_with(vec![effect("a", "x"); effects])),
            row_of(3, &id, Origin::Stream, done()),
        ];
        tokio::spawn(async move { store.commit(&owner, commit(&owner, progress(3), rows)).await })
    });
    let commits: Vec<_> = commits.collect();
    let mut kept = 0;
    for (n, reply) in commits.into_iter().enumerate() {
        let refused = CommitReply::Refused(vec![Conflict { seq: 3, kind: ConflictKind::Duplicate { of: 1 } }]);
        let expected = match n {
            n if n % 5 == 0 => CommitReply::Lost,
            n if n % 3 == 0 => refused,
            _ => CommitReply::Done,
        };
        assert_eq!(reply.await.unwrap(), expected, "{n}");
        kept += i64::from(expected == CommitReply::Done);
    }
    assert_eq!(world.count("select count(*) from ledger").await, 1 + 2 * kept);
    assert_eq!(world.count("select count(*) from outbox").await, if effects == 0 { 0 } else { kept });
    assert_eq!(world.count("select count(*) from progress where floor = 3").await, kept);
}

#[tokio::test]
async fn of_two_commits_with_one_identity_at_the_same_time_one_is_refused() {
    let world = World::new().await;
    let owners = [world.claim_as("a", 0).await, world.claim_as("a", 1).await].map(|claim| owner_of(&claim.claimed));
    let [first, second] = owners.map(|owner| {
        let store = world.store.clone();
        let rows =
            vec![row_of(u64::from(owner.shard) + 1, "EV_same", Origin::Stream, done_with(vec![effect("a", "x")]))];
        tokio::spawn(async move { store.commit(&owner, commit(&owner, progress(3), rows)).await })
    });
    let replies = [first.await.unwrap(), second.await.unwrap()];
    assert_eq!(replies.iter().filter(|reply| **reply == CommitReply::Done).count(), 1, "{replies:?}");
    assert!(replies.iter().any(|reply| matches!(reply, CommitReply::Refused(_))), "{replies:?}");
    assert_eq!(world.count("select count(*) from outbox").await, 1);
}

#[tokio::test]
async fn ten_thousand_rows_with_effects_are_written_and_found() {
    let world = World::new().await;
    let owner = world.own().await;
    for chunk in 0..20_u64 {
        let rows = (chunk * 500 + 1..=chunk * 500 + 500)
            .map(|seq| row(seq, Origin::Stream, done_with(vec![effect("a", "x")])))
            .collect();
        world.put_done(&owner, rows).await;
        let asked: Vec<_> =
            (chunk * 500 + 1..=chunk * 500 + 500).map(|seq| (seq + 100_000, identity(&format!("EV_{seq}")))).collect();
        let known = world.look_up(HANDLER, LIVE, &asked).await.unwrap();
        assert!(known.len() == 500 && known.iter().all(|known| known.asked == known.seq + 100_000));
    }
    assert_eq!(world.count("select count(*) from ledger").await, 10_000);
    let mut from = OutboxSpan::from(0);
    let mut seen = 0;
    loop {
        let page = world.outbox_waiting(from, 512).await.unwrap();
        for row in &page.rows {
            seen += 1;
            assert_eq!(row.msg_id, format!("default/billing/EV_{seen}/0"));
        }
        world.outbox_sent(&page.rows.iter().map(|row| row.id).collect::<Vec<_>>()).await.unwrap();
        let Some(next) = page.next else { break };
        from = next;
    }
    assert_eq!(seen, 10_000);
    assert_eq!(world.count("select count(*) from outbox").await, 0);
}

#[tokio::test]
async fn of_many_who_look_events_up_at_once_each_hears_of_its_own_handler() {
    let world = World::new().await;
    let names: Vec<String> = (0..40).map(|n| format!("handler-{n}")).collect();
    for (n, name) in (1..).zip(&names) {
        let claim = world.claim_of(Claiming { handler: name, ..claiming("a", 0) }).await.unwrap();
        // The n-th knows the n-th event, under twice its number, and one that all know.
        let rows = vec![
            row_of(2 * n, &format!("EV_{n}"), Origin::Stream, done()),
            row_of(99, "EV_all", Origin::Stream, done()),
        ];
        world.put_done(&Owner::live(name, 0, claim.claimed.epoch), rows).await;
    }
    let asked: Vec<_> = (1..=40).map(|n| (n, identity(&format!("EV_{n}")))).chain([(50, identity("EV_all"))]).collect();
    let asked = std::sync::Arc::new(asked);
    let answers: Vec<_> = names
        .into_iter()
        .chain(["nobody".to_owned()])
        .map(|name| {
            let (store, asked) = (world.store.clone(), asked.clone());
            tokio::spawn(async move { store.look_up(&name, LIVE, &asked).await.unwrap() })
        })
        .collect();
    for (n, answer) in (1..).zip(answers) {
        let mut known = answer.await.unwrap();
        known.sort_by_key(|known| known.asked);
        let expected = vec![Known { asked: n, seq: 2 * n }, Known { asked: 50, seq: 99 }];
        assert_eq!(known, if n == 41 { Vec::new() } else { expected }, "{n}");
    }
}
