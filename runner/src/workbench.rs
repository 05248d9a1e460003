//! A plugin before its deploy: activated and called in the real host, without NATS, on keys of its own. What a call would
//! have set off is returned and goes nowhere; only its outgoing requests are real.

mod keys;
mod trial;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use keys::Scratch;
use service::config::PluginSource;
use service::error::Chain;
use store::Destination;

use crate::config::Config;
use crate::engine::{Engine, EngineError};
use crate::host::{Lease, Level, Tape};
use crate::invoke::{self, Finished};
use crate::metrics::Metrics;
use crate::plugin::activate::{ActivateError, Activator, Compiled};
use crate::plugin::source::{Fetched, Reference, Sources};
use crate::plugin::{Contract, Generation, Granter, GranterError, Grants};

pub use crate::host::Call;
pub use crate::plugin::{FinishError, finish};
pub use keys::Changed;
pub use trial::{Trial, TrialError};

/// Bytes that a message may have: what NATS takes unless it is told otherwise, less the room for headers.
const MAX_MESSAGE: usize = (1 << 20) - (64 << 10);

/// A workbench could not be made.
#[derive(Debug, thiserror::Error)]
pub enum WorkbenchError {
    /// The engine cannot be made.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The host interfaces cannot be linked.
    #[error("failed to link the host interfaces")]
    Linker(#[source] wasmtime::Error),
}

/// A plugin was refused.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// As a deploy would have refused it; the text has the causes.
    #[error("{0}")]
    Refused(String),
    /// A secret or a key that the handler is granted is not there.
    #[error(transparent)]
    Grants(#[from] GranterError),
    /// No folder can be made for its keys.
    #[error("cannot make a folder for the handler's keys")]
    KeysFolder(#[source] std::io::Error),
    /// No store can be made for its keys.
    #[error("cannot make a store for the handler's keys")]
    Keys(#[source] store::OpenError),
    /// There is no such handler.
    #[error("the configuration has no handler `{name}`, only {}", if known.is_empty() { "none" } else { known })]
    NoHandler {
        /// What was asked for.
        name: String,
        /// The names that there are.
        known: String,
    },
}

impl From<ActivateError> for PluginError {
    fn from(error: ActivateError) -> Self {
        Self::Refused(Chain(&error).to_string())
    }
}

/// What a plugin's file is.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// `component` or `command`.
    pub contract: &'static str,
    /// SHA-256 of the file, in hex.
    pub digest: String,
    /// Bytes of the file.
    pub size: usize,
    /// How long it took to compile it.
    pub compiled_in: Duration,
    /// The interfaces that it imports; a command for WASI 0.1 those of the adapter.
    pub imports: Vec<String>,
    /// The interfaces that it exports.
    pub exports: Vec<String>,
    /// The keys of a handler's YAML that its imports may need.
    pub grants: Vec<&'static str>,
}

/// An engine for plugins of an author's machine.
pub struct Workbench {
    engine: Engine,
    activator: Activator,
}

impl Workbench {
    /// Makes the engine.
    ///
    /// # Errors
    /// If the system does not let it reserve address space.
    pub fn new() -> Result<Self, WorkbenchError> {
        let engine = Engine::new()?;
        let activator = Activator::new(engine.clone()).map_err(WorkbenchError::Linker)?;
        Ok(Self { engine, activator })
    }

    /// Judges and compiles a file. Nothing of it runs.
    ///
    /// # Errors
    /// If a deploy would refuse it before it is called, in the same words.
    pub async fn inspect(&self, path: &Path) -> Result<Inspection, PluginError> {
        let began = Instant::now();
        let fetched = fetch(&Reference::File(path.to_owned())).await?;
        let Compiled { linked, digest, size } = self.activator.load(fetched).await?;
        let shape = &linked.shape;
        let contract = match shape.contract() {
            Some(Contract::Command) => "command",
            _ => "component",
        };
        let (compiled_in, grants) = (began.elapsed(), shape.grants());
        let (imports, exports) = (shape.imports.clone(), shape.exports.clone());
        Ok(Inspection { contract, digest: digest.to_string(), size, compiled_in, imports, exports, grants })
    }

    /// Activates the plugin of a handler as a deploy does, with its config, limits and grants; its `check` included.
    ///
    /// # Errors
    /// If a deploy would refuse it, in the same words.
    pub async fn open(&self, config: &Config, handler: &str) -> Result<Bench, PluginError> {
        let Some(handler) = config.handlers.iter().find(|it| it.name.as_str() == handler) else {
            let known: Vec<String> = config.handlers.iter().map(|it| format!("`{}`", it.name)).collect();
            return Err(PluginError::NoHandler { name: handler.to_owned(), known: known.join(", ") });
        };
        let metrics = Metrics::register(&service::admin::Metrics::default());
        // Of the other handlers' secrets none is needed here.
        let alone = Config { handlers: vec![handler.clone()], ..config.clone() };
        let grants = Granter::new(&alone, metrics, MAX_MESSAGE)?.grants(handler);
        let fetched = fetch(&reference(&handler.plugin)).await?;
        let generation = Box::pin(self.activator.activate(fetched, grants.into(), handler.limits)).await?;
        let keys = if handler.allow.keyvalue.is_empty() { None } else { Some(Scratch::new().await?) };
        Ok(Bench { engine: self.engine.clone(), generation, handler: handler.name.to_string(), keys })
    }
}

async fn fetch(reference: &Reference) -> Result<Fetched, ActivateError> {
    Ok(Sources::default().fetch(reference).await?)
}

/// What of the registry is on nobody's workbench is named all the same, for the words that refuse it.
fn reference(source: &PluginSource) -> Reference {
    match source {
        PluginSource::File(path) => Reference::File(path.clone()),
        PluginSource::Deployed(name) => Reference::Version(name.clone(), "…".to_owned()),
        PluginSource::Pinned(name, digest) => Reference::Version(name.clone(), digest.to_string()),
    }
}

/// One plugin that was activated.
pub struct Bench {
    engine: Engine,
    generation: Generation,
    handler: String,
    /// Where a handler has keys.
    keys: Option<Scratch>,
}

/// A line that a plugin logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// `trace` to `critical`.
    pub level: &'static str,
    /// What it is about.
    pub context: String,
    /// Its text.
    pub message: String,
}

/// A message that would have been published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Where to.
    pub subject: String,
    /// Its headers, in order.
    pub headers: Vec<(String, String)>,
    /// Its content.
    pub data: Vec<u8>,
}

