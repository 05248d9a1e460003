//! One process a file: an OS lock on a file beside it, held for life.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

/// The lock. It ends with the process, however that ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("another process{} has it", pid.map(|pid| format!(" ({pid})")).unwrap_or_default())]
    Held {
        /// Its number, where it left one.
        pid: Option<u32>,
    },
    /// The file cannot be made, or cannot be locked.
    #[error("cannot lock {}", path.display())]
    File {
        /// The lock's own file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl Lock {
    /// Locks `path`, which is made if it is absent and then holds the number of this process.
    ///
    /// # Errors
    /// When another process has the lock, or the file cannot be used.
    pub fn take(path: &Path) -> Result<Self, LockError> {
        let failed = |source| LockError::File { path: path.to_owned(), source };
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockError::Held { pid: holder(&mut file) }),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        // The number is for the words of a refusal only; the lock is what counts.
        file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// A file that belongs to another one: its path with something appended.
#[must_use]
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    PathBuf::from(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_one_is_refused_with_the_number_of_the_first_until_that_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = beside(&folder.path().join("spool.db"), ".lock");
        assert!(path.ends_with("spool.db.lock"));
        let first = Lock::take(&path).unwrap();
        let refused = Lock::take(&path).unwrap_err();
        assert_eq!(refused.to_string(), format!("another process ({}) has it", std::process::id()));
        drop(first);
        Lock::take(&path).unwrap();
    }
}
