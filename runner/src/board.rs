//! How the plugins of all handlers stand on this runner, and who tells the others of it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use service::error::Chain;
use service::nats::{Connection, State as ConnectionState};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::registry::{HandlerReport, Registry, RegistryError, Report, Runners};

/// How often a runner reports, if nothing changes: a third of the time after which a report is forgotten.
const BEAT: Duration = Duration::from_secs(5);

/// Changes that come close together are one report.
const PAUSE: Duration = Duration::from_millis(50);

/// The wait after a report that was in vain, at most.
const RETRY: Duration = Duration::from_secs(5);

/// How long a stopping runner tries to take its report back.
const FAREWELL: Duration = Duration::from_secs(2);

/// What there is to report.
#[derive(Clone, Debug, Default)]
pub(crate) struct Board {
    /// With the number of who speaks for the handler.
    handlers: Arc<Mutex<BTreeMap<String, (u64, HandlerReport)>>>,
    speakers: Arc<AtomicU64>,
    changed: Arc<Notify>,
}

impl Board {
    /// A number for somebody who will speak for a handler.
    pub(crate) fn speaker(&self) -> u64 {
        self.speakers.fetch_add(1, Ordering::Relaxed)
    }

    /// What is said of a handler from now on.
    pub(crate) fn set(&self, handler: &str, speaker: u64, report: HandlerReport) {
        self.with(|handlers| handlers.insert(handler.to_owned(), (speaker, report)));
        self.changed.notify_one();
    }

    /// The handler is no longer here, unless somebody else speaks for it already.
    pub(crate) fn remove(&self, handler: &str, speaker: u64) {
        self.with(|handlers| {
            if handlers.get(handler).is_some_and(|(of, _)| *of == speaker) {
                handlers.remove(handler);
            }
        });
        self.changed.notify_one();
    }

    /// What is said of a handler.
    pub(crate) fn of(&self, handler: &str) -> Option<HandlerReport> {
        self.with(|handlers| handlers.get(handler).map(|(_, report)| report.clone()))
    }

    fn all(&self) -> BTreeMap<String, HandlerReport> {
        self.with(|handlers| handlers.iter().map(|(name, (_, report))| (name.clone(), report.clone())).collect())
    }

    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<String, (u64, HandlerReport)>) -> T) -> T {
        act(&mut self.handlers.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Reports what is on the board. There is one in a process.
pub(crate) struct Reporter {
    pub(crate) board: Board,
    pub(crate) registry: Registry,
    pub(crate) connection: Connection,
    pub(crate) runner: String,
}

impl Reporter {
    /// Reports until `end`, and then takes the report back.
    pub(crate) async fn run(self, end: CancellationToken) {
        let (mut bucket, mut troubled) = (None, false);
        let mut state = self.connection.state.clone();
        while !end.is_cancelled() {
            let told = self.report(&mut bucket).await;
            match &told {
                Err(error) if !std::mem::replace(&mut troubled, true) => {
                    let error = Chain(error).to_string();
                    tracing::warn!(error, "failed to report how the plugins stand; trying again");
                }
                Ok(()) if std::mem::take(&mut troubled) => tracing::info!("the plugins' standing is reported again"),
                _ => {}
            }
            tokio::time::sleep(PAUSE).await;
            let lost = async {
                // The guard of what was seen must not be held over the waits below.
                drop(state.wait_for(|state| *state != ConnectionState::Connected).await);
            };
            tokio::select! {
                () = self.board.changed.notified() => {}
                () = tokio::time::sleep(if told.is_ok() { BEAT } else { RETRY }) => {}
                // The server may have forgotten what was said to it.
                () = lost, if told.is_ok() => {
                    if !self.connection.connected().await {
                        return;
                    }
                }
                () = end.cancelled() => {}
            }
        }
        if let Some(runners) = bucket {
            let _ = tokio::time::timeout(FAREWELL, runners.remove(&self.runner)).await;
        }
    }

    async fn report(&self, bucket: &mut Option<Runners>) -> Result<(), RegistryError> {
        let report = Report {
            runner: self.runner.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            handlers: self.board.all(),
        };
        if let Some(runners) = bucket.take()
            && runners.put(&report).await.is_ok()
        {
            *bucket = Some(runners);
            return Ok(());
        }
        // It is in memory: a server that was restarted has none.
        let runners = self.registry.runners().await?;
        runners.put(&report).await?;
        *bucket = Some(runners);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::State;

    fn report(state: State) -> HandlerReport {
        HandlerReport {
            plugin: "./a.wasm".parse().unwrap(),
            deployable: false,
            state,
            serving: None,
            wanted: None,
            revision: None,
            error: None,
            at_ms: 0,
        }
    }

    #[test]
    fn who_was_replaced_takes_nothing_back_that_another_one_says() {
        let board = Board::default();
        let (old, new) = (board.speaker(), board.speaker());
        board.set("meter", old, report(State::Serving));
        board.set("meter", new, report(State::Compiling));
        board.remove("meter", old);
        assert_eq!(board.of("meter").map(|it| it.state), Some(State::Compiling));
        board.remove("meter", new);
        assert!(board.all().is_empty());
    }
}
