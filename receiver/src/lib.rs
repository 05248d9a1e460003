//! Takes LiveKit's webhooks over HTTP and answers 2xx only when the event is stored in JetStream.

mod accept;
mod activity;
mod body;
mod carried_on;
mod clock;
mod config;
mod connection;
mod judge;
mod metrics;
mod outcome;
mod outgoing;
mod patience;
mod places;
mod privacy;
mod publish;
mod quarantine;
mod readiness;
mod server;
mod spool;
mod tls;
mod trace;
mod webhook;

use std::sync::Arc;

use event::topology::StreamsConfig;
use futures_util::future::BoxFuture;
use service::admin::{Health, Metrics};
use service::nats::Connection;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use clock::Clock;
pub use config::Config;
pub use judge::{Judged, Request, Rules, judge};
pub use outcome::{Fault, Outcome};
pub use privacy::{Left, Privacy};
pub use readiness::RunError;
pub use spool::{DrainError, OpenError, Report, drain_orphan, report};

/// Serves webhooks on `listener` until `shutdown`, then finishes what is in flight.
///
/// It starts whether or not NATS can be reached, and answers 503 until there is a connection and the event streams are
/// there; the health component `receiver` says what is missing.
///
/// # Errors
/// When the server or the streams are such that no event may be stored: too old, too small a `max_payload`, another number
/// of shards. An operator must act then.
#[must_use]
pub fn run<'a>(
    listener: TcpListener,
    connection: Connection,
    config: Config,
    health: &'a Health,
    metrics: &'a Metrics,
    shutdown: CancellationToken,
) -> BoxFuture<'a, Result<(), RunError>> {
    // In a box, because a bare future is compiled where it is awaited: again in each binary.
    Box::pin(serve(listener, connection, config, health, metrics, shutdown))
}

async fn serve(
    listener: TcpListener,
    connection: Connection,
    config: Config,
    health: &Health,
    metrics: &Metrics,
    shutdown: CancellationToken,
) -> Result<(), RunError> {
    let config = Arc::new(config);
    let counts = Arc::new(metrics.register(metrics::ReceiverMetrics::register));
    let (readiness, ready) =
        readiness::Readiness::new(connection.clone(), config.clone(), health.component("receiver"));
    let (streams, limit) = (Arc::new(config.streams.clone()), config.limits.in_flight);
    let publisher = publish::Publisher::new(connection, streams.clone(), limit, ready, counts.clone()).await?;
    let quarantine =
        config.quarantine.as_ref().map(|section| quarantine::Quarantine::new(publisher.clone(), &config, section));
    let spooling = Spooling::start(&config, &streams, &publisher, metrics).await?;
    let spool = spooling.as_ref().map(|spooling| spooling.spool.clone());
    let acceptor = accept::Acceptor::new(&config, streams, publisher, spool);
    let webhooks = Arc::new(webhook::Webhooks::new(config, acceptor, quarantine, counts));
    let stop = shutdown.child_token();
    let serving = server::serve(listener, webhooks, stop.clone());
    tokio::pin!(serving);
    let ended = tokio::select! {
        () = &mut serving => Ok(()),
        error = readiness.keep() => {
            stop.cancel();
            serving.await;
            Err(error)
        }
    };
    if let Some(spooling) = spooling {
        spooling.stop().await;
    }
    ended
}

/// The spool while it is emptied.
struct Spooling {
    spool: spool::Spool,
    stop: CancellationToken,
    draining: JoinHandle<()>,
}

impl Spooling {
    /// Opens the spool where there is one.
    async fn start(
        config: &Config,
        streams: &Arc<StreamsConfig>,
        publisher: &publish::Publisher,
        metrics: &Metrics,
    ) -> Result<Option<Spooling>, RunError> {
        let Some(section) = &config.spool else {
            tracing::info!("no spool: while JetStream takes no events, webhooks are answered 503 (receiver.spool)");
            return Ok(None);
        };
        let counts = metrics::SpoolMetrics::default();
        let (spool, reader) =
            spool::Spool::open(&section.path, section.max_bytes, counts.clone()).await.map_err(RunError::Spool)?;
        metrics.register(|registry| counts.clone().register(registry));
        let drain = spool::Drain::new(spool.clone(), reader, publisher.clone(), streams.clone(), counts);
        let stop = CancellationToken::new();
        let draining = tokio::spawn(drain.run(stop.clone()));
        Ok(Some(Spooling { spool, stop, draining }))
    }

    /// What waits stays on disk.
    async fn stop(self) {
        self.stop.cancel();
        if let Err(error) = self.draining.await {
            tracing::error!(%error, "the spool's drain ended in a panic: please report it");
        }
        self.spool.close().await;
        let spool::Depth { rows, bytes } = self.spool.depth();
        if rows > 0 {
            tracing::warn!(
                rows,
                bytes,
                "events stay in the spool: the next start, or `roomwire spool drain`, sends them"
            );
        }
    }
}
