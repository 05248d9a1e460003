//! The system that is struck: servers, and services that reach each other through proxies.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use async_nats::jetstream::{self, stream};
use rustix::process::Signal;
use serde_json::{Value, json};
use store::{BooksRow, Store};
use testkit::{Fault, FaultProxy, NatsServer, PostgresServer, wait_until};

use super::facts::Slept;
use super::plan::{Deed, Harm, Link, RUNNERS, Strike};
use super::woken::{Taken, knows};
use crate::rig::{LONG, OUT, Rig, Service, free_address};

/// Shards of the streams.
pub(super) const SHARDS: usize = 4;

/// A runner that may be dead.
struct Runner {
    rig: Rig,
    nats: FaultProxy,
    database: FaultProxy,
    service: tokio::sync::Mutex<Option<Service>>,
}

/// Everything.
pub(super) struct Site {
    pub(super) nats: NatsServer,
    pub(super) postgres: PostgresServer,
    /// The database as the first runner reaches it.
    pub(super) database: String,
    rig: Rig,
    address: String,
    receiver_nats: FaultProxy,
    webhooks: FaultProxy,
    receiver: tokio::sync::Mutex<Option<Service>>,
    runners: Vec<Runner>,
    slept: Mutex<Vec<Slept>>,
}

impl Site {
    /// Starts everything with these handlers.
    pub(super) async fn start(handlers: &[Value], max_bytes: &str) -> Result<Self> {
        let (nats, postgres) = (NatsServer::start().await?, PostgresServer::start().await?);
        let config = stream::Config {
            name: OUT.to_owned(),
            subjects: vec!["out.>".to_owned()],
            // What a runner was about to send when it was stopped it may send once more: that is for the stream to know.
            duplicate_window: Duration::from_mins(10),
            ..stream::Config::default()
        };
        jetstream::new(nats.client().await?).create_stream(config).await?;
        // A repeat is stored once more when the stream has forgotten the first one: then it is for the runner to know.
        let streams = json!({ "shards": SHARDS, "max_bytes": max_bytes, "duplicate_window": "2s" });
        let (mut runners, mut database) = (Vec::new(), String::new());
        for number in 0..RUNNERS {
            let proxy = FaultProxy::start(postgres.port()).await?;
            if number == 0 {
                database = postgres.database_at(proxy.address()).await?;
            }
            let name = database.rsplit('/').next().unwrap_or_default();
            let url = format!("postgres://roomwire@{}/{name}", proxy.address());
            let rig = Rig::new(json!({ "state": { "url": url }, "streams": streams, "handlers": handlers }))?;
            let nats = FaultProxy::start(nats.port()).await?;
            runners.push(Runner { rig, nats, database: proxy, service: tokio::sync::Mutex::new(None) });
        }
        let rig = Rig::new(json!({ "streams": streams, "receiver": { "spool": { "path": "spool.db" } } }))?;
        let address = free_address()?;
        let port = address.rsplit(':').next().and_then(|port| port.parse().ok()).context("no port")?;
        let (receiver_nats, webhooks) = (FaultProxy::start(nats.port()).await?, FaultProxy::start(port).await?);
        let site = Self {
            nats,
            postgres,
            database,
            rig,
            address,
            receiver_nats,
            webhooks,
            receiver: tokio::sync::Mutex::new(None),
            runners,
            slept: Mutex::default(),
        };
        site.start_receiver().await?;
        for number in 0..RUNNERS {
            site.start_runner(number).await?;
        }
        Ok(site)
    }

    /// Where webhooks are posted.
    pub(super) fn webhook(&self) -> String {
        format!("http://{}/livekit", self.webhooks.address())
    }

    /// Carries a strike out, and makes everything whole after it.
    pub(super) async fn strike(&self, strike: &Strike) -> Result<()> {
        tokio::time::sleep(strike.begins).await;
        eprintln!("    {strike}");
        let struck = self.strike_now(strike).await;
        struck.with_context(|| format!("{strike}"))
    }

