//! What a runner needs to know, parsed: nothing below this file reads text.

use std::collections::BTreeMap;
use std::num::{NonZeroU16, NonZeroU32};
use std::path::{Path, PathBuf};
use std::time::Duration;

use event::{HandlerName, Prefix};
use lanes::{Bounds, Breaker, OnDead, Order, Rate, Retry, Rules};
use service::config::{self, Pattern, PluginSource, Problem, Start};
use service::error::Chain;

use crate::engine::MAX_MEMORY;
use crate::plugin::CallLimits;
use crate::plugin::signature::Trust;
use crate::when::When;

/// While more is about to end, what has ended waits at most so long for its commit: long enough that a backlog is written
/// in few of them, and nothing that anybody waits for.
const GATHER: Duration = Duration::from_millis(5);

/// A room over `waiting.room_events` goes to the store if its first event has been in memory for so long.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where another configuration may come from while the runner runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// From nowhere.
    Fixed,
    /// From the file that it was read from.
    File(PathBuf),
    /// From NATS: handlers, and what they are granted. The rest stays as it is.
    Nats,
}

/// A runner's configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// What all of it was taken from.
    pub(crate) file: config::Config,
    pub(crate) source: Source,
    pub(crate) prefix: Prefix,
    pub(crate) topology: event::topology::StreamsConfig,
    pub(crate) nats: config::NatsSection,
    pub(crate) state_url: String,
    /// For how long events stay that every handler has settled.
    pub(crate) keep: Duration,
    /// For how long the ledger remembers what is settled.
    pub(crate) ledger_keep: Duration,
    pub(crate) drain: Duration,
    pub(crate) secrets: config::SecretsSection,
    pub(crate) livekit: config::LivekitSection,
    pub(crate) handlers: Vec<Handler>,
    pub(crate) trust: Trust,
    /// Where copies of plugins and what was compiled of them are kept.
    pub(crate) plugins: Option<PathBuf>,
}

/// One handler's configuration.
#[derive(Debug, Clone)]
pub(crate) struct Handler {
    pub(crate) name: HandlerName,
    pub(crate) plugin: PluginSource,
    pub(crate) on: Vec<Pattern>,
    pub(crate) when: Option<When>,
    pub(crate) start: Start,
    pub(crate) rules: Rules,
    pub(crate) limits: CallLimits,
    pub(crate) config: BTreeMap<String, String>,
    pub(crate) secrets: Vec<String>,
    pub(crate) allow: config::Allow,
    pub(crate) stdin_keys: BTreeMap<String, Vec<config::KeyPattern>>,
    pub(crate) send: config::SendRules,
}

impl Config {
    /// Takes what a runner needs out of the file's content. `state_url` is where the state store is, with its path
    /// already put where it belongs.
    ///
    /// # Errors
    /// Everything in the handlers that the file's parser cannot know: expressions and limits, with their places.
    pub fn new(file: &config::Config, state_url: String) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut handlers = Vec::new();
        for handler in &file.handlers {
            match Handler::new(file, handler) {
                Ok(handler) => handlers.push(handler),
                Err(problem) => problems.push(problem),
            }
        }
        let mut keys = Vec::new();
        for key in &file.plugins.trusted_keys {
            match Trust::key(&key.text) {
                Ok(key) => keys.push(key),
                Err(error) => problems.push(file.problem_at(key.place, Chain(&error).to_string(), None)),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            file: file.clone(),
            source: file.source.clone().map_or(Source::Fixed, Source::File),
            prefix: file.nats.prefix.clone(),
            topology: file.topology(),
            nats: file.nats.clone(),
            state_url,
            keep: file.streams.keep,
            ledger_keep: file.ledger_keep(),
            drain: file.runner.drain,
            secrets: file.secrets.clone(),
            livekit: file.livekit.clone(),
            handlers,
            trust: Trust::new(keys),
            plugins: None,
        })
    }

    /// Whether a plugin with this signature would be trusted.
    ///
    /// # Errors
    /// Why not, in the words of a runner that refuses it.
    pub fn trusts(&self, bytes: &[u8], signature: Option<&str>) -> Result<(), String> {
        self.trust.judge(bytes, signature).map_err(|error| Chain(&error).to_string())
    }

    /// Keeps copies of plugins, and what is compiled of them, in a folder under this one; without it nothing is kept.
    #[must_use]
    pub fn with_data(self, folder: &Path) -> Self {
        Self { plugins: Some(folder.join("plugins")), ..self }
    }
}

