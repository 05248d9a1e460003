//! An event that makes the runner process die is given up, and its neighbours do not suffer for it.

use anyhow::Result;
use serde_json::{Value, json};
use testkit::{NatsServer, Process, stored, wait_for};

use crate::rig::{LONG, Rig, Webhook, handler, ids, ids_by_room, make_out, published, repeats};

const NEIGHBOURS: usize = 30;

/// How a run of the runner ended, or that it need not.
#[derive(PartialEq)]
enum Run {
    Died,
    Settled,
}

#[tokio::test]
async fn an_event_that_kills_the_process_is_a_dead_letter_after_three_deaths_and_no_other_is() -> Result<()> {
    // They are in flight when the process dies.
    let config = json!({ "publish_to": "out.effects", "default": "sleep:300" });
    let rig = Rig::new(json!({ "handlers": [handler("effects", "behave", config, json!({ "concurrency": 64 }))?] }))?;
    let nats = NatsServer::start().await?;
    make_out(&nats.url()).await?;
    let receiver = rig.receiver(&nats.url(), "127.0.0.1:0").await?;
    let mut rooms: Vec<Vec<Webhook>> = Vec::new();
    for room in 0..NEIGHBOURS {
        rooms.push(vec![Webhook::new("participant_joined", &format!("room-{room}"))?]);
    }
    let poison = Webhook::new("participant_joined", "poison-room")?;
    let (before, after) = rooms.split_at(NEIGHBOURS / 2);
    receiver.poster().deliver_all(&before.concat()).await?;
    receiver.poster().deliver(&poison).await?;
    receiver.poster().deliver_all(&after.concat()).await?;

    let mut deaths = 0;
    let data = rig.data().display().to_string();
    let (url, faults) = (nats.url(), [("FAILPOINTS", "before-invocation=return(poison-room)")]);
    let runner = loop {
        let runner = rig.spawn("roomwire-runner", &["--nats", &url, "--data", &data], &faults)?;
        if run(&runner, &url).await? == Run::Settled {
            break runner;
        }
        deaths += 1;
        assert!(deaths <= 3, "the runner died {deaths} times of one event: {}", runner.log());
    };
    assert!(deaths > 0, "the fault did not work: {}", runner.log());

    let dead = rig.roomwire_json(&["dlq", "list", "--nats", &url]).await?;
    let causes: Vec<(&str, &str)> = dead.iter().map(|letter| (text(letter, "id"), text(letter, "cause"))).collect();
    assert_eq!(causes, [(poison.id.as_str(), "process_died")]);
    let out = published(&url, NEIGHBOURS).await?;
    assert_eq!(ids_by_room(&out, &rooms), ids(&rooms));
    assert_eq!(repeats(&out), [""; 0], "an event beside the fatal one was handled twice");
    assert_eq!(runner.ended()?, None, "it goes on after the dead letter");
    Ok(())
}

/// Waits until it dies, or until the fatal event is dead and every other is handled.
async fn run(runner: &Process, nats: &str) -> Result<Run> {
    wait_for(LONG, "the runner to die or every event to be settled", || async {
        if runner.ended().ok().flatten().is_some() {
            return Some(Run::Died);
        }
        let dead = stored(nats, "RW_DEAD").await.ok()?.len();
        let out = stored(nats, "OUT").await.ok()?.len();
        (dead >= 1 && out >= NEIGHBOURS).then_some(Run::Settled)
    })
    .await
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}
