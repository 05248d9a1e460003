//! Another configuration while the runner runs: judged whole, then applied to the handlers that it changes, or refused.
//!
//! Nothing is stopped before all is known to be good: the file, the secrets, and the plugins of every handler that is to
//! start. What holds is then changed in this order: handlers stop, names change, everybody who works with all handlers
//! learns of the new set, handlers start.

mod fleet;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use service::admin::{Component, Health};
use service::changes::Changes;
use service::config;
use service::error::Chain;
use store::Renamed;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, Source};
use crate::crew::Crew;
use crate::live::{Entry, Live};
use crate::plan::{Plan, Step, What, diff};
use crate::plugin::{Granter, GranterError};
use crate::shared::Shared;

/// How long started handlers may take to claim their shards before they are said to be started all the same.
const CLAIMED_WITHIN: Duration = Duration::from_secs(30);

/// The wait before a failed call to the store is made again.
const STORE_RETRY: Duration = Duration::from_millis(500);

/// What became of a configuration that was not refused.
#[derive(Debug)]
pub(crate) struct Applied {
    pub(crate) plan: Plan,
    /// Handlers whose secrets are other ones, though the file is the same.
    pub(crate) rotated: Vec<String>,
}

/// Keeps the handlers in step with the configuration.
pub(crate) struct Reconfigure {
    /// What holds.
    pub(crate) config: Config,
    pub(crate) crew: Crew,
    pub(crate) live: Live,
    pub(crate) shared: Arc<Shared>,
    /// Bytes of one message.
    pub(crate) max_message: usize,
}

impl Reconfigure {
    /// Starts the handlers of the configuration, which `health` waits for.
    pub(crate) async fn start(&mut self, health: &Health) -> Result<(), GranterError> {
        let entries = self.entries(&self.config)?;
        self.live.replace(entries.clone());
        self.take_names_over(&self.config).await;
        for entry in &entries {
            self.crew.start(entry, health);
        }
        Ok(())
    }

    /// Follows the source of the configuration until the shutdown, then waits for the handlers to drain. `ready` waits for
    /// the first configuration where that comes from elsewhere.
    pub(crate) async fn run(mut self, ready: Component, shutdown: CancellationToken) {
        match self.config.source.clone() {
            Source::Fixed => {
                ready.ready();
                shutdown.cancelled().await;
            }
            Source::File(path) => {
                ready.ready();
                self.follow_file(&path, &shutdown).await;
            }
            Source::Nats => self.follow_nats(&ready, &shutdown).await,
        }
        self.crew.drained().await;
    }

    async fn follow_file(&mut self, path: &Path, shutdown: &CancellationToken) {
        let mut changes = match Changes::new() {
            Ok(changes) => changes,
            Err(error) => {
                tracing::error!(%error, "changes of the configuration need a restart: SIGHUP cannot be handled");
                shutdown.cancelled().await;
                return;
            }
        };
        loop {
            let secrets = self.config.secrets.files().into_iter().chain(self.config.livekit.secret_files());
            let files: Vec<PathBuf> = std::iter::once(path.to_owned()).chain(secrets).collect();
            let asked = tokio::select! {
                asked = changes.next(&files) => asked,
                () = shutdown.cancelled() => return,
            };
            let judged = match tokio::fs::read_to_string(path).await {
                Ok(text) => config::parse(&text, path).map_err(|error| error.to_string()),
                Err(error) => Err(format!("the file cannot be read: {error}")),
            };
            let applied = match judged {
                Ok(mut file) => {
                    // It may have been given by a flag.
                    file.nats.url.clone_from(&self.config.file.nats.url);
                    Box::pin(self.apply(file, shutdown)).await
                }
                Err(why) => Err(why),
            };
            match applied {
                Ok(Some(applied)) => self.tell(&applied, None, asked),
                Ok(None) => return,
                Err(why) => self.tell_refused(&why),
            }
        }
    }

    /// Applies a configuration; none if the shutdown came first.
    ///
    /// # Errors
    /// In words, with their places, why it is refused. Everything is then as it was.
    async fn apply(&mut self, file: config::Config, shutdown: &CancellationToken) -> Result<Option<Applied>, String> {
        let mut next = Config::new(&file, self.config.state_url.clone()).map_err(|problems| lines(&problems))?;
        next.source = self.config.source.clone();
        let plan = diff(&self.config.file, &next.file);
        if !plan.refused.is_empty() {
            return Err(plan.refused.join("\n"));
        }
        let mut entries = self.entries(&next).map_err(|error| Chain(&error).to_string())?;
        let rotated = self.keep_unchanged(&mut entries, &plan);
        let starting: BTreeSet<&str> = plan.starting().chain(rotated.iter().map(String::as_str)).collect();
        let starting: Vec<&Entry> = entries.iter().filter(|entry| starting.contains(entry.name())).collect();
        tokio::select! {
            judged = self.judge(&next.file, &starting) => judged?,
            () = shutdown.cancelled() => return Ok(None),
        }
        let stopping: Vec<&str> = plan.stopping().chain(rotated.iter().map(String::as_str)).collect();
        self.crew.stop(&stopping).await;
        self.take_names_over(&next).await;
        self.live.replace(entries.clone());
        // What waits of a handler that is back may be sent again.
        self.shared.store.requests_notify().notify_one();
        if shutdown.is_cancelled() {
            return Ok(None);
        }
        let health = Health::new();
        for entry in &starting {
            self.crew.start(entry, &health);
        }
        self.config = next;
        tokio::select! {
            _ = tokio::time::timeout(CLAIMED_WITHIN, health.all_ready()) => {}
            () = shutdown.cancelled() => return Ok(None),
        }
        Ok(Some(Applied { plan, rotated }))
    }

