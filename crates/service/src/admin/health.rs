//! Which components are ready, and why others are not; and what is wrong although everything is ready.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// The readiness of a process: all components must be ready. Clones share one state.
#[derive(Debug, Clone, Default)]
pub struct Health {
    state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    draining: bool,
    /// Of each component the reason why it is not ready.
    components: BTreeMap<String, Option<String>>,
    /// What is wrong and makes nobody unready, by who it is about.
    notes: BTreeMap<String, String>,
}

/// One part of a process that says whether it is ready. Clones speak for the same part.
#[derive(Debug, Clone)]
pub struct Component {
    name: String,
    health: Health,
}

impl Health {
    /// A process without components, which is ready.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a component, which is not ready until it says so.
    #[must_use]
    pub fn component(&self, name: &str) -> Component {
        let component = Component { name: name.to_owned(), health: self.clone() };
        component.unready("starting");
        component
    }

    /// From now on the process is not ready: it finishes what it has.
    pub fn drain(&self) {
        self.with(|state| state.draining = true);
    }

    /// Whether every component is ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.reasons().is_empty()
    }

    /// What is not ready, with its reason, by name.
    #[must_use]
    pub fn reasons(&self) -> Vec<(String, String)> {
        self.with(|state| {
            let draining = state.draining.then(|| ("process".to_owned(), "draining".to_owned()));
            let unready =
                state.components.iter().filter_map(|(name, reason)| Some((name.clone(), reason.as_ref()?.clone())));
            draining.into_iter().chain(unready).collect()
        })
    }

    /// Says what is wrong with something although the process does its work, or that nothing is any more.
    pub fn note(&self, about: &str, trouble: Option<String>) {
        self.with(|state| match trouble {
            Some(trouble) => state.notes.insert(about.to_owned(), trouble),
            None => state.notes.remove(about),
        });
    }

    /// What is wrong although it makes nobody unready, by name.
    #[must_use]
    pub fn notes(&self) -> Vec<(String, String)> {
        self.with(|state| state.notes.clone().into_iter().collect())
    }

    /// Waits until every component is ready.
    pub async fn all_ready(&self) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // Listening begins before the look, so that no change falls between the two.
            changed.as_mut().enable();
            if self.is_ready() {
                return;
            }
            changed.await;
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Component {
    /// The component does its work.
    pub fn ready(&self) {
        self.set(None);
    }

    /// The component cannot do its work now.
    pub fn unready(&self, reason: &str) {
        self.set(Some(reason.to_owned()));
    }

    fn set(&self, reason: Option<String>) {
        self.health.with(|state| state.components.insert(self.name.clone(), reason));
        self.health.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_ready_when_every_component_is() {
        let health = Health::new();
        let nats = health.component("nats");
        let store = health.component("store");
        nats.ready();
        assert_eq!(health.reasons(), [("store".to_owned(), "starting".to_owned())]);
        store.clone().ready();
        assert!(health.is_ready());
        nats.unready("disconnected");
        assert_eq!(health.reasons(), [("nats".to_owned(), "disconnected".to_owned())]);
    }

    #[test]
    fn a_draining_process_is_not_ready() {
        let health = Health::new();
        health.drain();
        assert_eq!(health.reasons(), [("process".to_owned(), "draining".to_owned())]);
    }
}
