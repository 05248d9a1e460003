//! The handlers that run: each in a slot of its own, which is started and stopped without the others.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use service::admin::{Component, Health};
use service::error::Chain;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::fleet::Handlers;
use crate::live::Entry;
use crate::plugin::activate::Activator;
use crate::plugin::watch::Watched;
use crate::shared::Shared;
use crate::slot::Slot;

/// One handler that was started.
struct Serving {
    stop: CancellationToken,
    ended: JoinHandle<()>,
    judged: Component,
}

/// All handlers of this runner that were started and not stopped.
pub(crate) struct Crew {
    shared: Arc<Shared>,
    activator: Activator,
    handlers: Handlers,
    serving: BTreeMap<String, Serving>,
    shutdown: CancellationToken,
}

impl Crew {
    /// Nobody yet. Whoever is started drains at `shutdown`.
    pub(crate) fn new(
        shared: Arc<Shared>,
        activator: Activator,
        handlers: Handlers,
        shutdown: CancellationToken,
    ) -> Self {
        Self { shared, activator, handlers, serving: BTreeMap::new(), shutdown }
    }

    /// Starts a handler. `health` knows when it has claimed its shards, or cannot for now.
    pub(crate) fn start(&mut self, entry: &Entry, health: &Health) {
        let judged = health.component(&format!("handler {}", entry.name()));
        let slot = Slot {
            shared: self.shared.clone(),
            config: entry.config.clone(),
            activator: self.activator.clone(),
            handlers: self.handlers.clone(),
        };
        let watched = Watched::new(entry.config.plugin.clone(), entry.grants.clone(), entry.config.limits);
        let stop = self.shutdown.child_token();
        let ended = tokio::spawn(slot.run(watched, judged.clone(), stop.clone()));
        self.serving.insert(entry.name().to_owned(), Serving { stop, ended, judged });
    }

    /// Says whether the plugin of a handler would be taken, with its grants and its limits. Nothing of it is kept.
    pub(crate) async fn judge(&self, entry: &Entry) -> Result<(), String> {
        let judged = self.activator.activate(&entry.config.plugin, entry.grants.clone(), entry.config.limits).await;
        judged.map(drop).map_err(|error| Chain(&error).to_string())
    }

    /// Stops handlers: what runs of them ends and is committed, their shards are given back. That takes as long as the
    /// longest invocation under way, which its `timeout` bounds.
    pub(crate) async fn stop(&mut self, names: &[&str]) {
        let leaving: Vec<(&str, Serving)> =
            names.iter().filter_map(|name| Some((*name, self.serving.remove(*name)?))).collect();
        for (name, serving) in &leaving {
            self.handlers.leave(name);
            serving.stop.cancel();
        }
        self.shared.store.changed().notify_one();
        join_all(leaving.into_iter().map(async |(name, serving)| {
            ended(name, serving.ended).await;
            self.handlers.gone(name);
            self.shared.metrics.forget(name);
            // Nobody waits for it any more.
            serving.judged.ready();
        }))
        .await;
    }

    /// Waits for all, after the shutdown.
    pub(crate) async fn drained(self) {
        join_all(self.serving.into_iter().map(async |(name, serving)| ended(&name, serving.ended).await)).await;
    }
}

async fn ended(name: &str, task: JoinHandle<()>) {
    if let Err(error) = task.await {
        tracing::error!(handler = name, error = %Chain(&error), "the task of a handler ended badly");
    }
}
