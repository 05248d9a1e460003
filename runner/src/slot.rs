//! One handler's place in the runner: its plugin as it changes, and the task that it serves.

use std::sync::Arc;

use service::admin::{Component, Health};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::Handler;
use crate::fleet::{Handlers, Running};
use crate::handler::Task;
use crate::plugin::activate::Activator;
use crate::plugin::feed::{Activation, Feed};
use crate::plugin::{Generation, Plugin};
use crate::registry::HandlerReport;
use crate::shared::Shared;

/// One handler's place in the runner: its plugin may still be missing, its task runs once there is one.
pub(crate) struct Slot {
    pub(crate) shared: Arc<Shared>,
    pub(crate) config: Arc<Handler>,
    pub(crate) activator: Activator,
    pub(crate) handlers: Handlers,
    /// The process's own.
    pub(crate) health: Health,
}

/// What a slot has come to.
struct Standing {
    plugin: Option<Plugin>,
    task: JoinSet<()>,
    judged: Component,
    shutdown: CancellationToken,
}

impl Slot {
    /// Serves until `shutdown`, which may be this slot's own, then waits for what is in flight.
    pub(crate) async fn run(self, mut feed: Feed, judged: Component, shutdown: CancellationToken) {
        let mut standing = Standing { plugin: None, task: JoinSet::new(), judged, shutdown };
        let shutdown = standing.shutdown.clone();
        loop {
            let activation = tokio::select! {
                activation = feed.activate(&self.activator) => activation,
                () = shutdown.cancelled() => break,
            };
            match activation {
                Activation::Taken(generation) => {
                    self.take(generation, &mut standing);
                    feed.serves();
                }
                Activation::Unchanged => {}
                Activation::Nothing => {
                    let plugin = &self.config.plugin;
                    tracing::warn!(
                        handler = %self.config.name,
                        "nothing of plugin `{plugin}` is deployed yet; its events wait in the stream; push a version and \
                         deploy it with `roomwire deploy {}`", self.config.name
                    );
                    standing.without_plugin();
                }
                Activation::Refused { error, unreachable } => self.refuse(&error, unreachable, &standing),
            }
            self.note(&feed);
            tokio::select! {
                () = feed.changed() => {}
                () = shutdown.cancelled() => break,
            }
        }
        while standing.task.join_next().await.is_some() {}
    }

    fn take(&self, generation: Generation, standing: &mut Standing) {
        tracing::info!(handler = %self.config.name, digest = %generation.digest, "plugin activated");
        self.shared.metrics.activated(&self.config.name, true);
        if let Some(plugin) = &standing.plugin {
            plugin.swap(generation);
            return;
        }
        let first = Plugin::new(generation);
        let handler = Task::new(self.shared.clone(), self.config.clone(), first.clone(), standing.judged.clone());
        let running = Running {
            sender: handler.sender(),
            shards: handler.standing(),
            sources: self.shared.sources(&self.config.on),
        };
        self.handlers.add(self.config.name.as_str(), running);
        self.shared.store.changed().notify_one();
        standing.task.spawn(handler.run(standing.shutdown.clone()));
        standing.plugin = Some(first);
    }

    fn refuse(&self, error: &str, unreachable: bool, standing: &Standing) {
        let serving = if standing.plugin.is_some() { "the old one serves on" } else { "its events wait in the stream" };
        if unreachable {
            tracing::warn!(handler = %self.config.name, error, "plugin not to be had; trying again; {serving}");
        } else {
            tracing::error!(handler = %self.config.name, error, "plugin refused; {serving}");
            self.shared.metrics.activated(&self.config.name, false);
        }
        standing.without_plugin();
    }

    /// Its trouble is for everybody to see, who need not know of it beforehand.
    fn note(&self, feed: &Feed) {
        let report = feed.standing();
        let held_back = report.as_ref().is_some_and(HandlerReport::is_held_back);
        self.shared.metrics.plugin_held_back(&self.config.name, held_back);
        self.health.note(&noted(self.config.name.as_str()), report.and_then(|it| it.trouble()));
    }
}

/// What the trouble of a handler's plugin is noted under.
pub(crate) fn noted(handler: &str) -> String {
    format!("handler {handler}")
}

impl Standing {
    /// Its own trouble: neither its neighbours nor the receiver in the same process are unready for it.
    fn without_plugin(&self) {
        if self.plugin.is_none() {
            self.judged.ready();
        }
    }
}
