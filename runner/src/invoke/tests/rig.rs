//! One plugin with its grants, called event by event.

use super::*;
use crate::host::{Client, Tls};

pub(super) struct Rig {
    pub(super) engine: Engine,
    pub(super) generation: Arc<Generation>,
}

/// The config of `behave` in which each behaviour has a room of its own: `r0`, `r1`, …
pub(super) fn rooms<'b>(behaviours: impl IntoIterator<Item = &'b str>) -> BTreeMap<String, String> {
    let rooms = behaviours.into_iter().enumerate();
    let mut config: BTreeMap<_, _> =
        rooms.map(|(at, behaviour)| (format!("room:r{at}"), behaviour.to_owned())).collect();
    config.insert("publish_to".to_owned(), "test.out".to_owned());
    config
}

/// A client that is granted these hosts.
pub(super) fn client(origins: &[&str]) -> Client {
    Client::granted(origins.iter().map(|origin| Origin::parse(origin).unwrap()).collect(), Vec::new(), Tls::default())
}

impl Rig {
    /// `behave` with a config and grants.
    pub(super) async fn behave(config: BTreeMap<String, String>, timeout: Duration, grants: Grants) -> Self {
        let engine = Engine::new().unwrap();
        let path = testkit::fixtures::plugin("behave").unwrap();
        let grants = Grants { config, publish: vec!["test.>".to_owned()], max_message: 1 << 20, ..grants };
        let activator = Activator::new(engine.clone()).unwrap();
        let limits = CallLimits { timeout, ..LIMITS };
        let generation = activator.activate(fetched(&path).await, Arc::new(grants), limits).await.unwrap();
        Self { engine, generation: Arc::new(generation) }
    }

    /// A program that was written by hand, with a config and grants.
    pub(super) async fn command(guest: &str, config: &[(&str, &str)], grants: Grants) -> Self {
        let engine = Engine::new().unwrap();
        let path = testkit::fixtures::path(&format!("guests/{guest}.wasm"));
        let config = config.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let grants = Grants { config, publish: vec!["test.>".to_owned()], max_message: 1 << 20, ..grants };
        let activator = Activator::new(engine.clone()).unwrap();
        let generation = activator.activate(fetched(&path).await, Arc::new(grants), LIMITS).await.unwrap();
        Self { engine, generation: Arc::new(generation) }
    }

    pub(super) async fn call(&self, room: &str) -> Finished {
        handle(&self.engine, &self.generation, event(room), Lease::default(), None).await
    }

    /// What the guest published, as JSON.
    pub(super) async fn answer(&self, room: &str) -> serde_json::Value {
        let finished = self.call(room).await;
        serde_json::from_str(&published(&finished)).unwrap()
    }
}

/// What the guest published.
pub(super) fn published(finished: &Finished) -> String {
    let Some(effect) = finished.report.effects.first() else { panic!("nothing published: {:?}", finished.report) };
    String::from_utf8_lossy(&effect.body).into_owned()
}

pub(super) fn logs(finished: &Finished) -> String {
    finished.report.logs.as_deref().unwrap_or_default().to_owned()
}
