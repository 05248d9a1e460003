//! Every metric of this crate, with its name, unit and help. Labels come from closed sets: never a room or an id.

use std::sync::Arc;

use event::HandlerName;
use lanes::{BreakerState, Shard};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use store::{Event, Report};

use crate::config::Handler;
use crate::shared::DEAD_LETTERS;

/// As many shards as the configuration takes.
const MAX_SHARDS: Shard = 256;

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

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfReload {
    outcome: String,
}

/// The outgoing requests of one handler.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outgoing {
    requests: Family<OfOutcome, Counter>,
    handler: Arc<str>,
}

impl Outgoing {
    /// A request was answered with this status.
    pub(crate) fn answered(&self, status: u16) {
        self.count(match status {
            ..200 => "1xx",
            200..300 => "2xx",
            300..400 => "3xx",
            400..500 => "4xx",
            500.. => "5xx",
        });
    }

    /// A request had no answer, or no whole one.
    pub(crate) fn failed(&self, outcome: &'static str) {
        self.count(outcome);
    }

    fn count(&self, outcome: &'static str) {
        self.requests.get_or_create(&outcome_of(&self.handler, outcome)).inc();
    }
}

/// The invocations of one handler. What is counted of most of them is found once and not for each.
#[derive(Clone, Debug)]
pub(crate) struct Invoked {
    handler: Arc<str>,
    outcomes: Family<OfOutcome, Counter>,
    done: Counter,
    duration: Histogram,
}

impl Invoked {
    /// An invocation ended, and this is the report of it.
    pub(crate) fn count(&self, report: &Report) {
        if &*report.outcome == DONE {
            self.done.inc();
        } else {
            self.outcomes.get_or_create(&outcome_of(&self.handler, &report.outcome)).inc();
        }
        self.duration.observe(std::time::Duration::from_micros(report.duration_us).as_secs_f64());
    }
}

/// The outcome of most invocations.
const DONE: &str = "done";

/// The runner's metrics.
#[derive(Clone)]
pub(crate) struct Metrics {
    invocations: Family<OfOutcome, Counter>,
    conflicts: Family<OfHandler, Counter>,
    duration: Family<OfHandler, Histogram, fn() -> Histogram>,
    waiting: Family<OfHandler, Gauge>,
    waiting_bound: Family<OfHandler, Gauge>,
    waiting_bytes: Family<OfHandler, Gauge>,
    waiting_bytes_bound: Family<OfHandler, Gauge>,
    longest_room: Family<OfHandler, Gauge>,
    longest_room_bound: Family<OfHandler, Gauge>,
    parked_rooms: Family<OfHandler, Gauge>,
    held_rooms: Family<OfHandler, Gauge>,
    running: Family<OfHandler, Gauge>,
    paused: Family<OfHandler, Gauge>,
    breaker: Family<OfHandler, Gauge>,
    failing_rooms: Family<OfHandler, Gauge>,
    lag: Family<OfShard, Gauge>,
    unaccounted: Family<OfShard, Gauge>,
    parked: Family<OfHandler, Gauge>,
    dead: Family<OfHandler, Gauge>,
    outbox: Family<OfHandler, Gauge>,
    sent: Counter,
    send_failures: Counter,
    shards: Family<OfHandler, Gauge>,
    trimmed: Counter,
    ledger_trimmed: Counter,
    resets: Family<OfHandler, Counter>,
    activations: Family<OfOutcome, Counter>,
    held_back: Family<OfHandler, Gauge>,
    outgoing: Family<OfOutcome, Counter>,
    reloads: Family<OfReload, Counter>,
    config_refused: Gauge,
    config_revision: Gauge,
}

fn durations() -> Histogram {
    Histogram::new(exponential_buckets(0.000_05, 2.0, 18))
}

