//! A mark of what is about to run, on its way into the store.

use std::sync::Arc;

use tokio::sync::watch;

use crate::sqlite::Marks;

/// A mark on its way. What it is for may begin when it is written, or when it turned out that it cannot be.
#[derive(Clone, Debug, Default)]
pub struct Marked(Pending);

#[derive(Clone, Debug, Default)]
enum Pending {
    #[default]
    Nothing,
    /// In the file beside SQLite: whoever waits writes it.
    File(Arc<Marks>, u64),
    /// In PostgreSQL's table, by a task that says how far it is.
    Table(u64, watch::Receiver<u64>),
}

impl Marked {
    pub(crate) fn in_file(marks: Arc<Marks>, version: u64) -> Self {
        Self(Pending::File(marks, version))
    }

    pub(crate) fn in_table(version: u64, written: watch::Receiver<u64>) -> Self {
        Self(Pending::Table(version, written))
    }

    /// Waits for that.
    pub async fn written(self) {
        match self.0 {
            Pending::Nothing => {}
            Pending::File(marks, version) => marks.write(version),
            Pending::Table(version, mut written) => {
                // An error means that the store was closed: nothing that begins now can be committed.
                let _ = written.wait_for(|written| *written >= version).await;
            }
        }
    }
}
