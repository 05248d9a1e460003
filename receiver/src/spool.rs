//! The spool: events that JetStream cannot take now wait here on disk, and go to it in the order of their lanes.
//!
//! What is answered 2xx on the strength of the spool is fsynced in it. Once something of a lane (project and ordering
//! key) waits, all that comes after it in the lane waits too.

mod backlog;
mod drain;
mod file;
mod medium;
mod orphan;
mod report;
mod row;
mod writer;

use std::path::Path;
use std::sync::Arc;

use event::{OrderingKey, Project};
use sqlx::SqliteConnection;
use tokio::sync::Notify;

use crate::metrics::SpoolMetrics;
use crate::outcome::Fault;
use crate::outgoing::Outgoing;
pub(crate) use backlog::Depth;
use backlog::{Backlog, Full};
pub(crate) use drain::Drain;
use file::File;
pub use file::OpenError;
pub use orphan::{DrainError, drain_orphan};
pub use report::{Report, report};
use row::Row;
pub(crate) use writer::Put;
use writer::{Queue, WriteError};

/// The spool. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Spool {
    backlog: Backlog,
    queue: Queue,
    /// Something was written or removed.
    written: Arc<Notify>,
}

impl Spool {
    /// Opens a spool, or makes one; the connection is for the one who drains it.
    pub(crate) async fn open(
        path: &Path,
        max_bytes: u64,
        metrics: SpoolMetrics,
    ) -> Result<(Spool, SqliteConnection), OpenError> {
        let file = File::open(path).await?;
        if let Some(medium) = medium::volatile(path) {
            tracing::warn!(path = %path.display(), medium,
                "the spool is on memory: what it holds is lost when this machine stops; set receiver.spool.path");
        }
        let backlog = Backlog::new(max_bytes, file.lanes, metrics);
        let Depth { rows, bytes } = backlog.depth();
        if rows > 0 {
            tracing::info!(path = %path.display(), rows, bytes, "the spool holds events of an earlier run");
        }
        let written = Arc::new(Notify::new());
        let queue = writer::start(file.writer, file.path, file.lock, written.clone());
        Ok((Spool { backlog, queue, written }, file.reader))
    }

    /// Whether something of this lane waits.
    pub(crate) fn holds(&self, project: &Project, key: &OrderingKey) -> bool {
        self.backlog.depth().rows > 0 && self.backlog.holds(&row::lane(project, key))
    }

    /// Takes an event; it is on disk when this returns. When the wait is given up it may come to be there all the same.
    pub(crate) async fn put(&self, event: &Outgoing) -> Result<Put, Fault> {
        let row = Row::of(event);
        let place = self.backlog.place(&row.lane, row.size());
        let place = place.map_err(|Full { max_bytes }| Fault::SpoolFull { max_bytes })?;
        self.queue.put(row, place).await.map_err(|WriteError(why)| Fault::SpoolFailed { why: why.to_string() })
    }

    /// How much waits.
    pub(crate) fn depth(&self) -> Depth {
        self.backlog.depth()
    }

    /// Finishes what was asked before and closes the file.
    pub(crate) async fn close(&self) {
        self.queue.stop().await;
    }
}