/// A request that would have been sent after the commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The method.
    pub method: String,
    /// Where to.
    pub url: String,
    /// Its headers, in order; without those that the host adds when it is sent.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

/// What became of one event.
#[derive(Clone, Debug)]
pub struct Run {
    /// In the word that metrics and records use: `done`, `skipped`, `retry`, `permanent`, `trap`, `timeout`, …
    pub outcome: String,
    /// The wait that a `retry` asks for, in milliseconds.
    pub after_ms: Option<u32>,
    /// The error, or the reason that the plugin gave.
    pub error: Option<String>,
    /// Where it broke.
    pub backtrace: Option<String>,
    /// The end of its stderr.
    pub stderr: Option<String>,
    /// What it logged.
    pub logs: Vec<Line>,
    /// What it published; nothing unless it is settled.
    pub published: Vec<Published>,
    /// The requests that it left behind; nothing unless it is settled.
    pub sent: Vec<Sent>,
    /// The keys that it changed; nothing unless it is settled.
    pub keys: Vec<Changed>,
    /// From the making of the instance to its end.
    pub duration: Duration,
    /// The most memory that it had, in bytes.
    pub peak_memory: u64,
}

impl Run {
    /// Whether the event would be settled by it: handled, or none of the handler's business.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        matches!(self.outcome.as_str(), "done" | "skipped")
    }
}

impl Bench {
    /// Calls the plugin with an event, in a fresh instance.
    pub async fn run(&self, trial: &Trial) -> Run {
        self.run_of(&self.generation, trial).await
    }

    /// As `run`, and tells what the plugin called outside and what came of it, without the handler's secrets.
    pub async fn record(&self, trial: &Trial) -> (Run, Vec<Call>) {
        let tape = Arc::new(Tape::recording(self.generation.grants.mask.clone()));
        let run = self.run_of(&self.with(tape.clone()), trial).await;
        (run, tape.end().0)
    }

    /// As `run`, and lets nothing out: what the plugin calls is answered as it was when this was recorded. What it calls
    /// otherwise, or no more, is told.
    pub async fn replay(&self, trial: &Trial, calls: Vec<Call>) -> (Run, Vec<String>) {
        let tape = Arc::new(Tape::replaying(self.generation.grants.mask.clone(), calls));
        let run = self.run_of(&self.with(tape.clone()), trial).await;
        (run, tape.end().1)
    }

    fn with(&self, tape: Arc<Tape>) -> Generation {
        let Generation { linked, digest, grants, limits } = &self.generation;
        let grants = Grants { tape: Some(tape), ..(**grants).clone() };
        Generation { linked: linked.clone(), digest: digest.clone(), grants: Arc::new(grants), limits: *limits }
    }

    async fn run_of(&self, generation: &Generation, trial: &Trial) -> Run {
        let event = trial.event(&self.handler, generation.limits.timeout);
        let keys = self.keys.as_ref().map(|keys| keys.access(trial, &self.handler, &generation.grants));
        let (access, _before) = keys.unzip();
        run(Box::pin(invoke::handle(&self.engine, generation, event, Lease::default(), access)).await)
    }

    /// A bucket of a trial's keys that the handler is not granted.
    #[must_use]
    pub fn ungranted<'a>(&self, trial: &'a Trial) -> Option<&'a str> {
        trial.keys().map(|(bucket, ..)| bucket).find(|bucket| !self.generation.grants.keyvalue.contains_key(*bucket))
    }

    /// The SHA-256 of its file, in hex.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.generation.digest
    }
}

fn run(finished: Finished) -> Run {
    let Finished { outcome, report, logs } = finished;
    let after_ms = match outcome {
        lanes::Outcome::Retry { after_ms } => after_ms,
        _ => None,
    };
    let text = |text: &Option<std::sync::Arc<str>>| text.as_deref().map(str::to_owned);
    let logs =
        logs.into_iter().map(|line| Line { level: word(line.level), context: line.context, message: line.message });
    let (mut published, mut sent) = (Vec::new(), Vec::new());
    for effect in report.effects.iter() {
        let (headers, body) = (effect.headers.clone(), effect.body.to_vec());
        match &effect.to {
            Destination::Subject(subject) => {
                published.push(Published { subject: subject.clone(), headers, data: body });
            }
            Destination::Endpoint { origin, method, path } => {
                sent.push(Sent { method: method.clone(), url: format!("{origin}{path}"), headers, body });
            }
        }
    }
    Run {
        outcome: report.outcome.to_string(),
        after_ms,
        error: text(&report.error),
        backtrace: text(&report.backtrace),
        stderr: text(&report.stderr),
        logs: logs.collect(),
        published,
        sent,
        keys: keys::changed(report.keyvalue),
        duration: Duration::from_micros(report.duration_us),
        peak_memory: report.peak_memory,
    }
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Trace => "trace",
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
        Level::Critical => "critical",
    }
}
