//! Every metric of this crate, with its name, unit and help. Labels come from closed sets: never a room or an id.

use std::sync::Arc;

use event::HandlerName;
use lanes::Shard;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use store::{Event, Report};

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfHandler {
    handler: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfShard {
    handler: String,
    shard: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfOutcome {
    handler: String,
    outcome: String,
}

/// The runner's metrics.
#[derive(Clone)]
pub(crate) struct Metrics {
    invocations: Family<OfOutcome, Counter>,
    duration: Family<OfHandler, Histogram, fn() -> Histogram>,
    waiting: Family<OfHandler, Gauge>,
    running: Family<OfHandler, Gauge>,
    lag: Family<OfShard, Gauge>,
    unaccounted: Family<OfShard, Gauge>,
    parked: Family<OfHandler, Gauge>,
    dead: Family<OfHandler, Gauge>,
    outbox: Family<OfHandler, Gauge>,
    sent: Counter,
    send_failures: Counter,
    shards: Family<OfHandler, Gauge>,
    trimmed: Counter,
    resets: Family<OfHandler, Counter>,
    activations: Family<OfOutcome, Counter>,
}

fn durations() -> Histogram {
    Histogram::new(exponential_buckets(0.000_05, 2.0, 18))
}

impl Metrics {
    pub(crate) fn register(metrics: &service::admin::Metrics) -> Self {
        let this = Self {
            invocations: Family::default(),
            duration: Family::new_with_constructor(durations),
            waiting: Family::default(),
            running: Family::default(),
            lag: Family::default(),
            unaccounted: Family::default(),
            parked: Family::default(),
            dead: Family::default(),
            outbox: Family::default(),
            sent: Counter::default(),
            send_failures: Counter::default(),
            shards: Family::default(),
            trimmed: Counter::default(),
            resets: Family::default(),
            activations: Family::default(),
        };
        metrics.register(|registry| {
            let runner = registry.sub_registry_with_prefix("runner");
            runner.register("invocations", "Attempts by how they ended", this.invocations.clone());
            runner.register("invocation_duration_seconds", "Time of one attempt", this.duration.clone());
            runner.register("events_waiting", "Events in memory that are not settled", this.waiting.clone());
            runner.register("events_running", "Invocations under way", this.running.clone());
            runner.register("lag_events", "Events in the stream that were not delivered yet", this.lag.clone());
            runner.register(
                "unaccounted",
                "Settled sequences the books do not explain; must be 0",
                this.unaccounted.clone(),
            );
            runner.register("parked_events", "Events that wait in the state store", this.parked.clone());
            runner.register("dead_letters", "Dead letters that were not redriven", this.dead.clone());
            runner.register("outbox_rows", "Messages that were committed and not sent yet", this.outbox.clone());
            runner.register("outbox_sent", "Messages that their stream acknowledged", this.sent.clone());
            runner.register("outbox_failures", "Sends that failed or were not answered", this.send_failures.clone());
            runner.register("shards", "Shards that this runner owns", this.shards.clone());
            runner.register(
                "trimmed_events",
                "Settled events that were removed from their stream",
                this.trimmed.clone(),
            );
            runner.register("stream_resets", "Streams found wiped or restored", this.resets.clone());
            runner.register("plugin_activations", "Plugin files taken or refused", this.activations.clone());
        });
        this
    }

    pub(crate) fn invoked(&self, handler: &str, report: &Report) {
        let labels = OfOutcome { handler: handler.to_owned(), outcome: report.outcome.to_string() };
        self.invocations.get_or_create(&labels).inc();
        let seconds = std::time::Duration::from_micros(report.duration_us).as_secs_f64();
        self.duration.get_or_create(&of(handler)).observe(seconds);
    }

    pub(crate) fn waiting(&self, handler: &HandlerName, machine: &lanes::Handler<Arc<Event>, Arc<Report>>) {
        let gauges = machine.gauges();
        let labels = of(handler.as_str());
        self.waiting.get_or_create(&labels).set(number(gauges.events));
        self.running.get_or_create(&labels).set(number(gauges.running));
    }

    pub(crate) fn lag(&self, handler: &HandlerName, shard: Shard, pending: u64) {
        let labels = OfShard { handler: handler.to_string(), shard };
        self.lag.get_or_create(&labels).set(number(pending));
    }

    pub(crate) fn shards(&self, handler: &str, owned: usize) {
        self.shards.get_or_create(&of(handler)).set(i64::try_from(owned).unwrap_or(i64::MAX));
    }

    pub(crate) fn trimmed(&self, events: u64) {
        self.trimmed.inc_by(events);
    }

    pub(crate) fn stream_reset(&self, handler: &HandlerName) {
        self.resets.get_or_create(&of(handler.as_str())).inc();
    }

    pub(crate) fn activated(&self, handler: &HandlerName, taken: bool) {
        let outcome = if taken { "taken" } else { "refused" }.to_owned();
        self.activations.get_or_create(&OfOutcome { handler: handler.to_string(), outcome }).inc();
    }

    pub(crate) fn sent(&self, count: usize) {
        self.sent.inc_by(count as u64);
    }

    pub(crate) fn send_failed(&self, count: usize) {
        self.send_failures.inc_by(count as u64);
    }

    /// What the store holds, read now and then.
    pub(crate) fn stored(&self, books: &[store::BooksRow], counts: &[store::Counts]) {
        for row in books {
            let labels = OfShard { handler: row.handler.clone(), shard: row.shard };
            self.unaccounted.get_or_create(&labels).set(row.unaccounted());
        }
        for count in counts {
            let labels = of(&count.handler);
            self.parked.get_or_create(&labels).set(number(count.parked));
            self.dead.get_or_create(&labels).set(number(count.dead));
            self.outbox.get_or_create(&labels).set(number(count.outbox));
        }
    }
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn of(handler: &str) -> OfHandler {
    OfHandler { handler: handler.to_owned() }
}
