//! The handlers that run: each in a slot of its own, which is started and stopped without the others.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use service::admin::{Component, Health};
use service::error::Chain;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::board::Board;
use crate::fleet::Handlers;
use crate::live::Entry;
use crate::plugin::activate::Activator;
use crate::plugin::feed::{Activation, Feed};
use crate::plugin::follow::Supply;
use crate::shared::Shared;
use crate::slot::{Slot, noted};

/// Where the plugins of all handlers come from, and what makes something of them.
pub(crate) struct Plugins {
    pub(crate) activator: Activator,
    pub(crate) supply: Supply,
    pub(crate) board: Board,
    /// Only signed ones are taken.
    pub(crate) signed: bool,
}

impl Plugins {
    fn feed(&self, entry: &Entry, board: Board) -> Feed {
        let Entry { config, grants } = entry;
        let granted = (grants.clone(), config.limits);
        Feed::new((entry.name(), &config.plugin), granted, self.supply.clone(), board, self.signed)
    }
}

/// One handler that was started.
struct Serving {
    stop: CancellationToken,
    ended: JoinHandle<()>,
    judged: Component,
}

/// All handlers of this runner that were started and not stopped.
pub(crate) struct Crew {
    shared: Arc<Shared>,
    plugins: Plugins,
    handlers: Handlers,
    serving: BTreeMap<String, Serving>,
    /// The process's own.
    health: Health,
    shutdown: CancellationToken,
}

impl Crew {
    /// Nobody yet. Whoever is started drains at `shutdown`.
    pub(crate) fn new(
        shared: Arc<Shared>,
        plugins: Plugins,
        handlers: Handlers,
        health: Health,
        shutdown: CancellationToken,
    ) -> Self {
        Self { shared, plugins, handlers, serving: BTreeMap::new(), health, shutdown }
    }

    /// Starts a handler. `health` knows when it has claimed its shards, or cannot for now.
    pub(crate) fn start(&mut self, entry: &Entry, health: &Health) {
        let judged = health.component(&format!("handler {}", entry.name()));
        let slot = Slot {
            shared: self.shared.clone(),
            config: entry.config.clone(),
            activator: self.plugins.activator.clone(),
            handlers: self.handlers.clone(),
            health: self.health.clone(),
        };
        let feed = self.plugins.feed(entry, self.plugins.board.clone());
        let stop = self.shutdown.child_token();
        let ended = tokio::spawn(slot.run(feed, judged.clone(), stop.clone()));
        self.serving.insert(entry.name().to_owned(), Serving { stop, ended, judged });
    }

    /// Says whether the plugin of a handler would be taken, with its grants and its limits. One that nobody has deployed
    /// yet, or that is not to be had now, is nothing against it: its events wait.
    pub(crate) async fn judge(&self, entry: &Entry) -> Result<(), String> {
        // A board of its own: what serves is still the old one.
        match self.plugins.feed(entry, Board::default()).activate(&self.plugins.activator).await {
            Activation::Refused { error, unreachable: false } => Err(error),
            Activation::Refused { .. } | Activation::Taken(_) | Activation::Unchanged | Activation::Nothing => Ok(()),
        }
    }

    /// What is deployed for a handler's former name is deployed for it, too.
    pub(crate) async fn take_deploy_over(&self, from: &str, to: &str) {
        match self.plugins.supply.deployments.take_over(from, to).await {
            Ok(true) => tracing::info!(handler = to, "what is deployed for `{from}` is deployed for it now"),
            Ok(false) => {}
            Err(error) => {
                let error = Chain(&error).to_string();
                tracing::warn!(
                    handler = to,
                    error,
                    "cannot see what is deployed for `{from}`; `roomwire deploy {to}` if nothing is for it"
                );
            }
        }
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
            self.health.note(&noted(name), None);
            // Nobody waits for it any more.
            serving.judged.ready();
        }))
        .await;
    }

    /// Says at `/readyz` what is wrong with the configuration, or that nothing is.
    pub(crate) fn note_configuration(&self, trouble: Option<String>) {
        self.health.note("configuration", trouble);
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