    fn entries(&self, config: &Config) -> Result<Vec<Entry>, GranterError> {
        let granter = Granter::new(config, self.shared.metrics.clone(), self.max_message)?;
        let entry = |handler: &crate::config::Handler| Entry {
            config: Arc::new(handler.clone()),
            grants: Arc::new(granter.grants(handler)),
        };
        Ok(config.handlers.iter().map(entry).collect())
    }

    /// Handlers for which nothing changes keep what they have, connections included. Says whose secrets are other ones.
    fn keep_unchanged(&self, entries: &mut [Entry], plan: &Plan) -> Vec<String> {
        let set = self.live.now();
        let mut rotated = Vec::new();
        for entry in entries {
            if plan.steps.iter().any(|step| step.name == entry.name() && step.what != What::InPlace) {
                continue;
            }
            let Some(before) = set.get(entry.name()) else { continue };
            if !entry.is_granted_the_same(before) {
                rotated.push(entry.name().to_owned());
            } else if plan.steps.iter().all(|step| step.name != entry.name()) {
                *entry = before.clone();
            }
        }
        rotated
    }

    async fn judge(&self, file: &config::Config, starting: &[&Entry]) -> Result<(), String> {
        let mut problems = Vec::new();
        for entry in starting {
            if let Err(why) = self.crew.judge(entry).await {
                let handler = file.handlers.iter().find(|handler| handler.name == entry.config.name);
                let place = handler.map(|handler| handler.plugin_place).unwrap_or_default();
                problems.push(file.problem_at(
                    place,
                    format!("the plugin of handler `{}` is refused: {why}", entry.name()),
                    None,
                ));
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(lines(&problems)) }
    }

    /// Gives handlers the progress of their former names. It is tried until it is done: without it they would begin anew.
    async fn take_names_over(&self, config: &Config) {
        for handler in &config.file.handlers {
            let Some(from) = &handler.renamed_from else { continue };
            let renamed = loop {
                match self.shared.store.rename_handler(from.as_str(), handler.name.as_str()).await {
                    Ok(renamed) => break renamed,
                    Err(error) => {
                        let error = Chain(&error).to_string();
                        tracing::error!(handler = %handler.name, error, "failed to take the progress of `{from}` over; trying again");
                        tokio::time::sleep(STORE_RETRY).await;
                    }
                }
            };
            if renamed != Renamed::Both && matches!(handler.plugin, config::PluginSource::Deployed(_)) {
                self.crew.take_deploy_over(from.as_str(), handler.name.as_str()).await;
            }
            match renamed {
                Renamed::Done => tracing::info!(handler = %handler.name, "took over the progress of `{from}`"),
                Renamed::Nothing => {}
                Renamed::Both => tracing::warn!(
                    handler = %handler.name,
                    "has progress of its own: that of `{from}` is kept, and not taken over; remove `renamed_from`"
                ),
            }
        }
    }

    fn tell(&self, applied: &Applied, revision: Option<u64>, asked: bool) {
        let Applied { plan, rotated } = applied;
        self.crew.note_configuration(None);
        let changed = !plan.is_empty() || !rotated.is_empty();
        if changed || asked || revision.is_some() {
            self.shared.metrics.configured(true, revision);
        } else {
            self.shared.metrics.not_refused();
        }
        for note in &plan.notes {
            tracing::warn!("configuration: {note}");
        }
        for step in &plan.steps {
            tracing::info!(handler = step.name, "configuration applied: {}", words(step));
        }
        for name in rotated {
            tracing::info!(handler = name, "restarted: a secret that it is granted is another one");
        }
        if !changed && asked {
            tracing::info!("configuration read again: nothing changes");
        }
    }

    fn tell_refused(&self, why: &str) {
        self.crew.note_configuration(Some(format!("the one as it is now is refused, the one before it holds: {why}")));
        self.shared.metrics.configured(false, None);
        tracing::error!("configuration refused, the old one stays: {why}");
    }
}

fn words(step: &Step) -> String {
    let keys: Vec<&str> = step.changes.iter().map(|change| change.key).collect();
    match &step.what {
        What::Added => "started".to_owned(),
        What::Removed => "stopped; its progress is kept until `roomwire handler drop`".to_owned(),
        What::Renamed { from } => format!("goes on in place of `{from}`"),
        What::Restarted => format!("restarted, for {}", keys.join(", ")),
        What::InPlace => format!("goes on, with other {}", keys.join(", ")),
    }
}

fn lines(problems: &[config::Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
