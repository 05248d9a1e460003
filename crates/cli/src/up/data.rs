//! The folder that an `up` keeps its data in. One `up` a folder.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use service::lock::{Lock, LockError};
use service::ready::{self, Ready, ReadyError};

use crate::target;

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum DataError {
    #[error("cannot use the data folder {}; choose another one with `--data`", path.display())]
    Open {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("another `roomwire up`{holder} runs on {}; stop it, or choose another folder with `--data`", path.display())]
    Taken { path: PathBuf, holder: String },
}

/// The folder, locked as long as this lives.
#[derive(Debug)]
pub(super) struct DataFolder {
    path: PathBuf,
    _lock: Lock,
}

impl DataFolder {
    /// Makes the folder if it is absent and locks it.
    pub(super) fn open(path: &Path) -> Result<Self, DataError> {
        let failed = |source| DataError::Open { path: path.to_owned(), source };
        // It will hold passwords and people's data.
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
        let lock = Lock::take(&path.join("lock")).map_err(|error| match error {
            LockError::Held { pid } => {
                let holder = pid.map(|pid| format!(" (process {pid})")).unwrap_or_default();
                DataError::Taken { path: path.to_owned(), holder }
            }
            LockError::File { source, .. } => failed(source),
        })?;
        let folder = Self { path: path.to_owned(), _lock: lock };
        folder.forget_running();
        Ok(folder)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Tells other commands how to reach this `up`.
    pub(super) fn announce(&self, ready: &Ready) -> Result<(), ReadyError> {
        ready::write(&target::running_file(&self.path), ready)
    }

    /// This `up` can no longer be reached, or an earlier one that was killed.
    pub(super) fn forget_running(&self) {
        let path = target::running_file(&self.path);
        if let Err(error) = fs::remove_file(&path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, path = %path.display(), "cannot remove the file");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_one_on_the_same_folder_is_refused_with_the_number_of_the_first() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        let first = DataFolder::open(&path).unwrap();
        assert_eq!(
            DataFolder::open(&path).unwrap_err().to_string(),
            format!(
                "another `roomwire up` (process {}) runs on {}; stop it, or choose another folder with `--data`",
                std::process::id(),
                path.display()
            )
        );
        drop(first);
        DataFolder::open(&path).unwrap();
    }
}
