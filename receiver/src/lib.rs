//! Takes LiveKit's webhooks over HTTP and answers 2xx only when the event is stored in JetStream.

mod activity;
mod body;
mod clock;
mod config;
mod connection;
mod judge;
mod metrics;
mod outcome;
mod privacy;
mod publish;
mod quarantine;
mod readiness;
mod server;
mod trace;
mod webhook;

use std::sync::Arc;

use service::admin::{Health, Metrics};
use service::nats::Connection;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use clock::Clock;
pub use config::Config;
pub use judge::{Judged, Request, Rules, judge};
pub use outcome::{Fault, Outcome};
pub use privacy::{Left, Privacy};
pub use readiness::RunError;

/// Serves webhooks on `listener` until `shutdown`, then finishes what is in flight.
///
/// It starts whether or not NATS can be reached, and answers 503 until there is a connection and the event streams are
/// there; the health component `receiver` says what is missing.
///
/// # Errors
/// When the server or the streams are such that no event may be stored: too old, too small a `max_payload`, another number
/// of shards. An operator must act then.
pub async fn run(
    listener: TcpListener,
    connection: Connection,
    config: Config,
    health: &Health,
    metrics: &Metrics,
    shutdown: CancellationToken,
) -> Result<(), RunError> {
    let config = Arc::new(config);
    let metrics = Arc::new(metrics.register(metrics::ReceiverMetrics::register));
    let (readiness, ready) =
        readiness::Readiness::new(connection.clone(), config.clone(), health.component("receiver"));
    let quarantine = config
        .quarantine
        .as_ref()
        .map(|section| quarantine::Quarantine::new(connection.clone(), &config, section, ready.clone()));
    let publisher = publish::Publisher::new(connection, &config, ready, metrics.clone());
    let webhooks = Arc::new(webhook::Webhooks::new(config, publisher, quarantine, metrics));
    let stop = shutdown.child_token();
    let serving = server::serve(listener, webhooks, stop.clone());
    tokio::pin!(serving);
    tokio::select! {
        () = &mut serving => Ok(()),
        error = readiness.keep() => {
            stop.cancel();
            serving.await;
            Err(error)
        }
    }
}
