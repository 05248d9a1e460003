//! Keys on several runners: each event counts once, whoever dies, and runners that share keys forget nothing of each other.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::{stored, wait_for};

use super::{Fleet, SHARDS, rooms, wait_spread};
use crate::rig::{LONG, OUT, event_id, handler, ids};

/// A handler that adds one to a key for each event, and publishes what the key holds then.
fn counter(name: &str, plan: &str, bucket: Value) -> Result<Value> {
    let config = json!({ "publish_to": format!("out.{name}"), "default": format!("keys:{plan}") });
    let allow = json!({ "publish": ["out.>"], "keyvalue": [bucket] });
    handler(name, "behave", config, json!({ "allow": allow }))
}

/// The number that a message ends with.
fn number(body: &[u8]) -> Result<u64> {
    let answers: Vec<Value> = serde_json::from_slice(body)?;
    answers.last().and_then(Value::as_u64).with_context(|| String::from_utf8_lossy(body).into_owned())
}

#[tokio::test]
async fn counters_are_what_the_events_imply_though_a_runner_is_killed() -> Result<()> {
    let handlers = [
        counter("own", "usage add n 1", json!("usage"))?,
        counter("common", "totals add n 1", json!({ "name": "totals", "scope": "shared" }))?,
    ];
    let fleet = Fleet::start(&handlers).await?;
    let (first, second) = (fleet.runner().await?, fleet.runner().await?);
    wait_spread(&[(&first, SHARDS), (&second, SHARDS)], 2).await?;
    let rooms = rooms(20, 10)?;
    let load = fleet.load(&rooms);
    load.let_out(100);
    load.wait_accepted(70).await?;
    first.process.kill9()?;
    load.let_out(100);
    load.finish().await?;
    wait_spread(&[(&second, 2 * SHARDS)], 2).await?;
    let out = wait_for(LONG, "400 published events", || async {
        stored(&fleet.nats.url(), OUT).await.ok().filter(|out| out.len() >= 400)
    });
    let out = out.await.with_context(|| second.process.log())?;
    let mut own: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let mut common = BTreeSet::new();
    for message in &out {
        let number = number(&message.body)?;
        if message.subject == "out.own" {
            own.entry(event_id(message)).or_default().push(number);
        } else {
            assert!(common.insert(number), "{number} was counted twice");
        }
    }
    for room in ids(&rooms) {
        let counted: Vec<u64> = room.iter().flat_map(|id| own.get(id).cloned().unwrap_or_default()).collect();
        assert_eq!(counted, (1..=10).collect::<Vec<_>>(), "{room:?}");
    }
    assert_eq!(common, (1..=200).collect());
    Ok(())
}
