//! A plugin's file as it changes on disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;

use super::MAX_SIZE;
use super::signature::signature_file;

/// A file that is being written is left alone until nothing happened to it for so long.
const SETTLE: Duration = Duration::from_millis(150);

/// File systems that report nothing are looked at this often.
const LOOK: Duration = Duration::from_secs(10);

/// One handler's plugin file.
pub(crate) struct WatchedFile {
    path: PathBuf,
    changed: Arc<Notify>,
    /// A new signature makes another file of it.
    signed: bool,
    /// What was judged last, good or bad.
    judged: Option<String>,
    _watcher: Option<RecommendedWatcher>,
}

impl WatchedFile {
    pub(crate) fn new(path: PathBuf, signed: bool) -> Self {
        let changed = Arc::new(Notify::new());
        let watcher = watch_folder(&path, changed.clone());
        if let Err(error) = &watcher {
            tracing::warn!(path = %path.display(), %error, "cannot watch the plugin's folder; looking every {LOOK:?}");
        }
        Self { path, changed, signed, judged: None, _watcher: watcher.ok() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file as it is now is about to be judged.
    pub(crate) async fn judge(&mut self) {
        self.judged = self.mark().await;
    }

    /// Waits until the file is another one than the last that was judged.
    pub(crate) async fn changed(&self) {
        loop {
            tokio::select! {
                () = self.changed.notified() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
            while tokio::time::timeout(SETTLE, self.changed.notified()).await.is_ok() {}
            // A file that is gone for the moment is not a new version.
            if let Some(mark) = self.mark().await
                && Some(&mark) != self.judged.as_ref()
            {
                return;
            }
        }
    }

    /// What tells it from another.
    async fn mark(&self) -> Option<String> {
        let size = tokio::fs::metadata(&self.path).await.ok()?.len();
        if size > MAX_SIZE {
            return Some(format!("{size} bytes"));
        }
        let mut hash = Sha256::new();
        hash.update(tokio::fs::read(&self.path).await.ok()?);
        if self.signed {
            hash.update(tokio::fs::read(signature_file(&self.path)).await.unwrap_or_default());
        }
        Some(hex::encode(hash.finalize()))
    }
}

/// Files are often replaced by a rename, which only their folder sees.
fn watch_folder(path: &Path, changed: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let names = [path.to_owned(), signature_file(path)].map(|path| path.file_name().map(ToOwned::to_owned));
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let named = |path: &PathBuf| names.iter().any(|name| path.file_name() == name.as_deref());
        let of_file = match &event {
            Ok(event) => !event.kind.is_access() && event.paths.iter().any(named),
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
