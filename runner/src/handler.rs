//! A handler's task: it feeds the handler's state machine and carries out what the machine commands.
//!
//! The task decides nothing. Deliveries, look-ups, invocations and commits run beside it and report through one
//! channel; the machine in `lanes` says what comes next.

mod claim;
mod deliver;
mod run;
mod stand;
mod starts;

pub(crate) use self::stand::Stand;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

pub(crate) use claim::is_anchored;
use lanes::{Command, CommitReply, ConflictKind, Identity, Input, Mark, Seq, Shard};
use service::admin::Component;
use store::{Event, Hold, LIVE, Owner, Report, Stop};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use self::starts::Starts;
use crate::config::Handler;
use crate::filter::Filter;
use crate::fleet::{Shards, Standing};
use crate::host::Uncommitted;
use crate::metrics::Invoked;
use crate::plugin::Plugin;
use crate::shared::Shared;

/// Reports that may wait for the task.
const REPORTS: usize = 1_024;

/// Messages that are taken at once, where so many wait.
const BURST: usize = 64;

/// How often it is measured what is in hand.
const MEASURE: Duration = Duration::from_secs(1);

/// The wait before a failed call to the store is made again.
const STORE_RETRY: Duration = Duration::from_millis(250);

pub(crate) type MachineInput = Input<Arc<Event>, Arc<Report>>;
type MachineCommand = Command<Arc<Event>, Arc<Report>>;

/// What reaches a handler's task.
pub(crate) enum Message {
    /// For the machine.
    Input(MachineInput),
    /// For the machine: invocations that ended.
    Ended(Vec<MachineInput>),
    /// A shard is to be claimed: it is marked so in [`Shards`].
    Claim { shard: Shard },
    /// A shard is another runner's turn: it is marked so in [`Shards`].
    GiveBack { shard: Shard },
    /// All that is to be claimed for now was said.
    Assigned,
    /// The lease ran out: no shard is ours any more.
    LeaseLost,
    /// A shard was claimed.
    Claimed(Box<claim::Claimed>),
    /// A shard that is to be claimed is another runner's.
    NotClaimed { shard: Shard, hold: Hold },
    /// The stream of a shard is not the one that was claimed: what the epoch knows of it is void.
    StreamChanged { shard: Shard, incarnation: u32 },
    /// A lease was given back.
    Released { shard: Shard },
    /// An operator asks how it stands.
    Stand(oneshot::Sender<Stand>),
}

/// What the task keeps of a shard that it owns.
struct Owned {
    owner: Owner,
    hold: Hold,
    stream: claim::Stream,
    incarnation: u32,
    puller: Option<JoinHandle<()>>,
    /// One permit is one chunk that the puller may hand over.
    credit: Arc<Semaphore>,
    /// A chunk was let in and is not looked up yet.
    letting_in: bool,
    /// The look-up that is under way. An answer to another one is of an earlier claim and says nothing of this one.
    looking_up: Option<u64>,
    /// Look-ups to make after it: the machine takes their answers in order.
    to_look_up: VecDeque<(u64, Vec<(Seq, Identity)>)>,
}

/// One handler on this runner.
pub(crate) struct Task {
    shared: Arc<Shared>,
    config: Arc<Handler>,
    filter: Arc<Filter>,
    plugin: Plugin,
    /// What is counted of its invocations.
    counted: Invoked,
    /// What finished invocations have written and no commit has answered for.
    uncommitted: Arc<Uncommitted>,
    machine: lanes::Handler<Arc<Event>, Arc<Report>>,
    shards: BTreeMap<Shard, Owned>,
    /// What the fleet is told of the shards.
    standing: Shards,
    /// What the machine wants to run, until all that is in the inbox was told to it.
    starts: Starts,
    jobs: JoinSet<()>,
    reports: mpsc::Sender<Message>,
    inbox: mpsc::Receiver<Message>,
    releasing: usize,
    claiming: usize,
    /// Said to be ready when every shard that falls to this runner was claimed: a handler that begins with what is new
    /// then misses nothing.
    ready: Component,
    assigned: bool,
    clock: Clock,
}

/// Unix milliseconds that never go back while the process lives.
struct Clock {
    began: Instant,
    began_ms: u64,
}

