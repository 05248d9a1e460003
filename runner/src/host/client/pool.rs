//! Connections of one handler that wait for its next request.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Target;
use super::connect::Connection;

/// Connections that are kept, over all targets and for one.
const KEPT: usize = 32;
const KEPT_PER_TARGET: usize = 8;

/// An idle connection is closed after this time.
const IDLE: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
pub(super) struct Pool {
    kept: Mutex<HashMap<Target, Vec<Kept>>>,
}

#[derive(Debug)]
struct Kept {
    connection: Connection,
    since: Instant,
}

impl Pool {
    /// A connection to the target that is still open, the one that was used last.
    pub(super) fn take(&self, target: &Target) -> Option<Connection> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        tidy(&mut kept);
        let connections = kept.get_mut(target)?;
        while let Some(last) = connections.pop() {
            if last.connection.sender.is_ready() {
                return Some(last.connection);
            }
        }
        None
    }

    /// Keeps a connection whose answer was read to its end.
    pub(super) fn put(&self, target: Target, connection: Connection) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        tidy(&mut kept);
        let all: usize = kept.values().map(Vec::len).sum();
        let connections = kept.entry(target).or_default();
        if all < KEPT && connections.len() < KEPT_PER_TARGET && !connection.sender.is_closed() {
            connections.push(Kept { connection, since: Instant::now() });
        }
    }
}

fn tidy(kept: &mut HashMap<Target, Vec<Kept>>) {
    kept.retain(|_, connections| {
        connections.retain(|kept| kept.since.elapsed() < IDLE && !kept.connection.sender.is_closed());
        !connections.is_empty()
    });
}
