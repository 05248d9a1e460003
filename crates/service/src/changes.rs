//! Files that are read again while a process runs: when they have stopped changing, and on SIGHUP.

use std::io;
use std::path::PathBuf;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::spawn_blocking;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::settled::{Contents, LOOK_EVERY, Settled};

/// Tells when files are to be judged again.
#[derive(Debug)]
pub struct Changes {
    settled: Settled,
    ticks: Interval,
    hangups: Signal,
}

impl Changes {
    /// The first look counts as a change: the files may be others than those that were read before.
    ///
    /// # Errors
    /// When SIGHUP cannot be handled.
    pub fn new() -> io::Result<Self> {
        Self::since(Settled::default())
    }

    /// What was judged before is no change.
    pub(crate) fn after(judged: Contents) -> io::Result<Self> {
        Self::since(Settled::after(judged))
    }

    fn since(settled: Settled) -> io::Result<Self> {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self { settled, ticks, hangups: signal(SignalKind::hangup())? })
    }

    /// Waits until these files are to be judged. True when somebody asked for it with SIGHUP, so that also no change is
    /// worth a word.
    pub async fn next(&mut self, files: &[PathBuf]) -> bool {
        loop {
            let asked = tokio::select! {
                _ = self.ticks.tick() => false,
                Some(()) = self.hangups.recv() => true,
            };
            let files = files.to_owned();
            let read = spawn_blocking(move || Contents::read(files.iter().map(PathBuf::as_path)));
            let Ok(contents) = read.await else { continue };
            if self.settled.is_due(contents) || asked {
                self.settled.judged();
                return asked;
            }
        }
    }
}
