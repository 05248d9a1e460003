//! Readiness follows the connection.

use tokio_util::sync::CancellationToken;

use super::{Connection, State};
use crate::admin::Component;

/// Keeps `component` in step with the connection until `shutdown`, on a task of its own.
pub fn watch_health(connection: &Connection, component: Component, shutdown: CancellationToken) {
    let mut state = connection.state.clone();
    tokio::spawn(async move {
        loop {
            let now = *state.borrow_and_update();
            match now {
                State::Connected => component.ready(),
                State::Connecting => component.unready("connecting to NATS"),
                State::Disconnected => component.unready("disconnected from NATS, reconnecting"),
                State::Closed => component.unready("the connection to NATS is closed"),
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                changed = state.changed() => if changed.is_err() { return },
            }
        }
    });
}
