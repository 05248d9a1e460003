//! What is kept with an event, and what an invocation leaves behind.

use std::sync::Arc;

use bytes::Bytes;
use lanes::{Identity, Millis, Seq};

use crate::{Headers, Keyvalue};

/// The run that is not a replay.
pub const LIVE: &str = "live";

/// A commit as the runner makes it.
pub type Commit = lanes::Commit<Arc<Event>, Arc<Report>>;

/// A row of a commit as the runner makes it.
pub type Row = lanes::Row<Arc<Event>, Arc<Report>>;

/// An event with all that is needed to run it again: the `E` of the lanes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its sequence in the stream of its shard.
    pub seq: Seq,
    /// The project's name.
    pub project: Arc<str>,
    /// The event's type, verbatim.
    pub kind: Arc<str>,
    /// The NATS headers.
    pub headers: Headers,
    /// The body, byte for byte.
    pub body: Bytes,
    /// What tells its copies from other events.
    pub identity: Identity,
    /// The ordering key.
    pub key: Arc<str>,
    /// When a receiver accepted it.
    pub received_at_ms: Millis,
}

impl Event {
    /// Bytes it occupies in memory, roughly: bounds are kept by this.
    #[must_use]
    pub fn occupies(&self) -> u64 {
        // The allocations around body and headers: identity, key, kind, and the bookkeeping of each.
        const AROUND: usize = 512;
        let bytes = self.body.len().saturating_add(self.headers.bytes()).saturating_add(AROUND);
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

/// What an invocation leaves behind: the `R` of the lanes.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// When it began.
    pub started_at: Millis,
    /// How long it took.
    pub duration_us: u64,
    /// The digest of the plugin that ran.
    pub digest: Arc<str>,
    /// The most memory the guest had.
    pub peak_memory: u64,
    /// How it ended, in the word that metrics use.
    pub outcome: Arc<str>,
    /// The error, or the reason that the guest gave.
    pub error: Option<Arc<str>>,
    /// Where the guest broke.
    pub backtrace: Option<Arc<str>>,
    /// The end of what it wrote to stderr.
    pub stderr: Option<Arc<str>>,
    /// What it logged.
    pub logs: Option<Arc<str>>,
    /// What leaves once it is committed, in order; dropped unless the event is settled.
    pub effects: Arc<[Effect]>,
    /// What it did with keys; dropped unless the event is settled.
    pub keyvalue: Keyvalue,
}

/// A message or a request that leaves after the commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Where to.
    pub to: Destination,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Bytes,
}

/// Where an effect goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// To NATS.
    Subject(String),
    /// To an HTTP server.
    Endpoint {
        /// Scheme, host and port: `https://api.example.com`. Requests of one key to one origin leave in order.
        origin: String,
        /// The method.
        method: String,
        /// Path and query.
        path: String,
    },
}

impl Destination {
    /// What lanes are told apart by: the subject, or the origin.
    pub(crate) fn target(&self) -> &str {
        match self {
            Self::Subject(subject) => subject,
            Self::Endpoint { origin, .. } => origin,
        }
    }

    /// Method and path of a request.
    pub(crate) fn request(&self) -> Option<String> {
        match self {
            Self::Subject(_) => None,
            Self::Endpoint { method, path, .. } => Some(format!("{method} {path}")),
        }
    }
}
