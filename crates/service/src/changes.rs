//! A configuration file that changes: its text, when it has stopped changing, and on SIGHUP.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::spawn_blocking;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::settled::{Contents, LOOK_EVERY, Settled};

/// The wait after the disk could not be asked at all.
const RETRY: Duration = Duration::from_secs(1);

/// What is to be judged.
#[derive(Debug)]
pub struct Change {
    /// The file's text.
    pub text: io::Result<String>,
    /// Somebody asked for it with SIGHUP, so that also no change is worth a word.
    pub asked: bool,
}

/// A configuration file, and the files whose content it refers to.
#[derive(Debug)]
pub struct FileChanges {
    path: PathBuf,
    beside: Vec<PathBuf>,
    settled: Settled,
    ticks: Interval,
    hangups: Signal,
}

impl FileChanges {
    /// Looks at this file. The first look counts as a change: the file may be another one than what was read before.
    ///
    /// # Errors
    ///
    /// When SIGHUP cannot be handled.
    pub fn of(path: PathBuf) -> io::Result<Self> {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let hangups = signal(SignalKind::hangup())?;
        Ok(Self { path, beside: Vec::new(), settled: Settled::default(), ticks, hangups })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &PathBuf {
        &self.path
    }

    /// A change of one of these is a change, too.
    pub fn look_beside(&mut self, files: Vec<PathBuf>) {
        self.beside = files;
    }

    /// Waits for the next change.
    pub async fn next(&mut self) -> Change {
        loop {
            let asked = tokio::select! {
                _ = self.ticks.tick() => false,
                Some(()) = self.hangups.recv() => true,
            };
            let (path, beside) = (self.path.clone(), self.beside.clone());
            let read = spawn_blocking(move || {
                let files = std::iter::once(path.as_path()).chain(beside.iter().map(PathBuf::as_path));
                (Contents::read(files), std::fs::read_to_string(&path))
            });
            let Ok((contents, text)) = read.await else {
                tokio::time::sleep(RETRY).await;
                continue;
            };
            if self.settled.is_due(contents) || asked {
                self.settled.judged();
                return Change { text, asked };
            }
        }
    }
}
