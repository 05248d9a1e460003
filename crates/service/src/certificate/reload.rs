//! Reads the certificate again when its files change, and on SIGHUP.

use std::io;
use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::{Certificate, pair};
use crate::admin::Metrics;
use crate::changes::Changes;
use crate::error::Chain;

/// Keeps the certificate in step with its files, on a task of its own until `shutdown`. Connections that are open keep
/// theirs. Files that cannot be used are refused, and the certificate stays as it was.
///
/// # Errors
/// When SIGHUP cannot be handled.
pub fn keep_reloaded(certificate: &Certificate, metrics: &Metrics, shutdown: CancellationToken) -> io::Result<()> {
    let changes = Changes::after(certificate.loaded.clone())?;
    let metrics = metrics.register(ReloadMetrics::register);
    let certificate = certificate.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = run(certificate, metrics, changes) => {}
        }
    });
    Ok(())
}

async fn run(certificate: Certificate, metrics: ReloadMetrics, mut changes: Changes) {
    let section = certificate.section.clone();
    let watched = [section.cert.clone(), section.key.clone()];
    loop {
        changes.next(&watched).await;
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