impl Clock {
    fn new() -> Self {
        Self { began: Instant::now(), began_ms: crate::invoke::unix_ms() }
    }

    fn now(&self) -> u64 {
        self.began_ms.saturating_add(u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    fn instant(&self, at: u64) -> Instant {
        self.began + Duration::from_millis(at.saturating_sub(self.began_ms))
    }
}

impl Task {
    pub(crate) fn new(shared: Arc<Shared>, config: Arc<Handler>, plugin: Plugin, ready: Component) -> Self {
        let (reports, inbox) = mpsc::channel(REPORTS);
        let seed = crate::invoke::unix_ms() ^ u64::from(std::process::id());
        Self {
            machine: lanes::Handler::new(config.rules.clone(), seed),
            filter: Arc::new(Filter::new(config.on.clone(), config.when.clone())),
            counted: shared.metrics.invocations(&config.name),
            shared,
            config,
            plugin,
            uncommitted: Arc::default(),
            shards: BTreeMap::new(),
            standing: Shards::default(),
            starts: Starts::default(),
            jobs: JoinSet::new(),
            reports,
            inbox,
            releasing: 0,
            claiming: 0,
            ready,
            assigned: false,
            clock: Clock::new(),
        }
    }

    /// Where inputs from outside (a redrive) go.
    pub(crate) fn sender(&self) -> mpsc::Sender<Message> {
        self.reports.clone()
    }

    /// How the shards stand, for the fleet.
    pub(crate) fn standing(&self) -> Shards {
        self.standing.clone()
    }

    /// Runs until `shutdown`, then drains: what runs ends and is committed, leases are given back.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        self.recall().await;
        let mut draining = false;
        let mut measure = tokio::time::interval(MEASURE);
        measure.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let wake = self.machine.next_wake().map(|at| self.clock.instant(at));
            tokio::select! {
                Some(message) = self.inbox.recv() => self.receive_all(message, draining),
                () = sleep_until(wake), if wake.is_some() => self.feed(Input::Tick),
                // The machine walks all its lanes for this: not with every input.
                _ = measure.tick() => self.shared.metrics.waiting(&self.config, &self.machine),
                () = shutdown.cancelled(), if !draining => {
                    draining = true;
                    self.feed(Input::Drain);
                }
            }
            self.start();
            self.let_in();
            while self.jobs.try_join_next().is_some() {}
            if draining && self.machine.is_drained() && self.releasing == 0 && self.claiming == 0 {
                break;
            }
        }
        for owned in self.shards.values_mut() {
            owned.stop_pulling();
        }
    }

    /// Takes what is in the inbox, as much of it as one decision about starts may be for. Of invocations that ended one
    /// after the other the machine hears at once, and decides once.
    fn receive_all(&mut self, first: Message, draining: bool) {
        let (mut ended, mut next, mut taken) = (Vec::new(), Some(first), 0);
        while let Some(message) = next {
            match message {
                Message::Ended(inputs) => ended.extend(inputs),
                message => {
                    self.end(std::mem::take(&mut ended));
                    self.receive(message, draining);
                }
            }
            taken += 1;
            next = if taken < BURST { self.inbox.try_recv().ok() } else { None };
        }
        self.end(ended);
    }

    fn end(&mut self, inputs: Vec<MachineInput>) {
        if inputs.is_empty() {
            return;
        }
        for command in self.machine.handle_all(self.clock.now(), inputs) {
            self.carry_out(command);
        }
    }

