//! What a receiver needs to know.

use std::net::SocketAddr;
use std::time::Duration;

use event::Project;
use event::topology::StreamsConfig;
use service::certificate::Certificate;
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
    /// What HTTPS is served with; `None` serves plain HTTP. It may be replaced at any time.
    pub certificate: Option<Certificate>,
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
    /// What a configuration file says, with its secrets resolved and the path of its spool, over plain HTTP.
    #[must_use]
    pub fn new(config: &service::config::Config, keys: impl Into<Keyring>, spool: Option<SpoolSection>) -> Config {
        let ReceiverSection {
            listen: _,
            paths,
            answer_within,
            max_body,
            leeway,
            drain,
            limits,
            spool: _,
            quarantine,
            tls: _,
        } = config.receiver.clone();
        Config {
            paths,
            answer_within,
            max_body,
            leeway,
            drain,
            limits,
            certificate: None,
            spool,
            streams: config.topology(),
            project: Project::default(),
            keys: keys.into(),
            quarantine,
            privacy: Privacy::new(config.privacy.drop.iter().cloned()),
            clock: Clock::default(),
        }
    }

    /// The same with HTTPS, where there is a certificate.
    #[must_use]
    pub fn with_certificate(self, certificate: Option<Certificate>) -> Config {
        Config { certificate, ..self }
    }

    /// The URL that webhooks are posted to when they arrive at `address`.
    #[must_use]
    pub fn webhook_url(&self, address: SocketAddr) -> String {
        let scheme = if self.certificate.is_some() { "https" } else { "http" };
        format!("{scheme}://{address}{}", self.paths.first().map_or("/", String::as_str))
    }
}
