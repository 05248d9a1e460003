//! What a runner keeps of the registry on its own disk: versions that it fetched, and what was deployed last. With these
//! it can start while the registry cannot be reached.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::MAX_SIZE;
use crate::registry::Revision;

/// Versions that are kept; those that were used least recently go first.
const MOST: usize = 32;

/// What was deployed for a handler, or what its pin came to, when it last served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Last {
    pub(crate) plugin: String,
    pub(crate) digest: String,
    pub(crate) revision: Option<Revision>,
}

/// The folder.
#[derive(Debug)]
pub(crate) struct Kept {
    files: PathBuf,
    deployed: PathBuf,
}

impl Kept {
    /// Uses a folder, which is made if it is absent.
    ///
    /// # Errors
    /// When it cannot be made, or others may write to it.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let this = Self { files: folder.join("files"), deployed: folder.join("deployed") };
        own_folder(&this.files)?;
        own_folder(&this.deployed)?;
        Ok(this)
    }

    /// A version with its signature, if it is there and has its digest.
    pub(crate) fn read(&self, digest: &str) -> Option<(Vec<u8>, Option<String>)> {
        let path = self.file(digest);
        if fs::metadata(&path).ok()?.len() > MAX_SIZE {
            return None;
        }
        let bytes = fs::read(&path).ok()?;
        if hex::encode(Sha256::digest(&bytes)) != digest {
            tracing::warn!(path = %path.display(), "a kept plugin is damaged; it is fetched anew");
            let _ = fs::remove_file(&path);
            return None;
        }
        touch(&path);
        Some((bytes, fs::read_to_string(self.signature(digest)).ok()))
    }

    /// Keeps a version. A disk that is full costs nothing but the copy.
    pub(crate) fn write(&self, digest: &str, bytes: &[u8], signature: Option<&str>) {
        let signed = signature.map_or(Ok(()), |signature| replace(&self.signature(digest), signature.as_bytes()));
        if let Err(error) = signed.and_then(|()| replace(&self.file(digest), bytes)) {
            tracing::warn!(%error, folder = %self.files.display(), "cannot keep a copy of a plugin");
        }
        let needed: Vec<String> = self.all_last().map(|last| last.digest).collect();
        for path in surplus(&self.files, |path| path.extension().is_some_and(|end| end == "wasm"), MOST, u64::MAX) {
            let digest = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            if !needed.iter().any(|it| it == digest) {
                let _ = (fs::remove_file(&path), fs::remove_file(self.signature(digest)));
            }
        }
    }

    /// The signature of a version was changed in the registry, or what is kept is to be fetched anew for another reason.
    pub(crate) fn forget(&self, digest: &str) {
        let _ = (fs::remove_file(self.file(digest)), fs::remove_file(self.signature(digest)));
    }

    /// What served a handler when this was noted last.
    pub(crate) fn last(&self, handler: &str) -> Option<Last> {
        serde_json::from_slice(&fs::read(self.of_handler(handler)).ok()?).ok()
    }

    /// Notes what serves a handler.
    pub(crate) fn note(&self, handler: &str, last: &Last) {
        if self.last(handler).as_ref() == Some(last) {
            return;
        }
        let written = serde_json::to_vec(last).map_err(io::Error::from);
        if let Err(error) = written.and_then(|text| replace(&self.of_handler(handler), &text)) {
            tracing::warn!(%error, folder = %self.deployed.display(), "cannot note what is deployed");
        }
    }

    fn all_last(&self) -> impl Iterator<Item = Last> {
        let entries = fs::read_dir(&self.deployed).into_iter().flatten().flatten();
        entries.filter_map(|entry| serde_json::from_slice(&fs::read(entry.path()).ok()?).ok())
    }

    fn file(&self, digest: &str) -> PathBuf {
        self.files.join(format!("{digest}.wasm"))
    }

    fn signature(&self, digest: &str) -> PathBuf {
        self.files.join(format!("{digest}.minisig"))
    }

    fn of_handler(&self, handler: &str) -> PathBuf {
        self.deployed.join(format!("{handler}.json"))
    }
}

/// Makes a folder that only this user may enter.
///
/// # Errors
/// When it cannot be made, is another user's, or others may enter it.
pub(super) fn own_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let found = fs::symlink_metadata(path)?;
    // The last six bits are what the group and others may do.
    let mine = found.is_dir() && found.uid() == rustix::process::geteuid().as_raw();
    if mine && found.permissions().mode().trailing_zeros() >= 6 {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!("{} must be a folder of this user alone (chmod 700)", path.display()),
    ))
}

/// Puts a file in place at once, so that nobody reads a half of it.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = service::lock::beside(path, &format!(".{}.{:x}.tmp", std::process::id(), unique()));
    let done = fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    if done.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    done
}

fn unique() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// It is in use: the others go first.
pub(super) fn touch(path: &Path) {
    let _ = fs::File::options().append(true).open(path).and_then(|file| file.set_modified(SystemTime::now()));
}

/// The files that are too many, or too many bytes, those that were used least recently.
pub(super) fn surplus(folder: &Path, counts: impl Fn(&Path) -> bool, most: usize, bytes: u64) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<(SystemTime, u64, PathBuf)> = entries
        .filter(|entry| counts(&entry.path()))
        .filter_map(|entry| {
            let found = entry.metadata().ok()?;
            Some((found.modified().ok()?, found.len(), entry.path()))
        })
        .collect();
    files.sort_by_key(|(used, ..)| std::cmp::Reverse(*used));
    let mut sum = 0_u64;
    let over = |(number, (_, size, path)): (usize, (SystemTime, u64, PathBuf))| {
        sum = sum.saturating_add(size);
        (number >= most || sum > bytes).then_some(path)
    };
    files.into_iter().enumerate().filter_map(over).collect()
}