    fn receive(&mut self, message: Message, draining: bool) {
        match message {
            Message::Input(input) => {
                self.note(&input);
                self.feed(input);
            }
            Message::Ended(inputs) => self.end(inputs),
            Message::Claim { shard } if draining => self.standing.remove(shard),
            Message::Claim { shard } => self.claim(shard),
            Message::GiveBack { shard } if self.shards.contains_key(&shard) => {
                tracing::info!(handler = %self.config.name, shard, "giving a shard back: it is another runner's turn");
                self.feed(Input::GiveBack { shard });
            }
            Message::GiveBack { shard } => self.standing.remove(shard),
            Message::Assigned => {
                self.assigned = true;
                self.look_ready();
            }
            Message::LeaseLost => self.lose_all(),
            Message::Claimed(claimed) => {
                self.claiming -= 1;
                // Of a lease that ran out meanwhile: the fleet knows, and may have asked for the shard anew.
                if claimed.hold.is_good() {
                    if draining {
                        self.release(claimed.owner, claimed.hold);
                    } else {
                        self.standing.set(claimed.owner.shard, Standing::Owned);
                        self.take(*claimed);
                    }
                }
                self.look_ready();
            }
            Message::NotClaimed { shard, hold } => {
                self.claiming -= 1;
                if hold.is_good() {
                    self.standing.remove(shard);
                }
                self.look_ready();
            }
            Message::StreamChanged { shard, incarnation } => {
                if self.shards.get(&shard).is_some_and(|owned| owned.incarnation == incarnation) {
                    self.feed(Input::Lost { shard });
                    self.drop_shard(shard);
                    if !draining {
                        self.claim(shard);
                    }
                }
            }
            Message::Released { shard } => {
                self.releasing -= 1;
                self.drop_shard(shard);
                self.standing.remove(shard);
                self.shared.store.changed().notify_one();
            }
            Message::Stand(reply) => drop(reply.send(self.stand())),
        }
    }

    fn look_ready(&self) {
        if self.assigned && self.claiming == 0 {
            self.ready.ready();
        }
    }

    /// Drops every shard. What runs of them goes on to its end, and nothing of it is committed.
    fn lose_all(&mut self) {
        let shards: Vec<Shard> = self.shards.keys().copied().collect();
        if !shards.is_empty() {
            tracing::warn!(handler = %self.config.name, ?shards, "lost all shards: the lease of this runner ran out");
        }
        for shard in shards {
            self.feed(Input::Lost { shard });
            self.drop_shard(shard);
        }
    }

    /// Keeps the books of what may be handed over, and counts what the machine is about to learn.
    fn note(&mut self, input: &MachineInput) {
        match input {
            Input::LookedUp { shard, lookup, .. } => {
                if let Some(owned) = self.shards.get_mut(shard)
                    && owned.looking_up.take_if(|under_way| under_way == lookup).is_some()
                {
                    owned.letting_in = false;
                    self.look_up_next(*shard);
                }
            }
            Input::Committed { shard, reply: CommitReply::Lost, .. } => {
                tracing::warn!(handler = %self.config.name, shard, "lost the shard: another owner claimed it");
                self.drop_shard(*shard);
                self.standing.remove(*shard);
                self.shared.store.changed().notify_one();
            }
            Input::Committed { reply: CommitReply::Refused(conflicts), .. } => {
                let changed = conflicts.iter().filter(|conflict| conflict.kind == ConflictKind::Changed).count();
                self.shared.metrics.in_vain(&self.config.name, changed);
            }
            Input::Quiet { shard, pending, .. } => {
                self.shared.metrics.lag(&self.config.name, *shard, *pending);
            }
            _ => {}
        }
    }

    fn feed(&mut self, input: MachineInput) {
        let delivered = match &input {
            Input::Delivered { shard, .. } => Some(*shard),
            _ => None,
        };
        let commands = self.machine.handle(self.clock.now(), input);
        // A chunk whose events were all settled before needs no look-up.
        if let Some(shard) = delivered
            && !commands.iter().any(|command| matches!(command, Command::LookUp { shard: of, .. } if *of == shard))
            && let Some(owned) = self.shards.get_mut(&shard)
        {
            owned.letting_in = false;
        }
        for command in commands {
            self.carry_out(command);
        }
    }

    /// Lets each shard's puller hand over one more chunk if the machine has room.
    fn let_in(&mut self) {
        for (shard, owned) in &mut self.shards {
            if !owned.letting_in && self.machine.wants(*shard) {
                owned.letting_in = true;
                owned.credit.add_permits(1);
            }
        }
    }

