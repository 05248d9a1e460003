//! What a receiver counts.

mod spool;

use event::quarantine::Class;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::outcome::{Fault, Outcome};
pub(crate) use spool::SpoolMetrics;

/// Seconds: an fsync takes one to ten milliseconds, the deadline is 0.9 s by default.
const BUCKETS: [f64; 13] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.9, 2.0, 5.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    status: u16,
    reason: &'static str,
}

impl Answered {
    fn of(outcome: &Outcome) -> Answered {
        Answered { status: outcome.status().as_u16(), reason: outcome.reason() }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Closed {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Quarantined {
    class: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NotQuarantined {
    class: &'static str,
    cause: &'static str,
}

/// What a receiver counts.
#[derive(Debug, Clone)]
pub(crate) struct ReceiverMetrics {
    requests: Family<Answered, Counter>,
    /// That of `requests` which nearly all of them count in.
    stored: Counter,
    duplicates: Counter,
    closed: Family<Closed, Counter>,
    quarantined: Family<Quarantined, Counter>,
    not_quarantined: Family<NotQuarantined, Counter>,
    pub(crate) publish_seconds: Histogram,
    pub(crate) in_flight: Gauge,
    pub(crate) connections: Gauge,
    pub(crate) accepted: Counter,
}

impl ReceiverMetrics {
    pub(crate) fn register(registry: &mut Registry) -> ReceiverMetrics {
        let requests = Family::<Answered, Counter>::default();
        let stored = requests.get_or_create_owned(&Answered::of(&Outcome::Stored));
        let metrics = ReceiverMetrics {
            requests,
            stored,
            duplicates: Counter::default(),
            closed: Family::default(),
            quarantined: Family::default(),
            not_quarantined: Family::default(),
            publish_seconds: Histogram::new(BUCKETS),
            in_flight: Gauge::default(),
            connections: Gauge::default(),
            accepted: Counter::default(),
        };
        let ReceiverMetrics { requests, duplicates, closed, publish_seconds, in_flight, connections, .. } =
            metrics.clone();
        let ReceiverMetrics { quarantined, not_quarantined, accepted, .. } = metrics.clone();
        let receiver = registry.sub_registry_with_prefix("receiver");
        receiver.register("requests", "Requests answered, by status and reason", requests);
        receiver.register("duplicates", "Events that JetStream had already", duplicates);
        receiver.register("connections_closed", "Connections closed early, by reason", closed);
        receiver.register(
            "quarantined",
            "Refused requests that the quarantine keeps, by class and reason",
            quarantined,
        );
        receiver.register(
            "not_quarantined",
            "Refused requests that the quarantine did not take, so that they were answered 503, by class and cause",
            not_quarantined,
        );
        receiver.register(
            "publish_seconds",
            "Time from sending an event to JetStream to its acknowledgement",
            publish_seconds,
        );
        receiver.register("in_flight", "Events that wait for JetStream", in_flight);
        receiver.register("connections", "Open connections", connections);
        receiver.register("connections_accepted", "Connections that were served, open or not", accepted);
        metrics
    }

    pub(crate) fn answered(&self, outcome: &Outcome) {
        match outcome {
            Outcome::Stored => self.stored.inc(),
            outcome => self.requests.get_or_create(&Answered::of(outcome)).inc(),
        };
        if matches!(outcome, Outcome::Duplicate) {
            self.duplicates.inc();
        }
    }

    /// A request was refused; `kept` is what the quarantine said, none where there is no quarantine.
    pub(crate) fn refused(&self, class: Class, reason: &'static str, kept: Option<&Result<(), Fault>>) {
        let class = class.as_str();
        match kept {
            None => {}
            Some(Ok(())) => {
                self.quarantined.get_or_create(&Quarantined { class, reason }).inc();
            }
            Some(Err(fault)) => {
                self.not_quarantined.get_or_create(&NotQuarantined { class, cause: fault.reason() }).inc();
            }
        }
    }

    pub(crate) fn closed(&self, reason: &'static str) {
        self.closed.get_or_create(&Closed { reason }).inc();
    }
}

/// A gauge that is one higher as long as this lives.
pub(crate) struct Counted(Gauge);

impl Counted {
    pub(crate) fn new(gauge: &Gauge) -> Counted {
        gauge.inc();
        Counted(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
