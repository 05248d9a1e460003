//! Plugin files that change on disk: a good one is swapped in, a bad one is refused and the old one serves on.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::activate::{ActivateError, Activator};
use super::{CallLimits, Generation, Grants};

/// A file that is being written is left alone until nothing happened to it for so long.
const SETTLE: Duration = Duration::from_millis(150);

/// File systems that report nothing are looked at this often.
const LOOK: Duration = Duration::from_secs(10);

/// One handler's plugin file.
pub(crate) struct Watched {
    path: PathBuf,
    grants: Arc<Grants>,
    limits: CallLimits,
    changed: Arc<Notify>,
    /// Digest of the file that was judged last, good or bad.
    judged: Option<String>,
    _watcher: Option<RecommendedWatcher>,
}

impl Watched {
    pub(crate) fn new(path: PathBuf, grants: Arc<Grants>, limits: CallLimits) -> Self {
        let changed = Arc::new(Notify::new());
        let watcher = watch_folder(&path, changed.clone());
        if let Err(error) = &watcher {
            tracing::warn!(path = %path.display(), %error, "cannot watch the plugin's folder; looking every {LOOK:?}");
        }
        Self { path, grants, limits, changed, judged: None, _watcher: watcher.ok() }
    }

    /// Judges the file as it is now.
    pub(crate) async fn activate(&mut self, activator: &Activator) -> Result<Generation, ActivateError> {
        self.judged = digest(&self.path).await;
        activator.activate(&self.path, self.grants.clone(), self.limits).await
    }

    /// Waits until the file is another one than the last that was judged. False at shutdown.
    pub(crate) async fn changed(&self, shutdown: &CancellationToken) -> bool {
        loop {
            tokio::select! {
                () = self.changed.notified() => {}
                () = tokio::time::sleep(LOOK) => {}
                () = shutdown.cancelled() => return false,
            }
            while tokio::time::timeout(SETTLE, self.changed.notified()).await.is_ok() {}
            // A file that is gone for the moment is not a new version.
            if let Some(digest) = digest(&self.path).await
                && Some(&digest) != self.judged.as_ref()
            {
                return true;
            }
        }
    }
}

/// Files are often replaced by a rename, which only their folder sees.
fn watch_folder(path: &Path, changed: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let name = path.file_name().map(ToOwned::to_owned);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let of_file = match &event {
            Ok(event) => !event.kind.is_access() && event.paths.iter().any(|path| path.file_name() == name.as_deref()),
            Err(_) => true,
        };
        if of_file {
            changed.notify_one();
        }
    })?;
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    watcher.watch(folder, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}

async fn digest(path: &Path) -> Option<String> {
    let bytes = tokio::fs::read(path).await.ok()?;
    Some(hex::encode(Sha256::digest(&bytes)))
}
