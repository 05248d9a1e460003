//! Where the bytes of a plugin come from: a file, or the registry with a copy on this machine.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use event::PluginName;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;

use super::MAX_SIZE;
use super::kept::Kept;
use super::signature::signature_file;
use crate::registry::{Registry, RegistryError};

/// What is to be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reference {
    /// Whatever the file holds now.
    File(PathBuf),
    /// One version of the registry.
    Version(PluginName, String),
}

impl fmt::Display for Reference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(out, "{}", path.display()),
            Self::Version(name, digest) => write!(out, "{name}@sha256:{digest}"),
        }
    }
}

/// A plugin as it is kept somewhere: nothing of it was judged.
#[derive(Clone)]
pub(crate) struct Fetched {
    /// What it is called in messages.
    pub(crate) label: Arc<str>,
    pub(crate) bytes: Vec<u8>,
    /// SHA-256 of the bytes, in hex.
    pub(crate) digest: Arc<str>,
    /// What is given for a signature of the bytes.
    pub(crate) signature: Option<String>,
}

impl Fetched {
    pub(crate) fn new(reference: &Reference, bytes: Vec<u8>, signature: Option<String>) -> Self {
        let digest = hex::encode(Sha256::digest(&bytes)).into();
        Self { label: reference.to_string().into(), bytes, digest, signature }
    }
}

/// A plugin could not be fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// The file cannot be read.
    #[error("failed to read plugin `{}`; the path is relative to the configuration file", path.display())]
    Read {
        /// The plugin's file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is too large.
    #[error("plugin `{}` has {size} bytes, more than the {} MiB that a plugin may have", path.display(), MAX_SIZE >> 20)]
    TooLarge {
        /// The plugin's file.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
    },
    /// The registry does not give it.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// There is no registry where a plugin is only tried.
    #[error("plugin `{0}` is of the registry, which is not asked here; name its file beside the handler")]
    NoRegistry(String),
}

impl FetchError {
    /// Whether it may be otherwise a moment later, without anybody deploying.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Registry(error) => !matches!(error, RegistryError::TooLarge { .. }),
            _ => false,
        }
    }
}

/// Everything that plugins can come from.
#[derive(Clone, Default)]
pub(crate) struct Sources {
    pub(crate) registry: Option<Registry>,
    /// What was fetched before.
    pub(crate) kept: Option<Arc<Kept>>,
}

impl Sources {
    /// The bytes that are meant; those of a version have its digest.
    pub(crate) async fn fetch(&self, reference: &Reference) -> Result<Fetched, FetchError> {
        let (name, digest) = match reference {
            Reference::File(path) => {
                let (bytes, signature) = (read(path).await?, read_signature(path).await);
                return Ok(Fetched::new(reference, bytes, signature));
            }
            Reference::Version(name, digest) => (name, digest),
        };
        if let Some((bytes, signature)) = self.kept.as_ref().and_then(|kept| kept.read(digest)) {
            return Ok(Fetched::new(reference, bytes, signature));
        }
        let registry = self.registry.as_ref().ok_or_else(|| FetchError::NoRegistry(reference.to_string()))?;
        let (bytes, signature) = registry.versions().await?.fetch(name, digest).await?;
        if let Some(kept) = &self.kept {
            kept.write(digest, &bytes, signature.as_deref());
        }
        Ok(Fetched::new(reference, bytes, signature))
    }
}

/// The size is looked at while it is read: a file may grow meanwhile, or have none that is told beforehand.
async fn read(path: &Path) -> Result<Vec<u8>, FetchError> {
    let failed = |source| FetchError::Read { path: path.to_owned(), source };
    let file = tokio::fs::File::open(path).await.map_err(failed)?;
    let size = file.metadata().await.map_err(failed)?.len();
    let mut bytes = Vec::new();
    if size <= MAX_SIZE {
        file.take(MAX_SIZE + 1).read_to_end(&mut bytes).await.map_err(failed)?;
    }
    let size = size.max(bytes.len() as u64);
    if size > MAX_SIZE {
        return Err(FetchError::TooLarge { path: path.to_owned(), size });
    }
    Ok(bytes)
}

/// Whether it is needed is for others to say.
async fn read_signature(path: &Path) -> Option<String> {
    tokio::fs::read_to_string(signature_file(path)).await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_that_is_too_large_is_refused_without_being_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large.wasm");
        std::fs::File::create(&path).unwrap().set_len(MAX_SIZE + 1).unwrap();
        let error = Sources::default().fetch(&Reference::File(path)).await.err().unwrap().to_string();
        assert!(error.contains("has 67108865 bytes, more than the 64 MiB"), "{error}");
    }

    #[tokio::test]
    async fn a_version_without_a_registry_is_refused_with_what_to_do() {
        let version = Reference::Version("greeter".parse().unwrap(), "00".repeat(32));
        let error = Sources::default().fetch(&version).await.err().unwrap().to_string();
        assert!(error.contains("name its file beside the handler"), "{error}");
    }
}