impl Metrics {
    pub(crate) fn register(metrics: &service::admin::Metrics) -> Self {
        let this = Self {
            invocations: Family::default(),
            conflicts: Family::default(),
            duration: Family::new_with_constructor(durations),
            waiting: Family::default(),
            waiting_bound: Family::default(),
            waiting_bytes: Family::default(),
            waiting_bytes_bound: Family::default(),
            longest_room: Family::default(),
            longest_room_bound: Family::default(),
            parked_rooms: Family::default(),
            held_rooms: Family::default(),
            running: Family::default(),
            paused: Family::default(),
            breaker: Family::default(),
            failing_rooms: Family::default(),
            lag: Family::default(),
            unaccounted: Family::default(),
            parked: Family::default(),
            dead: Family::default(),
            outbox: Family::default(),
            sent: Counter::default(),
            send_failures: Counter::default(),
            shards: Family::default(),
            trimmed: Counter::default(),
            ledger_trimmed: Counter::default(),
            resets: Family::default(),
            activations: Family::default(),
            held_back: Family::default(),
            outgoing: Family::default(),
            reloads: Family::default(),
            config_refused: Gauge::default(),
            config_revision: Gauge::default(),
        };
        metrics.register(|registry| {
            let runner = registry.sub_registry_with_prefix("runner");
            runner.register("invocations", "Attempts by how they ended", this.invocations.clone());
            runner.register(
                "commit_conflicts",
                "Invocations that the store refused, as keys that they had read were changed meanwhile; they run again",
                this.conflicts.clone(),
            );
            runner.register("invocation_duration_seconds", "Time of one attempt", this.duration.clone());
            runner.register("events_waiting", "Events in memory that are not settled", this.waiting.clone());
            for (name, help, family) in [
                (
                    "events_waiting_bound",
                    "Events at which nothing more is pulled: `waiting.events`",
                    &this.waiting_bound,
                ),
                ("bytes_waiting", "Bytes of the events in memory that are not settled", &this.waiting_bytes),
                (
                    "bytes_waiting_bound",
                    "Bytes at which nothing more is pulled: `waiting.bytes`",
                    &this.waiting_bytes_bound,
                ),
                ("longest_room_events", "Events in memory of the room that has most", &this.longest_room),
                (
                    "longest_room_events_bound",
                    "Events at which a room waits in the state store: `waiting.room_events`",
                    &this.longest_room_bound,
                ),
                ("parked_rooms", "Rooms with events that wait in the state store", &this.parked_rooms),
                ("held_rooms", "Rooms that a dead letter holds until an operator decides", &this.held_rooms),
                ("paused", "1: an operator has paused the handler", &this.paused),
                ("breaker", "0: closed, 1: open, nothing is tried, 2: one event is tried", &this.breaker),
                (
                    "failing_rooms",
                    "Rooms that failed since the last success, as the breaker counts",
                    &this.failing_rooms,
                ),
            ] {
                runner.register(name, help, family.clone());
            }
            runner.register("events_running", "Invocations under way", this.running.clone());
            runner.register("lag_events", "Events in the stream that were not delivered yet", this.lag.clone());
            runner.register(
                "unaccounted",
                "Settled sequences the books do not explain; must be 0",
                this.unaccounted.clone(),
            );
            runner.register("parked_events", "Events that wait in the state store", this.parked.clone());
            runner.register("dead_letters", "Dead letters that were not redriven", this.dead.clone());
            this.register_outbox(runner);
            this.register_config(runner);
            runner.register("shards", "Shards that this runner owns", this.shards.clone());
            this.register_trimmed(runner);
            runner.register("stream_resets", "Streams found wiped or restored", this.resets.clone());
            this.register_plugins(runner);
            runner.register(
                "outgoing_requests",
                "Requests of handlers to others and to LiveKit's API, by the class of the answer or why there was none",
                this.outgoing.clone(),
            );
        });
        this
    }

    fn register_trimmed(&self, runner: &mut Registry) {
        runner.register("trimmed_events", "Settled events that were removed from their stream", self.trimmed.clone());
        runner.register(
            "ledger_trimmed",
            "Entries that left the ledger because they are old: copies of their events are not known any more",
            self.ledger_trimmed.clone(),
        );
    }

    fn register_plugins(&self, runner: &mut Registry) {
        runner.register("plugin_activations", "Plugin files taken or refused", self.activations.clone());
        runner.register(
            "plugin_held_back",
            "1 while the newest version of the handler's plugin is refused or cannot be fetched; an older one serves, if any",
            self.held_back.clone(),
        );
    }

    fn register_config(&self, runner: &mut Registry) {
        let config = runner.sub_registry_with_prefix("config");
        config.register(
            "reloads",
            "Configurations that came while the runner ran, by outcome: applied or refused",
            self.reloads.clone(),
        );
        config.register(
            "refused",
            "1 while the configuration as it is now is refused and an older one holds",
            self.config_refused.clone(),
        );
        config.register(
            "revision",
            "Revision of the configuration from NATS that holds; 0 where it is a file's",
            self.config_revision.clone(),
        );
    }

    fn register_outbox(&self, runner: &mut Registry) {
        runner.register(
            "outbox_rows",
            "Messages and requests that were committed and not sent yet",
            self.outbox.clone(),
        );
        runner.register(
            "outbox_sent",
            "Messages that their stream acknowledged, and requests that were answered 2xx",
            self.sent.clone(),
        );
        runner.register("outbox_failures", "Sends that failed or were not answered", self.send_failures.clone());
    }

