//! Reads the certificate again when its files change, and on SIGHUP.

use std::io;
use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{Certificate, pair};
use crate::admin::Metrics;
use crate::error::Chain;
use crate::settled::{Contents, LOOK_EVERY, Settled};

/// Keeps the certificate in step with its files, on a task of its own until `shutdown`. Connections that are open keep
/// theirs. Files that cannot be used are refused, and the certificate stays as it was.
///
/// # Errors
/// When SIGHUP cannot be handled.
pub fn keep_reloaded(certificate: &Certificate, metrics: &Metrics, shutdown: CancellationToken) -> io::Result<()> {
    let hangups = signal(SignalKind::hangup())?;
    let metrics = metrics.register(ReloadMetrics::register);
    let certificate = certificate.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = run(certificate, metrics, hangups) => {}
        }
    });
    Ok(())
}

async fn run(certificate: Certificate, metrics: ReloadMetrics, mut hangups: Signal) {
    let section = certificate.section.clone();
    let mut settled = Settled::after(certificate.loaded.clone());
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let asked = tokio::select! {
            _ = ticks.tick() => false,
            Some(()) = hangups.recv() => true,
        };
        let files = section.clone();
        let contents = spawn_blocking(move || Contents::read([&*files.cert, &*files.key]));
        let Ok(contents) = contents.await else { continue };
        if !settled.is_due(contents) && !asked {
            continue;
        }
        settled.judged();
        let files = section.clone();
        let Ok(loaded) = spawn_blocking(move || pair::load(&files)).await else { continue };
        let cert = section.cert.display();
        match loaded {
            Ok(config) => {
                certificate.config.send_replace(Arc::new(config));
                metrics.refused.set(0);
                metrics.count("applied");
                tracing::info!(%cert, "certificate read again: new connections get it");
            }
            Err(error) => {
                metrics.refused.set(1);
                metrics.count("refused");
                tracing::error!(%cert, "certificate not read again, the old one stays: {}", Chain(&error));
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// What became of certificates that were read again.
#[derive(Debug, Clone)]
struct ReloadMetrics {
    reloads: Family<Outcome, Counter>,
    refused: Gauge,
}

impl ReloadMetrics {
    fn register(registry: &mut Registry) -> Self {
        let metrics = Self { reloads: Family::default(), refused: Gauge::default() };
        let Self { reloads, refused } = metrics.clone();
        let certificate = registry.sub_registry_with_prefix("certificate");
        certificate.register(
            "reloads",
            "Times that the files of the certificate changed, or were read again on SIGHUP, by outcome: applied or refused",
            reloads,
        );
        certificate.register(
            "refused",
            "1 while the files as they are now are refused and an older pair holds",
            refused,
        );
        metrics
    }

    fn count(&self, outcome: &'static str) {
        self.reloads.get_or_create(&Outcome { outcome }).inc();
    }
}
