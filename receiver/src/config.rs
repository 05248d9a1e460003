//! What a receiver needs to know.

use std::time::Duration;

use event::Project;
use event::topology::StreamsConfig;
use service::config::{QuarantineSection, ReceiverLimits, ReceiverSection, SpoolSection};
use service::keys::Keyring;

use crate::clock::Clock;
use crate::privacy::Privacy;

/// What a receiver needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// Paths that webhooks are posted to.
    pub paths: Vec<String>,
    /// After a body was read, how long its answer may take.
    pub answer_within: Duration,
    /// The largest body in bytes.
    pub max_body: usize,
    /// How far the sender's clock may differ.
    pub leeway: Duration,
    /// How long a graceful stop may take.
    pub drain: Duration,
    /// Limits against floods.
    pub limits: ReceiverLimits,
    /// How long a connection may stay open without a request. LiveKit closes its own after 90 s.
    pub idle_timeout: Duration,
    /// Where events wait that JetStream does not take; without it LiveKit is answered 503 then.
    pub spool: Option<SpoolSection>,
    /// The event streams.
    pub streams: StreamsConfig,
    /// Whose events these are.
    pub project: Project,
    /// The keys that sign webhooks. They may be replaced at any time.
    pub keys: Keyring,
    /// How much is kept of what is refused; `None` keeps nothing.
    pub quarantine: Option<QuarantineSection>,
    /// Which fields of a body are not stored.
    pub privacy: Privacy,
    /// The clock that tokens are judged by.
    pub clock: Clock,
}

impl Config {
    /// What a configuration file says, with its secrets resolved and the path of its spool.
    #[must_use]
    pub fn new(config: &service::config::Config, keys: impl Into<Keyring>, spool: Option<SpoolSection>) -> Config {
        let ReceiverSection { listen: _, paths, answer_within, max_body, leeway, drain, limits, spool: _, quarantine } =
            config.receiver.clone();
        Config {
            paths,
            answer_within,
            max_body,
            leeway,
            drain,
            limits,
            idle_timeout: Duration::from_mins(2),
            spool,
            streams: config.topology(),
            project: Project::default(),
            keys: keys.into(),
            quarantine,
            privacy: Privacy::new(config.privacy.drop.iter().cloned()),
            clock: Clock::default(),
        }
    }
}