impl Config {
    /// Takes the handlers from NATS, where `roomwire config push` puts them.
    ///
    /// # Errors
    /// If the local file has handlers of its own.
    pub fn from_nats(self) -> Result<Self, Problem> {
        match self.file.handlers.first() {
            None => Ok(Self { source: Source::Nats, ..self }),
            Some(handler) => Err(self.file.problem_at(
                handler.place,
                "the handlers come from NATS, and this file has some, too".to_owned(),
                Some(
                    "keep `nats`, `streams`, `state` and `admin` here, and push the rest: `roomwire config push`"
                        .to_owned(),
                ),
            )),
        }
    }
}

impl Handler {
    fn new(file: &config::Config, handler: &config::HandlerConfig) -> Result<Self, Problem> {
        let when = match &handler.when {
            None => None,
            Some(when) => Some(When::parse(&when.text).map_err(|error| {
                file.problem_at(
                    when.place,
                    error.to_string(),
                    Some("see the examples of `when` in the README".to_owned()),
                )
            })?),
        };
        if handler.memory > MAX_MEMORY {
            let message = format!("`memory` of handler `{}` is more than {} MiB", handler.name, MAX_MEMORY >> 20);
            return Err(file.problem_at(handler.place, message, None));
        }
        Ok(Self {
            name: handler.name.clone(),
            plugin: handler.plugin.clone(),
            on: handler.on.clone(),
            when,
            start: handler.start,
            rules: rules(handler, file.topology().shards),
            limits: CallLimits { memory: handler.memory, timeout: handler.timeout },
            config: handler.config.clone(),
            secrets: handler.secrets.clone(),
            allow: handler.allow.clone(),
            stdin_keys: handler.stdin_keys.clone(),
            send: handler.send.clone(),
        })
    }
}

fn rules(handler: &config::HandlerConfig, shards: NonZeroU16) -> Rules {
    Rules {
        order: match handler.order {
            config::Order::Room => Order::Room,
            config::Order::None => Order::None,
        },
        on_dead: match handler.on_dead {
            config::OnDead::Continue => OnDead::Continue,
            config::OnDead::Hold => OnDead::Hold,
        },
        concurrency: handler.concurrency,
        retry: retry(&handler.retry),
        breaker: handler.breaker.as_ref().map(|breaker| Breaker {
            keys: breaker.keys,
            initial_ms: ms(breaker.initial),
            max_ms: ms(breaker.max),
        }),
        rate: handler.rate.map(|rate| Rate {
            events: rate.events,
            per_ms: ms(rate.per),
            shards: sources(handler, shards),
        }),
        bounds: bounds(&handler.waiting),
        gather_ms: ms(GATHER),
    }
}

/// The shards that a handler reads: those of the events, and the dead letters as one more.
fn sources(handler: &config::HandlerConfig, shards: NonZeroU16) -> NonZeroU16 {
    let events = handler.on.iter().any(|pattern| !matches!(pattern, Pattern::DeadLetter));
    match (events, handler.takes_dead_letters()) {
        (true, true) => shards.saturating_add(1),
        (true, false) => shards,
        (false, _) => NonZeroU16::MIN,
    }
}

fn bounds(waiting: &config::Waiting) -> Bounds {
    Bounds {
        events: waiting.events.get(),
        bytes: waiting.bytes,
        lane_events: waiting.room_events.get(),
        lane_patience_ms: ms(PATIENCE),
        park_after_ms: ms(waiting.park_after),
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn retry(retry: &config::Retry) -> Retry {
    let crash_attempts: NonZeroU32 = retry.crash_attempts;
    Retry {
        for_ms: ms(retry.for_),
        initial_ms: ms(retry.initial),
        max_ms: ms(retry.max),
        jitter: retry.jitter,
        crash_attempts,
    }
}
