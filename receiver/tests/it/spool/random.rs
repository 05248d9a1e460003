//! Any sequence of accepting, NATS going and coming, crashes and restarts keeps what was accepted, once and in order.

use std::collections::BTreeMap;
use std::env;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context as _, Result};
use fastrand::Rng;
use testkit::{NatsServer, wait_until};

use super::folder;
use super::killed::{Receiver, SPOOL};
use crate::rig::{SOON, id_of, room_started};

const ROOMS: usize = 4;
const STEPS: usize = 14;
/// How many sequences are run, where `ROOMWIRE_FAULT_SEEDS` says nothing.
const SEEDS: u64 = 3;

/// What each room's sender has got accepted, in order.
type Accepted = Mutex<BTreeMap<usize, Vec<String>>>;

#[tokio::test]
async fn any_sequence_of_faults_keeps_what_was_accepted_once_and_in_order() -> Result<()> {
    let number = |name: &str| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("ROOMWIRE_FAULT_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("ROOMWIRE_FAULT_SEEDS").unwrap_or(SEEDS),
    };
    let runs = seeds.map(|seed| async move {
        let mut history = Vec::new();
        sequence(seed, &mut history).await.with_context(|| format!("ROOMWIRE_FAULT_SEED={seed}: {history:?}"))
    });
    for run in futures_util::future::join_all(runs).await {
        run?;
    }
    Ok(())
}

async fn sequence(seed: u64, history: &mut Vec<&'static str>) -> Result<()> {
    let mut rng = Rng::with_seed(seed);
    let (folder, _path) = folder()?;
    let nats = NatsServer::start().await?;
    let accepted = Accepted::default();
    let mut receiver = Receiver::start(folder.path(), &nats.url(), "", SPOOL).await?;
    let mut up = true;
    for _ in 0..STEPS {
        match rng.u8(0..6) {
            0 if up => {
                history.push("nats killed");
                nats.kill()?;
                up = false;
            }
            0 | 1 if !up => {
                history.push("nats started");
                nats.restart().await?;
                up = true;
            }
            2 => {
                history.push("receiver killed at rest");
                receiver.process.kill9()?;
                receiver = Receiver::start(folder.path(), &nats.url(), "", SPOOL).await?;
            }
            3 => {
                history.push("receiver killed under load");
                let kill_after = Duration::from_millis(rng.u64(0..40));
                let interrupted = tokio::join!(send(&receiver, &accepted, &mut rng, 30, true), async {
                    tokio::time::sleep(kill_after).await;
                    receiver.process.kill9()
                });
                interrupted.1?;
                let pending = interrupted.0?;
                receiver = Receiver::start(folder.path(), &nats.url(), "", SPOOL).await?;
                // LiveKit sends again what was not answered, before anything else of the room.
                for (room, body) in pending {
                    until_accepted(&receiver, &body).await?;
                    note(&accepted, room, &body);
                }
            }
            _ => {
                history.push("events");
                send(&receiver, &accepted, &mut rng, 12, false).await?;
            }
        }
    }
    if !up {
        nats.restart().await?;
    }
    receiver.empty().await.with_context(|| receiver.process.log())?;
    check(&nats, &accepted).await
}

/// Sends `events` events to each room, one after the other in a room. With `may_fail` a room ends with the first event
/// that is not answered, and that is returned.
async fn send(
    receiver: &Receiver,
    accepted: &Accepted,
    rng: &mut Rng,
    events: usize,
    may_fail: bool,
) -> Result<Vec<(usize, String)>> {
    let rooms = (0..ROOMS).map(|room| (room, rng.usize(0..=events))).map(|(room, events)| async move {
        for _ in 0..events {
            let body = room_started(&format!("room-{room}"));
            if may_fail {
                match receiver.send(&body).await {
                    Ok(200) => {}
                    _ => return Ok(Some((room, body))),
                }
            } else {
                until_accepted(receiver, &body).await?;
            }
            note(accepted, room, &body);
        }
        anyhow::Ok(None)
    });
    futures_util::future::join_all(rooms).await.into_iter().filter_map(Result::transpose).collect()
}

async fn until_accepted(receiver: &Receiver, body: &str) -> Result<()> {
    wait_until(SOON, "accepted", || async { receiver.send(body).await.is_ok_and(|status| status == 200) })
        .await
        .with_context(|| receiver.process.log())
}

fn note(accepted: &Accepted, room: usize, body: &str) {
    accepted.lock().unwrap().entry(room).or_default().push(id_of(body));
}

async fn check(nats: &NatsServer, accepted: &Accepted) -> Result<()> {
    let mut stored: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for message in testkit::stored(&nats.url(), "RW_EVENTS_").await? {
        let room = message.header("Rw-Key").trim_start_matches("room-").parse()?;
        stored.entry(room).or_default().push(message.header("ce-id").to_owned());
    }
    assert_eq!(stored, *accepted.lock().unwrap());
    Ok(())
}
