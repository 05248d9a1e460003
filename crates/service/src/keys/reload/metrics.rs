//! What became of keys that were read again.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Debug, Clone)]
pub(super) struct ReloadMetrics {
    reloads: Family<Outcome, Counter>,
    refused: Gauge,
    known: Gauge,
}

impl ReloadMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self { reloads: Family::default(), refused: Gauge::default(), known: Gauge::default() };
        let Self { reloads, refused, known } = metrics.clone();
        let keys = registry.sub_registry_with_prefix("keys");
        keys.register(
            "reloads",
            "Times that keys changed, or were read again on SIGHUP, by outcome: applied or refused",
            reloads,
        );
        keys.register("refused", "1 while the configuration file as it is now is refused and older keys hold", refused);
        keys.register("known", "API keys that webhooks are verified with", known);
        metrics
    }

    pub(super) fn known(&self, count: usize) {
        self.known.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub(super) fn applied(&self, count: usize, counts: bool) {
        self.known(count);
        self.refused.set(0);
        if counts {
            self.reloads.get_or_create(&Outcome { outcome: "applied" }).inc();
        }
    }

    pub(super) fn refused(&self) {
        self.refused.set(1);
        self.reloads.get_or_create(&Outcome { outcome: "refused" }).inc();
    }
}