    async fn strike_now(&self, strike: &Strike) -> Result<()> {
        let lasts = tokio::time::sleep(strike.lasts);
        match strike.deed {
            Deed::KillRunner(number) => {
                if let Some(dead) = self.runner(number)?.service.lock().await.take() {
                    dead.process.kill9()?;
                }
                lasts.await;
                self.start_runner(number).await
            }
            Deed::StopRunner(number) => {
                self.stop_runner(number).await?;
                lasts.await;
                self.start_runner(number).await
            }
            Deed::PauseRunner(number) => self.pause_runner(number, strike.lasts).await,
            Deed::KillReceiver => {
                if let Some(dead) = self.receiver.lock().await.take() {
                    dead.process.kill9()?;
                }
                lasts.await;
                self.start_receiver().await
            }
            Deed::KillNats => {
                self.nats.kill()?;
                lasts.await;
                self.nats.restart().await
            }
            Deed::KillDatabase => {
                self.postgres.kill().await?;
                lasts.await;
                self.postgres.restart().await
            }
            Deed::Harm(link, harm) => {
                let proxy = self.proxy(link)?;
                let fault = match harm {
                    Harm::Cut => Fault::None,
                    Harm::Stall => Fault::Stall,
                    Harm::SwallowAnswers => Fault::SwallowAnswers,
                    Harm::SwallowRequests => Fault::SwallowRequests,
                    Harm::Refuse => Fault::Refuse,
                };
                proxy.set(fault);
                if matches!(harm, Harm::Cut | Harm::Refuse) {
                    proxy.cut();
                }
                lasts.await;
                // What passes after something was lost makes no sense.
                if matches!(harm, Harm::SwallowAnswers | Harm::SwallowRequests) {
                    proxy.cut();
                }
                proxy.set(Fault::None);
                Ok(())
            }
        }
    }

    fn runner(&self, number: usize) -> Result<&Runner> {
        self.runners.get(number).context("no such runner")
    }

    fn proxy(&self, link: Link) -> Result<&FaultProxy> {
        Ok(match link {
            Link::Webhooks => &self.webhooks,
            Link::ReceiverNats => &self.receiver_nats,
            Link::RunnerNats(number) => &self.runner(number)?.nats,
            Link::RunnerDatabase(number) => &self.runner(number)?.database,
        })
    }

    async fn pause_runner(&self, number: usize, lasts: Duration) -> Result<()> {
        let service = self.runner(number)?.service.lock().await;
        let service = service.as_ref().context("the runner is dead already")?;
        let mine = format!(" pid {} ", service.process.pid());
        let before = self.books().await.unwrap_or_default();
        service.process.signal(Signal::STOP)?;
        tokio::time::sleep(lasts).await;
        // Without the database nobody takes anything, and nothing is known.
        let now = self.books().await.unwrap_or_default();
        service.process.signal(Signal::CONT)?;
        let taken: Vec<Taken> = before
            .into_iter()
            .filter(|row| row.owner.contains(&mine) && !row.clean)
            .filter(|row| now.iter().any(|now| is_same(row, now) && !now.owner.contains(&mine)))
            .map(|row| (row.handler, row.shard, row.epoch))
            .collect();
        let has_told = || async { knows(&service.process.log(), &taken) };
        let told = taken.is_empty() || wait_until(LONG, "a runner to know that it slept", has_told).await.is_ok();
        self.slept.lock().unwrap_or_else(PoisonError::into_inner).push(Slept { runner: number, taken, told });
        Ok(())
    }

    async fn stop_runner(&self, number: usize) -> Result<()> {
        let Some(service) = self.runner(number)?.service.lock().await.take() else { return Ok(()) };
        service.process.sigterm()?;
        let status = service.process.wait_exit(LONG).await?;
        ensure!(status.success(), "a runner that was stopped ended with {status}: {}", service.process.log());
        Ok(())
    }

    /// Starts it as a supervisor does: again, while what it needs is not there.
    async fn start_runner(&self, number: usize) -> Result<()> {
        let runner = self.runner(number)?;
        let nats = runner.nats.nats_url();
        let started = again(|| runner.rig.runner(&nats)).await?;
        *runner.service.lock().await = Some(started);
        Ok(())
    }

    async fn start_receiver(&self) -> Result<()> {
        let nats = self.receiver_nats.nats_url();
        let started = again(|| self.rig.receiver(&nats, &self.address)).await?;
        *self.receiver.lock().await = Some(started);
        Ok(())
    }

