//! `roomwire.yaml`: one file for all binaries, of which each resolves only what it needs.
//!
//! The document becomes a tree that knows its places ([`node`]); each section decodes its part and notes every mistake,
//! so that one run shows all of them with line, column and a hint. Defaults stand in [`defaults`].

mod admin;
pub mod defaults;
mod handler;
mod literal;
mod livekit;
mod nats;
mod node;
mod plugins;
mod privacy;
mod problem;
mod quarantine;
mod receiver;
mod runner;
mod secret;
mod secrets;
mod section;
mod spool;
mod state;
mod streams;
mod template;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use event::topology::StreamsConfig;

pub use self::admin::AdminSection;
pub use self::handler::{
    Allow, ApiPattern, Breaker, BucketConfig, DEAD_LETTER, DigestError, DigestPrefix, HandlerConfig, Host, HostPattern,
    KeyPattern, KeyScope, Network, OnDead, OnUnknown, Order, Origin, Pattern, PluginSource, Rate, Retry,
    SHORTEST_DIGEST, SendRules, SourceError, Start, Waiting, When,
};
pub use self::literal::literal_secrets;
pub use self::livekit::{KeysError, LivekitSection};
pub use self::nats::{NatsSection, without_password};
pub use self::plugins::{PluginsSection, TrustedKey};
pub use self::privacy::PrivacySection;
pub use self::problem::{ConfigError, Place, Problem};
pub use self::quarantine::QuarantineSection;
pub use self::receiver::{ReceiverLimits, ReceiverSection, TlsSection};
pub use self::runner::RunnerSection;
pub use self::secrets::{SecretText, SecretsError, SecretsSection};
pub use self::spool::{Spool, SpoolSection};
pub use self::state::StateSection;
pub use self::streams::StreamsSection;
pub use self::template::TemplateError;
pub(crate) use self::template::expand;

use self::problem::Problems;
use self::section::{Keys, Section};

const KEYS: Keys = Keys {
    of: "the configuration",
    known: &[
        "livekit", "nats", "streams", "receiver", "runner", "state", "admin", "secrets", "privacy", "plugins",
        "handlers",
    ],
    later: &[],
};

/// The sections that stay each process's own where a fleet has one configuration: they say where it is, and hold what must be
/// no other machine's. Whose signatures count (`plugins`) is no choice of whoever may push a configuration.
pub const OWN_SECTIONS: [&str; 8] = ["nats", "streams", "state", "admin", "runner", "receiver", "privacy", "plugins"];

/// Everything that `roomwire.yaml` says. The default is what an empty file says.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// The file, when there is one.
    pub source: Option<PathBuf>,
    /// The sections that the file states.
    pub stated: BTreeSet<String>,
    /// The keys that webhooks are signed with, and where the server's API is.
    pub livekit: LivekitSection,
    /// How to reach NATS.
    pub nats: NatsSection,
    /// The event streams.
    pub streams: StreamsSection,
    /// Where webhooks arrive.
    pub receiver: ReceiverSection,
    /// What holds for all handlers.
    pub runner: RunnerSection,
    /// The state store.
    pub state: StateSection,
    /// The admin endpoint.
    pub admin: AdminSection,
    /// Texts that handlers can be granted by name.
    pub secrets: SecretsSection,
    /// Which fields of an event are not stored.
    pub privacy: PrivacySection,
    /// What holds for all plugins.
    pub plugins: PluginsSection,
    /// The handlers, in the order of the file.
    pub handlers: Vec<HandlerConfig>,
    /// What is allowed and probably not meant.
    pub warnings: Vec<Problem>,
}

/// Reads a configuration file. The environment is not touched: values with `${NAME}` are completed by those who need
/// them.
///
/// # Errors
///
/// When the file cannot be read or anything in it is wrong; every mistake is listed.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    let text = fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    parse(&text, path)
}

