//! Reads the keys again when the configuration file or a file with a secret changes, and on SIGHUP.

mod metrics;

use std::io;
use std::path::{Path, PathBuf};

use livekit::token::Keys;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::Keyring;
use crate::admin::Metrics;
use crate::changes::Changes;
use crate::config::{Config, load, process_env};
use metrics::ReloadMetrics;

/// Keeps `ring` in step with the file that `config` came from, on a task of its own until `shutdown`. Of the file only
/// `livekit.keys` is taken; a file in which anything is wrong is refused as a whole, and the keys stay as they were.
///
/// # Errors
///
/// When SIGHUP cannot be handled.
pub fn keep_reloaded(config: &Config, ring: Keyring, metrics: &Metrics, shutdown: CancellationToken) -> io::Result<()> {
    let changes = Changes::new()?;
    let metrics = metrics.register(ReloadMetrics::register);
    metrics.known(ring.current().names().count());
    let source = config.source.clone().map(|path| Source {
        path,
        secrets: config.livekit.secret_files(),
        has_keys: !config.livekit.uses_dev_keys(),
    });
    tokio::spawn(async move {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = run(source, ring, metrics, changes) => {}
        }
    });
    Ok(())
}

/// Where keys come from, as far as it is known from the last good file.
#[derive(Debug, Clone)]
struct Source {
    path: PathBuf,
    secrets: Vec<PathBuf>,
    /// Whether the keys are real ones and not LiveKit's dev keys, which everybody knows.
    has_keys: bool,
}

async fn run(source: Option<Source>, ring: Keyring, metrics: ReloadMetrics, mut changes: Changes) {
    let Some(mut source) = source else {
        loop {
            if changes.next(&[]).await {
                tracing::warn!("SIGHUP: there is no configuration file to read the keys from");
            }
        }
    };
    loop {
        let files: Vec<PathBuf> = std::iter::once(&source.path).chain(&source.secrets).cloned().collect();
        let asked = changes.next(&files).await;
        let from = source.clone();
        let Ok(read) = spawn_blocking(move || read(&from)).await else { continue };
        match read {
            Ok((keys, from)) => {
                let names = keys.names().collect::<Vec<_>>().join(", ");
                // The file may have changed elsewhere, or it is looked at for the first time.
                let tells = asked || keys != *ring.current();
                metrics.applied(keys.names().count(), tells);
                if tells {
                    tracing::info!(file = %source.path.display(), "keys read again: now {names}");
                }
                ring.replace(keys);
                source = from;
            }
            Err(why) => {
                metrics.refused();
                tracing::error!(file = %source.path.display(), "keys not read again, the old ones stay: {why}");
            }
        }
    }
}

/// The keys that the file names now, and where they come from.
fn read(source: &Source) -> Result<(Keys, Source), String> {
    let config = load(&source.path).map_err(|error| error.to_string())?;
    let has_keys = !config.livekit.uses_dev_keys();
    if source.has_keys && !has_keys {
        // A file that is just being written is empty for a moment, which would let everybody in who knows the dev keys.
        return Err(no_keys(&source.path));
    }
    let keys = config.livekit.resolve_keys(&process_env).map_err(|error| error.to_string())?;
    Ok((keys, Source { secrets: config.livekit.secret_files(), has_keys, ..source.clone() }))
}

fn no_keys(path: &Path) -> String {
    format!("{} names no keys any more; write `livekit.keys`, or restart to use LiveKit's dev keys", path.display())
}

#[cfg(test)]
mod tests;
