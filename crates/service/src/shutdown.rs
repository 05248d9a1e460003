//! The graceful end of a process: the first signal drains, the second one ends it at once.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The exit code of a process that was told twice to stop (128 + SIGINT, as shells count).
const INTERRUPTED: i32 = 130;

/// Says whether the process is to stop. Clones share one state.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    token: CancellationToken,
}

impl Shutdown {
    /// A handle that stops only when [`Shutdown::drain`] is called.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A handle that SIGINT and SIGTERM stop. A second signal exits the process without draining.
    ///
    /// # Errors
    ///
    /// When the signal handlers cannot be installed.
    pub fn on_signals() -> io::Result<Self> {
        let shutdown = Self::new();
        let mut interrupts = signal(SignalKind::interrupt())?;
        let mut terminations = signal(SignalKind::terminate())?;
        let token = shutdown.token.clone();
        tokio::spawn(async move {
            loop {
                let name = tokio::select! {
                    _ = interrupts.recv() => "SIGINT",
                    _ = terminations.recv() => "SIGTERM",
                };
                if token.is_cancelled() {
                    tracing::warn!(signal = name, "second signal, leaving at once");
                    std::process::exit(INTERRUPTED);
                }
                tracing::info!(signal = name, "draining; a second signal ends the process at once");
                token.cancel();
            }
        });
        Ok(shutdown)
    }

    /// The token that is cancelled when draining begins.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Begins to drain, as the first signal does.
    pub fn drain(&self) {
        self.token.cancel();
    }

    /// Whether draining has begun.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Waits until draining begins.
    pub async fn draining(&self) {
        self.token.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn clones_share_one_state() {
        let shutdown = Shutdown::new();
        let other = shutdown.clone();
        assert!(!other.is_draining());
        shutdown.drain();
        other.draining().await;
        assert!(other.token().is_cancelled());
    }
}
