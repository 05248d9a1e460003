//! One handler's place in the runner: its plugin as it changes, and the task that it serves.

use std::sync::Arc;

use service::admin::Component;
use service::error::Chain;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::Handler;
use crate::fleet::{Handlers, Running};
use crate::handler::Task;
use crate::plugin::Plugin;
use crate::plugin::activate::Activator;
use crate::plugin::watch::Watched;
use crate::shared::Shared;

/// One handler's place in the runner: its plugin may still be missing, its task runs once there is one.
pub(crate) struct Slot {
    pub(crate) shared: Arc<Shared>,
    pub(crate) config: Arc<Handler>,
    pub(crate) activator: Activator,
    pub(crate) handlers: Handlers,
}

impl Slot {
    /// Serves until `shutdown`, which may be this slot's own, then waits for what is in flight.
    pub(crate) async fn run(self, mut watched: Watched, judged: Component, shutdown: CancellationToken) {
        let mut plugin: Option<Plugin> = None;
        let mut task = JoinSet::new();
        loop {
            match watched.activate(&self.activator).await {
                Ok(generation) => {
                    tracing::info!(handler = %self.config.name, digest = %generation.digest, "plugin activated");
                    self.shared.metrics.activated(&self.config.name, true);
                    if let Some(plugin) = &plugin {
                        plugin.swap(generation);
                    } else {
                        let first = Plugin::new(generation);
                        let handler =
                            Task::new(self.shared.clone(), self.config.clone(), first.clone(), judged.clone());
                        let running = Running {
                            sender: handler.sender(),
                            shards: handler.standing(),
                            sources: self.shared.sources(&self.config.on),
                        };
                        self.handlers.add(self.config.name.as_str(), running);
                        self.shared.store.changed().notify_one();
                        task.spawn(handler.run(shutdown.clone()));
                        plugin = Some(first);
                    }
                }
                Err(error) => {
                    let serving =
                        if plugin.is_some() { "the old one serves on" } else { "its events wait in the stream" };
                    let error = Chain(&error).to_string();
                    tracing::error!(handler = %self.config.name, error, "plugin refused; {serving}");
                    self.shared.metrics.activated(&self.config.name, false);
                    // Its own trouble: neither its neighbours nor the receiver in the same process are unready for it.
                    if plugin.is_none() {
                        judged.ready();
                    }
                }
            }
            if !watched.changed(&shutdown).await {
                break;
            }
        }
        while task.join_next().await.is_some() {}
    }
}
