//! Any sequence of accepting, NATS going, coming, stalling and losing its answers, crashes and restarts keeps what was
//! accepted, once and in order.

use std::collections::BTreeMap;
use std::env;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context as _, Result};
use fastrand::Rng;
use tempfile::TempDir;
use testkit::{Fault, FaultProxy, NatsServer, wait_until};

use super::folder;
use super::killed::Receiver;
use crate::rig::{SOON, id_of, room_started};

const ROOMS: usize = 4;
const STEPS: usize = 18;
/// Not the answer in 10 s of the other tests: while NATS stalls each answer waits for it.
const SPOOL: &str = "answer_within: 1s, spool: {}";
/// How many sequences are run, where `ROOMWIRE_FAULT_SEEDS` says nothing.
const SEEDS: u64 = 3;

/// The events of each room that were accepted, in order.
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

/// One receiver after another on one spool, in front of one NATS behind a proxy.
struct World {
    folder: TempDir,
    nats: NatsServer,
    proxy: FaultProxy,
    receiver: Receiver,
    accepted: Accepted,
    rng: Rng,
}

/// What may happen, as often as it stands here.
const WHAT: [What; 13] = [
    What::NatsGoesOrComes,
    What::NatsGoesOrComes,
    What::NatsRestarts,
    What::NatsStallsOrGoesOn,
    What::NatsStallsOrGoesOn,
    What::AnswersAreLost,
    What::ReceiverIsKilled,
    What::ReceiverIsKilledUnderLoad,
    What::ReceiverIsKilledUnderLoad,
    What::Repeats,
    What::Events,
    What::Events,
    What::Events,
];

#[derive(Debug, Clone, Copy)]
enum What {
    NatsGoesOrComes,
    NatsRestarts,
    NatsStallsOrGoesOn,
    AnswersAreLost,
    ReceiverIsKilled,
    ReceiverIsKilledUnderLoad,
    Repeats,
    Events,
}

async fn sequence(seed: u64, history: &mut Vec<What>) -> Result<()> {
    let (folder, _path) = folder()?;
    let nats = NatsServer::start().await?;
    let proxy = FaultProxy::start(nats.port()).await?;
    let receiver = Receiver::start(folder.path(), &proxy.nats_url(), "", SPOOL).await?;
    let (accepted, mut rng) = (Accepted::default(), Rng::with_seed(seed));
    let steps: Vec<What> = (0..STEPS).filter_map(|_| rng.choice(WHAT)).collect();
    let mut world = World { folder, nats, proxy, receiver, accepted, rng };
    let (mut up, mut stalls) = (true, false);
    for what in steps {
        history.push(what);
        match what {
            What::NatsGoesOrComes if up => {
                world.nats.kill()?;
                up = false;
            }
            What::NatsGoesOrComes => {
                world.nats.restart().await?;
                up = true;
            }
            What::NatsRestarts => {
                let load = send(&world.receiver, &world.accepted, &mut world.rng, 6, false);
                let (sent, restarted) = tokio::join!(load, world.nats.restart());
                restarted?;
                sent?;
                up = true;
            }
            What::NatsStallsOrGoesOn => {
                stalls = !stalls;
                world.proxy.set(if stalls { Fault::Stall } else { Fault::None });
            }
            What::AnswersAreLost => {
                world.proxy.set(Fault::SwallowAnswers);
                world.events(3).await?;
                world.proxy.set(if stalls { Fault::Stall } else { Fault::None });
                world.proxy.cut();
            }
            What::ReceiverIsKilled => world.restart().await?,
            What::ReceiverIsKilledUnderLoad => world.kill_under_load().await?,
            What::Repeats => world.repeat().await?,
            What::Events => world.events(12).await?,
        }
    }
    world.proxy.set(Fault::None);
    world.proxy.cut();
    if !up {
        world.nats.restart().await?;
    }
    world.receiver.empty().await.with_context(|| world.receiver.process.log())?;
    check(&world.nats, &world.accepted).await
}

impl World {
    async fn events(&mut self, most: usize) -> Result<()> {
        send(&self.receiver, &self.accepted, &mut self.rng, most, false).await.map(drop)
    }

    async fn restart(&mut self) -> Result<()> {
        self.receiver.process.kill9()?;
        self.receiver = Receiver::start(self.folder.path(), &self.proxy.nats_url(), "", SPOOL).await?;
        Ok(())
    }

    async fn kill_under_load(&mut self) -> Result<()> {
        let kill_after = Duration::from_millis(self.rng.u64(0..40));
        let interrupted = tokio::join!(send(&self.receiver, &self.accepted, &mut self.rng, 30, true), async {
            tokio::time::sleep(kill_after).await;
            self.receiver.process.kill9()
        });
        interrupted.1?;
        let pending = interrupted.0?;
        self.restart().await?;
        // LiveKit sends again what was not answered, before anything else of the room.
        for (room, body) in pending {
            until_accepted(&self.receiver, &body).await?;
            note(&self.accepted, room, body);
        }
        Ok(())
    }

    /// What was accepted is sent again, as by an egress with a webhook of its own.
    async fn repeat(&mut self) -> Result<()> {
        let mut repeats = Vec::new();
        for bodies in self.accepted.lock().unwrap().values() {
            repeats.extend(self.rng.choose_multiple(bodies, 3).into_iter().cloned());
        }
        for body in repeats {
            until_accepted(&self.receiver, &body).await?;
        }
        Ok(())
    }
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
            note(accepted, room, body);
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

fn note(accepted: &Accepted, room: usize, body: String) {
    accepted.lock().unwrap().entry(room).or_default().push(body);
}

async fn check(nats: &NatsServer, accepted: &Accepted) -> Result<()> {
    let mut stored: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for message in testkit::stored(&nats.url(), "RW_EVENTS_").await? {
        let room = message.header("Rw-Key").trim_start_matches("room-").parse()?;
        stored.entry(room).or_default().push(message.header("ce-id").to_owned());
    }
    let ids = |bodies: &Vec<String>| bodies.iter().map(|body| id_of(body)).collect();
    let accepted = accepted.lock().unwrap().iter().map(|(room, bodies)| (*room, ids(bodies))).collect();
    assert_eq!(stored, accepted);
    Ok(())
}
