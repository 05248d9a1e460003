//! How a handler stands at its gate: paused by an operator, or stopped by its breaker; and what is kept of that.

use lanes::{GateState, Gauges, Input, Millis};
use store::{LIVE, Stop};

use super::{Task, wait_for_store};

/// How a handler stands, for operators.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stand {
    pub(crate) gate: GateState,
    pub(crate) gauges: Gauges,
    pub(crate) shards: usize,
}

impl Task {
    pub(super) fn stand(&self) -> Stand {
        Stand { gate: self.machine.gate(), gauges: self.machine.gauges(), shards: self.machine.shards().count() }
    }

    /// Before anything is claimed: whether an operator has paused the handler, and when nothing was tried before.
    pub(super) async fn recall(&mut self) {
        let stops = loop {
            match self.shared.store.stops(self.config.name.as_str(), LIVE).await {
                Ok(stops) => break stops,
                Err(error) => {
                    wait_for_store(self.config.name.as_str(), "read whether the handler is paused", &error).await;
                }
            }
        };
        let paused = stops.iter().find(|(_, ended)| ended.is_none()).map(|(since, _)| *since);
        self.feed(Input::Stopped(ended(&stops)));
        if let Some(since) = paused {
            tracing::warn!(handler = %self.config.name, "the handler is paused; `roomwire handler resume` lets it go on");
            self.feed(Input::Pause { since });
        }
    }

    /// Notes it beside everything else; what is lost of it counts against `for` after a restart.
    pub(super) fn keep_stop(&mut self, stop: Stop) {
        let (store, name, _) = self.store_call();
        self.jobs.spawn(async move {
            if let Err(error) = store.stop(&name, LIVE, stop).await {
                let error = service::error::Chain(&error).to_string();
                tracing::warn!(handler = name, error, "failed to note how long the breaker was open");
            }
        });
    }
}

/// Those that are over.
pub(super) fn ended(stops: &[(Millis, Option<Millis>)]) -> Vec<(Millis, Millis)> {
    stops.iter().filter_map(|(from, until)| until.map(|until| (*from, until))).collect()
}