    /// The books as they are now.
    pub(super) async fn books(&self) -> Result<Vec<BooksRow>> {
        let url = self.postgres.directly(&self.database);
        let store = Box::pin(Store::open(&url, &event::Prefix::default())).await?;
        let books = Box::pin(store.books()).await;
        Box::pin(store.close()).await;
        Ok(books?)
    }

    /// Waits until everything that is stored is settled and sent. As long as there is progress, it may take its time.
    pub(super) async fn settle(&self) -> Result<()> {
        let (mut seen, mut since) = (String::new(), Instant::now());
        loop {
            let (rest, state) = self.rest().await.unwrap_or_else(|error| (None, format!("{error:#}")));
            if rest == Some(0) {
                return Ok(());
            }
            if state != seen {
                (seen, since) = (state, Instant::now());
            }
            ensure!(since.elapsed() < LONG, "nothing moves any more: {seen}\n{}", self.logs().await);
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    /// How much is to be done, and a text that changes with progress.
    async fn rest(&self) -> Result<(Option<u64>, String)> {
        let url = self.postgres.directly(&self.database);
        let store = Box::pin(Store::open(&url, &event::Prefix::default())).await?;
        let (books, counts) = (Box::pin(store.books()).await, Box::pin(store.counts()).await);
        Box::pin(store.close()).await;
        let (books, counts, js) = (books?, counts?, self.nats.jetstream().await?);
        let (mut rest, mut state) = (0, String::new());
        for shard in 0..u16::try_from(SHARDS)? {
            let mut stream = js.get_stream(event::topology::events_stream(&event::Prefix::default(), shard)).await?;
            let last = stream.info().await?.state.last_sequence;
            let of_shard = books.iter().filter(|row| row.shard == shard);
            let floors: Vec<(String, u64)> = of_shard.map(|row| (row.handler.clone(), row.progress.floor)).collect();
            rest += floors.iter().map(|(_, floor)| last.saturating_sub(*floor)).sum::<u64>();
            // Writing to a text cannot fail.
            let _ = write!(state, "shard {shard} ends at {last}, floors {floors:?}; ");
        }
        rest += counts.iter().map(|counts| counts.parked + counts.outbox).sum::<u64>();
        let waiting: Vec<_> = counts.iter().map(|counts| (&counts.handler, counts.parked, counts.outbox)).collect();
        let spooled = match &*self.receiver.lock().await {
            Some(receiver) => receiver.metric("roomwire_receiver_spool_events").await?,
            None => Vec::new(),
        };
        rest += spooled.iter().filter(|(_, events)| *events > 0.0).count() as u64;
        Ok((Some(rest), format!("{state}waiting {waiting:?}, in the spool {spooled:?}")))
    }

    /// Stops all services, which must end well, and gives who slept.
    pub(super) async fn stop(&self) -> Result<Vec<Slept>> {
        for number in 0..RUNNERS {
            self.stop_runner(number).await?;
        }
        if let Some(receiver) = self.receiver.lock().await.take() {
            receiver.process.sigterm()?;
            ensure!(receiver.process.wait_exit(LONG).await?.success(), "{}", receiver.process.log());
        }
        Ok(std::mem::take(&mut *self.slept.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    async fn logs(&self) -> String {
        let mut logs = String::new();
        for (number, runner) in self.runners.iter().enumerate() {
            let log = runner.service.lock().await.as_ref().map(|service| service.process.log()).unwrap_or_default();
            let start = log.ceil_char_boundary(log.len().saturating_sub(4_000));
            let _ = writeln!(logs, "--- runner {number}\n{}", log.get(start..).unwrap_or_default());
        }
        logs
    }
}

fn is_same(one: &BooksRow, other: &BooksRow) -> bool {
    one.handler == other.handler && one.shard == other.shard
}

async fn again<F: Future<Output = Result<Service>>>(start: impl Fn() -> F) -> Result<Service> {
    let since = Instant::now();
    loop {
        match start().await {
            Ok(service) => return Ok(service),
            Err(error) if since.elapsed() > LONG => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}