/// Reads a configuration from text. `path` is the file it came from: messages name it, relative paths start beside it.
///
/// # Errors
///
/// When anything in it is wrong; every mistake is listed.
pub fn parse(text: &str, path: &Path) -> Result<Config, ConfigError> {
    let mut problems = Problems::of(path);
    let mut config = Config::default();
    if let Some(root) = node::read(text, &mut problems) {
        config = Config::decode(&root, &mut problems);
    }
    config.source = Some(path.to_owned());
    config.warnings = problems.finish()?;
    Ok(config)
}

/// A JSON schema of the file, for editors that complete and check by one.
pub const SCHEMA: &str = include_str!("config/schema.json");

/// The file that is looked for where none is named.
pub const DEFAULT_FILE: &str = "roomwire.yaml";

/// Loads the file that was named, else [`DEFAULT_FILE`] in the working directory, else the defaults.
///
/// # Errors
///
/// As [`load`].
pub fn find(named: Option<&Path>) -> Result<Config, ConfigError> {
    match named {
        Some(path) => load(path),
        None if Path::new(DEFAULT_FILE).exists() => load(Path::new(DEFAULT_FILE)),
        None => Ok(Config::default()),
    }
}

/// The environment of this process, for [`LivekitSection::resolve_keys`].
#[must_use]
pub fn process_env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl Config {
    /// A fleet's configuration with [`OWN_SECTIONS`] as `own` has them.
    #[must_use]
    pub fn with_own_of(self, own: &Self) -> Self {
        Self {
            nats: own.nats.clone(),
            streams: own.streams.clone(),
            state: own.state.clone(),
            admin: own.admin.clone(),
            runner: own.runner.clone(),
            receiver: own.receiver.clone(),
            privacy: own.privacy.clone(),
            plugins: own.plugins.clone(),
            ..self
        }
    }

    fn decode(root: &node::Node, problems: &mut Problems) -> Self {
        let section = Section::open(root, KEYS, problems);
        let mut config = Self { stated: section.entries().map(|(key, _)| key.to_owned()).collect(), ..Self::default() };
        if let Some(node) = section.get("livekit") {
            config.livekit = LivekitSection::decode(node, problems);
        }
        if let Some(node) = section.get("nats") {
            config.nats = NatsSection::decode(node, problems);
        }
        if let Some(node) = section.get("streams") {
            config.streams = StreamsSection::decode(node, problems);
        }
        if let Some(node) = section.get("receiver") {
            config.receiver = ReceiverSection::decode(node, problems);
        }
        if let Some(node) = section.get("runner") {
            config.runner = RunnerSection::decode(node, problems);
        }
        if let Some(node) = section.get("state") {
            config.state = StateSection::decode(node, config.streams.keep, problems);
        }
        if let Some(node) = section.get("admin") {
            config.admin = AdminSection::decode(node, problems);
        }
        if let Some(node) = section.get("privacy") {
            config.privacy = PrivacySection::decode(node, problems);
        }
        if let Some(node) = section.get("plugins") {
            config.plugins = PluginsSection::decode(node, problems);
        }
        if let Some(node) = section.get("secrets") {
            config.secrets = SecretsSection::decode(node, problems);
        }
        if let Some(node) = section.get("handlers") {
            config.handlers = handler::decode(node, &config, problems);
        }
        config
    }

    /// What the streams must look like.
    #[must_use]
    pub fn topology(&self) -> StreamsConfig {
        StreamsConfig {
            prefix: self.nats.prefix.clone(),
            shards: self.streams.shards,
            replicas: self.streams.replicas,
            duplicate_window: self.streams.duplicate_window,
            max_bytes: self.streams.max_bytes,
        }
    }

    /// For how long what became of an event is remembered after it was settled.
    #[must_use]
    pub fn ledger_keep(&self) -> std::time::Duration {
        self.state.keep.unwrap_or_else(|| self.streams.keep.saturating_mul(2))
    }

    /// A problem that was found later than while reading, such as an expression that does not compile.
    #[must_use]
    pub fn problem_at(&self, place: Place, message: String, hint: Option<String>) -> Problem {
        let file = self.source.clone().unwrap_or_default();
        Problem { file, line: place.line, column: place.column, message, hint }
    }
}
