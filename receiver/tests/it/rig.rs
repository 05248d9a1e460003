//! A receiver with a NATS server and a clock of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use livekit::generate::{Names, event};
use livekit::token::{Keys, Secret, sign};
use receiver::{Clock, Config, RunError};
use service::admin::{Health, Metrics};
use service::config::NatsSection;
use service::nats::FirstConnect;
use testkit::http::{Answer, Http};
use testkit::{Fault, FaultProxy, NatsServer, Stored, wait_until};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const KEY: &str = "devkey";
pub(crate) const SECRET: &str = "secretsecretsecretsecretsecretsecret";
/// The time that a rig's clock shows until it is set.
pub(crate) const NOW_S: u64 = 1_795_429_840;
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) struct Rig {
    pub(crate) nats: NatsServer,
    proxy: FaultProxy,
    pub(crate) address: String,
    pub(crate) url: String,
    pub(crate) http: Http,
    pub(crate) health: Health,
    pub(crate) shutdown: CancellationToken,
    pub(crate) running: JoinHandle<Result<(), RunError>>,
    metrics: Metrics,
    now_ms: Arc<AtomicU64>,
}

impl Rig {
    /// One that is ready.
    pub(crate) async fn start(change: impl FnOnce(&mut Config)) -> Result<Rig> {
        let rig = Rig::start_on(NatsServer::start().await?, change).await?;
        rig.ready().await?;
        Ok(rig)
    }

    /// One that need not become ready.
    pub(crate) async fn start_on(nats: NatsServer, change: impl FnOnce(&mut Config)) -> Result<Rig> {
        let now_ms = Arc::new(AtomicU64::new(NOW_S * 1000));
        let clock = now_ms.clone();
        let mut config = Config::new(&service::config::Config::default(), keys(), None);
        config.clock = Clock::new(move || clock.load(Ordering::Relaxed));
        // Acknowledgements take as long as the disk of a busy machine wants.
        config.answer_within = SOON;
        change(&mut config);
        let proxy = FaultProxy::start(nats.port()).await?;
        let section = NatsSection { url: Some(proxy.nats_url()), ..NatsSection::default() };
        let connection = service::nats::connect(&section, "test", FirstConnect::Retry).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let (health, metrics, shutdown) = (Health::new(), Metrics::default(), CancellationToken::new());
        let running = {
            let (health, metrics, shutdown) = (health.clone(), metrics.clone(), shutdown.clone());
            tokio::spawn(async move { receiver::run(listener, connection, config, &health, &metrics, shutdown).await })
        };
        let url = format!("http://{address}/livekit");
        Ok(Rig { nats, proxy, address, url, http: Http::new(), health, shutdown, running, metrics, now_ms })
    }

    pub(crate) async fn ready(&self) -> Result<()> {
        wait_until(SOON, "the receiver is ready", || async { self.has_component() && self.health.is_ready() }).await
    }

    /// Readiness before the receiver has added its component would say nothing.
    fn has_component(&self) -> bool {
        self.metrics.encode().unwrap().contains("roomwire_receiver_connections")
    }

    /// From now on nothing reaches NATS, and the connection stays open.
    pub(crate) fn stall(&self) {
        self.proxy.set(Fault::Stall);
    }

    /// What was held back arrives.
    pub(crate) fn go_on(&self) {
        self.proxy.set(Fault::None);
    }

    pub(crate) fn set_clock(&self, seconds: f64) {
        let ms = Duration::from_secs_f64(seconds).as_millis();
        self.now_ms.store(u64::try_from(ms).unwrap(), Ordering::Relaxed);
    }

    /// A token of the configured key, signed now by the rig's clock.
    pub(crate) fn token(&self, body: &str) -> String {
        sign(KEY, &Secret::new(SECRET).unwrap(), body.as_bytes(), self.now_ms.load(Ordering::Relaxed) / 1000)
    }

    pub(crate) async fn send(&self, body: &str) -> Result<Answer> {
        self.http.webhook(&self.url, &self.token(body), body.to_owned()).await
    }

    pub(crate) async fn stored(&self) -> Result<Vec<Stored>> {
        testkit::stored(&self.nats.url(), "RW_EVENTS_").await
    }

    /// Everything that was refused and is kept.
    pub(crate) async fn quarantined(&self) -> Result<Vec<Stored>> {
        testkit::stored(&self.nats.url(), "RW_QUARANTINE_").await
    }

    /// How many requests were answered so.
    pub(crate) fn answered(&self, status: u16, reason: &str) -> u64 {
        self.metric(&format!("roomwire_receiver_requests_total{{status=\"{status}\",reason=\"{reason}\"}}"))
    }

    /// The value of a series, 0 when there is none.
    pub(crate) fn metric(&self, series: &str) -> u64 {
        let text = self.metrics.encode().unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok());
        line.unwrap_or_default()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.running.abort();
    }
}

pub(crate) fn keys() -> Keys {
    [(KEY.to_owned(), Secret::new(SECRET).unwrap())].into_iter().collect()
}

pub(crate) fn room_started(room: &str) -> String {
    event("room_started", &Names::new(room, ""))
}

pub(crate) fn id_of(body: &str) -> String {
    livekit::body::inspect(body.as_bytes()).unwrap().id.to_string()
}