    fn carry_out(&mut self, command: MachineCommand) {
        match command {
            Command::Consume { shard, epoch: _, incarnation, start } => self.consume(shard, incarnation, start),
            Command::LookUp { shard, lookup, events } => {
                if let Some(owned) = self.shards.get_mut(&shard) {
                    owned.to_look_up.push_back((lookup, events));
                    self.look_up_next(shard);
                }
            }
            Command::Start { shard, mark: Mark::Running(running), invocations } => {
                self.starts.add(shard, running, invocations);
            }
            Command::Start { shard, mark: Mark::Alone(seq), invocations } => self.start_alone(shard, seq, invocations),
            Command::Commit(commit) => {
                let Some(owned) = self.shards.get(&commit.shard) else { return };
                let owner = owned.owner.clone();
                let (store, _, reports) = self.store_call();
                self.jobs.spawn(async move {
                    let (shard, number) = (commit.shard, commit.commit);
                    let reply = store.commit(&owner, commit).await;
                    send(&reports, Message::Input(Input::Committed { shard, commit: number, reply })).await;
                });
            }
            Command::Load { shard, load, key, from, limit } => {
                let (store, name, reports) = self.store_call();
                self.jobs.spawn(async move {
                    let events = loop {
                        match store.load(&name, LIVE, shard, &key, from, limit).await {
                            Ok(events) => break events,
                            Err(error) => wait_for_store(&name, "load parked events", &error).await,
                        }
                    };
                    send(&reports, Message::Input(Input::Loaded { shard, load, key, events })).await;
                });
            }
            Command::Stopped { from, until } => self.keep_stop(Stop::Between(from, until)),
            Command::Release { shard } => {
                if let Some(owned) = self.shards.get_mut(&shard) {
                    owned.stop_pulling();
                    let (owner, hold) = (owned.owner.clone(), owned.hold.clone());
                    self.release(owner, hold);
                }
            }
        }
    }

    fn look_up_next(&mut self, shard: Shard) {
        let Some(owned) = self.shards.get_mut(&shard).filter(|owned| owned.looking_up.is_none()) else { return };
        let Some((lookup, events)) = owned.to_look_up.pop_front() else { return };
        owned.looking_up = Some(lookup);
        let (store, name, reports) = self.store_call();
        self.jobs.spawn(async move {
            let known = loop {
                match store.look_up(&name, LIVE, &events).await {
                    Ok(known) => break known,
                    Err(error) => wait_for_store(&name, "look events up", &error).await,
                }
            };
            send(&reports, Message::Input(Input::LookedUp { shard, lookup, known })).await;
        });
    }

    fn release(&mut self, owner: Owner, hold: Hold) {
        self.releasing += 1;
        let (store, name, reports) = self.store_call();
        self.jobs.spawn(async move {
            // Where others wait for the shard it is tried until it can be no news to them.
            while let Err(error) = store.release(&owner).await {
                let text = service::error::Chain(&error).to_string();
                tracing::warn!(handler = %name, shard = owner.shard, error = text, "failed to give the lease back");
                if !store.is_shared() || matches!(error, store::Error::Lost { .. }) || !hold.is_good() {
                    break;
                }
                tokio::time::sleep(STORE_RETRY).await;
            }
            send(&reports, Message::Released { shard: owner.shard }).await;
        });
    }

    fn drop_shard(&mut self, shard: Shard) {
        self.starts.forget(shard);
        if let Some(mut owned) = self.shards.remove(&shard) {
            owned.stop_pulling();
        }
    }

    fn store_call(&self) -> (store::Store, String, mpsc::Sender<Message>) {
        (self.shared.store.clone(), self.config.name.to_string(), self.reports.clone())
    }
}

impl Owned {
    fn stop_pulling(&mut self) {
        if let Some(puller) = self.puller.take() {
            puller.abort();
        }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.stop_pulling();
    }
}

async fn sleep_until(at: Option<Instant>) {
    if let Some(at) = at {
        tokio::time::sleep_until(at).await;
    }
}

/// The task may be gone already; then nobody waits for the report.
async fn send(reports: &mpsc::Sender<Message>, message: Message) {
    let _ = reports.send(message).await;
}

async fn wait_for_store(handler: &str, what: &'static str, error: &store::Error) {
    let error = service::error::Chain(error).to_string();
    tracing::error!(handler, error, "failed to {what}; trying again");
    tokio::time::sleep(STORE_RETRY).await;
}
