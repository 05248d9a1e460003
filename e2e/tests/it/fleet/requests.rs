//! Requests on several runners: what a killed runner owes its endpoint another one sends.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use testkit::wait_until;

use super::{Fleet, SHARDS, rooms, wait_spread};
use crate::rig::{Attempt, LONG, Recorder, Reply, forward, ids};

/// What the endpoint took, room by room. What it took and could not say so comes once more, before what follows it.
fn taken(attempts: &[Attempt]) -> BTreeMap<&str, Vec<&str>> {
    let mut taken: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for attempt in attempts.iter().filter(|attempt| attempt.reply == Reply::Status(200)) {
        taken.entry(&attempt.room).or_default().push(&attempt.id);
    }
    taken.values_mut().for_each(Vec::dedup);
    taken
}

#[tokio::test]
async fn what_a_killed_runner_owes_an_endpoint_another_one_sends_in_order_with_the_same_key_and_bytes() -> Result<()> {
    let rooms = rooms(20, 6)?;
    let ids = ids(&rooms);
    // The third request of each room is never answered, so that each room is in the middle of one.
    let hangs = ids.iter().filter_map(|room| room.get(2).cloned()).map(|id| (id, VecDeque::from([Reply::Hang])));
    let endpoint = Recorder::start(hangs.collect())?;
    let fleet = Fleet::start(&[forward(&endpoint.url(), &json!({ "timeout": "10s" }))?]).await?;
    let (first, second) = (fleet.runner().await?, fleet.runner().await?);
    wait_spread(&[(&first, SHARDS / 2), (&second, SHARDS / 2)], 1).await?;
    let load = fleet.load(&rooms);
    load.let_out(120);
    load.finish().await?;
    let hanging = || endpoint.attempts().iter().filter(|attempt| attempt.reply == Reply::Hang).count();
    wait_until(LONG, "a request of each room to be under way", || async { hanging() == rooms.len() }).await?;
    first.process.kill9()?;
    let all = || async {
        let attempts = endpoint.attempts();
        taken(&attempts).values().map(Vec::len).sum::<usize>() >= 120
    };
    wait_until(LONG, "all to be taken", all).await.with_context(|| second.process.log())?;

    let attempts = endpoint.attempts();
    let taken = taken(&attempts);
    for room in &ids {
        let got = taken.values().find(|got| got.first() == room.first().map(String::as_str).as_ref());
        ensure!(got.is_some_and(|got| got == room), "{got:?} was taken of {room:?}");
    }
    let mut sent: BTreeMap<&str, BTreeSet<(&str, &str)>> = BTreeMap::new();
    for attempt in &attempts {
        sent.entry(&attempt.id).or_default().insert((attempt.header("idempotency-key"), &attempt.body));
    }
    ensure!(sent.values().all(|same| same.len() == 1), "not the same on each try: {sent:#?}");
    let keys: BTreeSet<&str> = sent.values().flatten().map(|(key, _)| *key).collect();
    ensure!(keys.len() == 120 && !keys.contains(""), "each event has a key of its own: {keys:?}");
    Ok(())
}