    /// Counts the invocations of a handler.
    pub(crate) fn invocations(&self, handler: &HandlerName) -> Invoked {
        Invoked {
            handler: handler.as_str().into(),
            outcomes: self.invocations.clone(),
            done: self.invocations.get_or_create(&outcome_of(handler.as_str(), DONE)).clone(),
            duration: self.duration.get_or_create(&of(handler.as_str())).clone(),
        }
    }

    /// The store has refused so many invocations because of what they had read.
    pub(crate) fn in_vain(&self, handler: &HandlerName, invocations: usize) {
        if invocations > 0 {
            self.conflicts.get_or_create(&of(handler.as_str())).inc_by(invocations as u64);
        }
    }

    /// What a handler has in hand, what it may have, and how it stands at its gate.
    pub(crate) fn waiting(&self, handler: &Handler, machine: &lanes::Handler<Arc<Event>, Arc<Report>>) {
        let (gauges, gate, bounds) = (machine.gauges(), machine.gate(), &handler.rules.bounds);
        let labels = of(handler.name.as_str());
        let open = match gate.breaker {
            BreakerState::Closed => 0,
            BreakerState::Open => 1,
            BreakerState::Probing => 2,
        };
        for (family, value) in [
            (&self.waiting, number(gauges.events)),
            (&self.waiting_bound, i64::from(bounds.events)),
            (&self.waiting_bytes, number(gauges.bytes)),
            (&self.waiting_bytes_bound, number(bounds.bytes)),
            (&self.longest_room, number(gauges.longest_lane)),
            (&self.longest_room_bound, i64::from(bounds.lane_events)),
            (&self.parked_rooms, number(gauges.parked_lanes)),
            (&self.held_rooms, number(gauges.held_lanes)),
            (&self.running, number(gauges.running)),
            (&self.paused, i64::from(gate.paused_since.is_some())),
            (&self.breaker, open),
            (&self.failing_rooms, i64::from(gate.failing_keys)),
        ] {
            family.get_or_create(&labels).set(value);
        }
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

    pub(crate) fn ledger_trimmed(&self, entries: u64) {
        self.ledger_trimmed.inc_by(entries);
    }

    pub(crate) fn stream_reset(&self, handler: &HandlerName) {
        self.resets.get_or_create(&of(handler.as_str())).inc();
    }

    pub(crate) fn activated(&self, handler: &HandlerName, taken: bool) {
        let outcome = if taken { "taken" } else { "refused" };
        self.activations.get_or_create(&outcome_of(handler.as_str(), outcome)).inc();
    }

    /// Whether the newest version of a handler's plugin is the one that was not taken.
    pub(crate) fn plugin_held_back(&self, handler: &HandlerName, held_back: bool) {
        self.held_back.get_or_create(&of(handler.as_str())).set(i64::from(held_back));
    }

    /// A handler does not run here any more: what it has in hand is nothing. Counters stay.
    pub(crate) fn forget(&self, handler: &str) {
        let labels = of(handler);
        for family in [
            &self.waiting,
            &self.waiting_bound,
            &self.waiting_bytes,
            &self.waiting_bytes_bound,
            &self.longest_room,
            &self.longest_room_bound,
            &self.parked_rooms,
            &self.held_rooms,
            &self.running,
            &self.paused,
            &self.breaker,
            &self.failing_rooms,
            &self.shards,
            &self.held_back,
        ] {
            family.remove(&labels);
        }
        for shard in (0..MAX_SHARDS).chain([DEAD_LETTERS]) {
            self.lag.remove(&OfShard { handler: handler.to_owned(), shard });
        }
    }

    /// The configuration as it is now holds, and had to be told to nobody.
    pub(crate) fn not_refused(&self) {
        self.config_refused.set(0);
    }

    /// What became of another configuration.
    pub(crate) fn configured(&self, taken: bool, revision: Option<u64>) {
        let outcome = if taken { "applied" } else { "refused" };
        self.reloads.get_or_create(&OfReload { outcome: outcome.to_owned() }).inc();
        self.config_refused.set(i64::from(!taken));
        if let Some(revision) = revision.filter(|_| taken) {
            self.config_revision.set(number(revision));
        }
    }

    /// Counts the outgoing requests of a handler.
    pub(crate) fn outgoing(&self, handler: &HandlerName) -> Outgoing {
        Outgoing { requests: self.outgoing.clone(), handler: handler.as_str().into() }
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

fn outcome_of(handler: &str, outcome: &str) -> OfOutcome {
    OfOutcome { handler: handler.to_owned(), outcome: outcome.to_owned() }
}
