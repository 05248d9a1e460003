//! Which shards this runner claims and which it gives back, where several share a state store.
//!
//! Each runner tells the others, beat by beat, that it lives and which handlers it runs. From what it hears it works out
//! its share by itself ([`share`]): all come to the same result, and the shares add up to all shards. Who has too many
//! gives some back, once they are quiet; who has too few takes what is free. A runner alone (SQLite) does the same and
//! takes everything.

mod share;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lanes::Shard;
use service::error::Chain;
use store::{BEAT, Hold, Member, Store};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::handler::Message;
use crate::metrics::Metrics;

/// News that come close together are one: the wait after each beat.
const PAUSE: Duration = Duration::from_millis(25);

/// The wait after a beat that failed.
const RETRY: Duration = Duration::from_millis(500);

/// How a shard stands that is this runner's, or is about to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is being claimed.
    Claiming,
    /// It is ours.
    Owned,
    /// It is being given back.
    Leaving,
}

/// A handler's shards on this runner: the fleet marks what it asks for, the handler's task what came of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shards {
    standing: Arc<Mutex<BTreeMap<Shard, Standing>>>,
    /// The task was told what to claim at least once.
    assigned: Arc<AtomicBool>,
}

impl Shards {
    pub(crate) fn set(&self, shard: Shard, standing: Standing) {
        of(&self.standing).insert(shard, standing);
    }

    pub(crate) fn remove(&self, shard: Shard) {
        of(&self.standing).remove(&shard);
    }

    fn all(&self) -> BTreeMap<Shard, Standing> {
        of(&self.standing).clone()
    }

    fn take_all(&self) -> BTreeMap<Shard, Standing> {
        std::mem::take(&mut of(&self.standing))
    }
}

/// A handler that runs here.
#[derive(Clone)]
pub(crate) struct Running {
    pub(crate) sender: mpsc::Sender<Message>,
    pub(crate) shards: Shards,
    /// What it reads.
    pub(crate) sources: Vec<Shard>,
}

/// The handlers that run, by name, and what the fleet knows of all runners.
#[derive(Clone, Default)]
pub(crate) struct Handlers {
    running: Arc<Mutex<BTreeMap<String, Running>>>,
    /// Those that end while the others go on: they give back what they have, and are given nothing.
    leaving: Arc<Mutex<BTreeMap<String, Running>>>,
    /// The runners that live, as of the last beat.
    living: Arc<Mutex<BTreeSet<String>>>,
}

impl Handlers {
    pub(crate) fn add(&self, name: &str, running: Running) {
        of(&self.running).insert(name.to_owned(), running);
    }

    /// The handler is about to end.
    pub(crate) fn leave(&self, name: &str) {
        let left = of(&self.running).remove(name);
        of(&self.leaving).extend(left.map(|running| (name.to_owned(), running)));
    }

    /// The handler has ended.
    pub(crate) fn gone(&self, name: &str) {
        of(&self.running).remove(name);
        of(&self.leaving).remove(name);
    }

    /// Where inputs from outside go.
    pub(crate) fn sender(&self, name: &str) -> Option<mpsc::Sender<Message>> {
        of(&self.running).get(name).map(|running| running.sender.clone())
    }

    /// Whether a runner of this name lives, as far as is known.
    pub(crate) fn lives(&self, runner: &str) -> bool {
        of(&self.living).contains(runner)
    }

    fn all(&self) -> BTreeMap<String, Running> {
        of(&self.running).clone()
    }

    /// Those that hold shards, and those that give theirs back.
    fn holding(&self) -> Vec<Running> {
        let leaving: Vec<Running> = of(&self.leaving).values().cloned().collect();
        self.all().into_values().chain(leaving).collect()
    }
}

fn of<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// This runner's part in the fleet. There is one in a process.
pub(crate) struct Fleet {
    store: Store,
    /// This runner's name.
    name: String,
    handlers: Handlers,
    metrics: Metrics,
    /// What the shards that stand here were claimed under.
    hold: Hold,
    /// The last beat failed, and that was said.
    troubled: bool,
}

impl Fleet {
    pub(crate) fn new(store: Store, name: String, handlers: Handlers, metrics: Metrics) -> Self {
        let hold = store.hold();
        Self { store, name, handlers, metrics, hold, troubled: false }
    }

    /// Takes part until `end`. From `draining` on it only tells that it lives: its handlers give back what they have,
    /// and the others may take it at once.
    pub(crate) async fn run(mut self, draining: CancellationToken, end: CancellationToken) {
        let changed = self.store.changed();
        let mut told_of_drain = false;
        while !end.is_cancelled() {
            told_of_drain |= draining.is_cancelled();
            let next = self.beat(told_of_drain).await;
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = end.cancelled() => break,
            }
            tokio::select! {
                () = changed.notified() => {}
                () = tokio::time::sleep(next) => {}
                () = draining.cancelled(), if !told_of_drain => {}
                () = end.cancelled() => break,
            }
        }
        if let Err(error) = self.store.leave(&self.name).await {
            tracing::warn!(error = %Chain(&error), "failed to tell the other runners that this one is gone");
        }
    }

    /// Says after what time the next one is due: when the lease of another runner runs out, it is to be seen at once.
    async fn beat(&mut self, draining: bool) -> Duration {
        let running = if draining { BTreeMap::new() } else { self.handlers.all() };
        let handlers = running
            .iter()
            .map(|(name, running)| (name.clone(), u16::try_from(running.sources.len()).unwrap_or(u16::MAX)))
            .collect();
        let me = Member { name: self.name.clone(), handlers };
        let beaten = self.store.beat(&me).await;
        if !self.hold.is_good() {
            self.lose_all().await;
            self.hold = self.store.hold();
        }
        let fleet = match beaten {
            Ok(fleet) => fleet,
            Err(error) => {
                if !std::mem::replace(&mut self.troubled, true) {
                    let error = Chain(&error).to_string();
                    tracing::warn!(error, "failed to tell the other runners that this one lives; trying again");
                }
                return RETRY;
            }
        };
        self.troubled = false;
        *of(&self.handlers.living) = fleet.members.iter().map(|member| member.name.clone()).collect();
        for (name, running) in &running {
            self.assign(&fleet, name, running).await;
        }
        fleet.runs_out_in.map_or(BEAT, |left| BEAT.min(left)).saturating_sub(PAUSE)
    }

    async fn assign(&mut self, fleet: &store::Fleet, name: &str, running: &Running) {
        let standing = running.shards.all();
        self.metrics.shards(name, standing.values().filter(|standing| **standing != Standing::Claiming).count());
        let change = share::change(fleet, &self.name, name, &running.sources, &standing);
        for shard in change.claim {
            running.shards.set(shard, Standing::Claiming);
            // The task may be gone already; then nothing of it is claimed any more.
            let _ = running.sender.send(Message::Claim { shard }).await;
        }
        for shard in change.give_back {
            running.shards.set(shard, Standing::Leaving);
            let _ = running.sender.send(Message::GiveBack { shard }).await;
        }
        if !running.shards.assigned.swap(true, Ordering::Relaxed) {
            let _ = running.sender.send(Message::Assigned).await;
        }
    }

    /// The lease ran out: whatever stands here is not ours any more.
    async fn lose_all(&self) {
        for running in self.handlers.holding() {
            if !running.shards.take_all().is_empty() {
                let _ = running.sender.send(Message::LeaseLost).await;
            }
        }
    }
}
