//! The versions of plugins, by name and digest, in an object store.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use async_nats::jetstream::object_store::{
    self, DeleteErrorKind, GetErrorKind, InfoErrorKind, ObjectInfo, ObjectMetadata, ObjectStore,
};
use event::PluginName;
use futures_util::StreamExt as _;
use service::config::DigestPrefix;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;

use super::{RegistryError, within};
use crate::invoke::unix_ms;
use crate::plugin::MAX_SIZE;

/// How long the registry may send nothing of an object.
const SILENCE: Duration = Duration::from_secs(10);

/// Names of what is kept about a version.
const CONTRACT: &str = "contract";
const PUSHED_AT: &str = "pushed_at_ms";
const PUSHED_BY: &str = "pushed_by";
const SIGNATURE: &str = "minisign";

/// A version in the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Name of the plugin.
    pub name: PluginName,
    /// Its SHA-256, in hex.
    pub digest: String,
    /// Bytes of its file.
    pub size: u64,
    /// `component` or `command`.
    pub contract: String,
    /// When it was pushed, in milliseconds since the Unix epoch.
    pub pushed_at_ms: u64,
    /// By whom, as far as is known.
    pub pushed_by: String,
    /// The signature of its file, as minisign writes it.
    pub signature: Option<String>,
}

impl Version {
    /// As commands and configurations name it.
    #[must_use]
    pub fn reference(&self) -> String {
        reference(&self.name, &self.digest)
    }

    fn of(info: &ObjectInfo) -> Option<Self> {
        let (name, digest) = info.name.split_once('@')?;
        let digest: DigestPrefix = digest.parse().ok()?;
        let text = |key: &str| info.metadata.get(key).cloned();
        Some(Self {
            name: name.parse().ok()?,
            digest: digest.whole()?.to_owned(),
            size: info.size as u64,
            contract: text(CONTRACT).unwrap_or_default(),
            pushed_at_ms: text(PUSHED_AT).and_then(|ms| ms.parse().ok()).unwrap_or_default(),
            pushed_by: text(PUSHED_BY).unwrap_or_default(),
            signature: text(SIGNATURE),
        })
    }
}

pub(crate) fn reference(name: &PluginName, digest: &str) -> String {
    format!("{name}@sha256:{digest}")
}

/// A file that is to be a version.
#[derive(Debug, Clone)]
pub struct NewVersion {
    /// Name of the plugin.
    pub name: PluginName,
    /// Its file.
    pub bytes: Vec<u8>,
    /// `component` or `command`.
    pub contract: String,
    /// Who pushes.
    pub by: String,
    /// The signature of the file, as minisign writes it.
    pub signature: Option<String>,
}

/// What came of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// What is in the registry now.
    pub version: Version,
    /// It was there already, with the same signature.
    pub known: bool,
}

/// The object store.
#[derive(Clone)]
pub struct Versions {
    objects: ObjectStore,
}

impl Versions {
    pub(super) fn new(objects: ObjectStore) -> Self {
        Self { objects }
    }

    /// All versions, by name, the newest first.
    ///
    /// # Errors
    /// When NATS does not answer.
    pub async fn list(&self) -> Result<Vec<Version>, RegistryError> {
        let reading = async {
            let mut list = self.objects.list().await?;
            let mut versions = Vec::new();
            while let Some(info) = list.next().await {
                versions.extend(Version::of(&info?));
            }
            Ok::<_, async_nats::Error>(versions)
        };
        let mut versions = within("list the plugins", reading).await?;
        versions.sort_by(|one, other| {
            one.name
                .cmp(&other.name)
                .then(other.pushed_at_ms.cmp(&one.pushed_at_ms))
                .then(one.digest.cmp(&other.digest))
        });
        Ok(versions)
    }

    /// The version whose digest begins so; the one that was pushed last, where no digest is given.
    ///
    /// # Errors
    /// When there is none, or more than one, or NATS does not answer.
    pub async fn find(&self, name: &PluginName, digest: Option<&DigestPrefix>) -> Result<Version, RegistryError> {
        if let Some(whole) = digest.and_then(DigestPrefix::whole) {
            return self.version(name, whole).await;
        }
        let of_name = self.list().await?.into_iter().filter(|version| version.name == *name);
        let mut found: Vec<Version> =
            of_name.filter(|version| digest.is_none_or(|digest| digest.matches(&version.digest))).collect();
        let wanted = digest.map_or_else(|| name.to_string(), |digest| format!("{name}@sha256:{digest}"));
        if found.is_empty() {
            return Err(RegistryError::NotFound(wanted));
        }
        if digest.is_some() && found.len() > 1 {
            return Err(RegistryError::Ambiguous { wanted, found: found.iter().map(Version::reference).collect() });
        }
        Ok(found.swap_remove(0))
    }

    async fn version(&self, name: &PluginName, digest: &str) -> Result<Version, RegistryError> {
        let missing = || RegistryError::NotFound(reference(name, digest));
        let looking = async {
            match self.objects.info(object(name, digest)).await {
                Err(error) if error.kind() == InfoErrorKind::NotFound => Ok(None),
                found => found.map(Some),
            }
        };
        let info = within("look a plugin up", looking).await?.filter(|info| !info.deleted).ok_or_else(missing)?;
        Version::of(&info).ok_or_else(missing)
    }

    /// The bytes of a version, which have this digest, and its signature.
    ///
    /// # Errors
    /// When it is not there, too large, or damaged, or NATS does not answer.
    pub async fn fetch(&self, name: &PluginName, digest: &str) -> Result<(Vec<u8>, Option<String>), RegistryError> {
        const DOING: &str = "fetch a plugin";
        let reference = reference(name, digest);
        let opening = async {
            match self.objects.get(object(name, digest)).await {
                Err(error) if error.kind() == GetErrorKind::NotFound => Ok(None),
                opened => opened.map(Some),
            }
        };
        let opened = within(DOING, opening).await?;
        let mut object = opened.ok_or_else(|| RegistryError::NotFound(reference.clone()))?;
        let too_large = |size: usize| RegistryError::TooLarge { plugin: reference.clone(), size: size as u64 };
        if object.info.size as u64 > MAX_SIZE {
            return Err(too_large(object.info.size));
        }
        let mut bytes = Vec::with_capacity(object.info.size);
        loop {
            let read = tokio::time::timeout(SILENCE, object.read_buf(&mut bytes)).await;
            match read.map_err(|elapsed| RegistryError::unreachable(DOING, elapsed))? {
                Ok(0) => break,
                Ok(_) if bytes.len() as u64 > MAX_SIZE => return Err(too_large(bytes.len())),
                Ok(_) => {}
                // The store's own digest is another one: a chunk is missing or was changed.
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    return Err(RegistryError::Damaged(reference));
                }
                Err(error) => return Err(RegistryError::unreachable(DOING, error)),
            }
        }
        // What the store says of itself proves nothing: the digest that was asked for does.
        if hex::encode(Sha256::digest(&bytes)) != digest {
            return Err(RegistryError::Damaged(reference));
        }
        Ok((bytes, object.info.metadata.get(SIGNATURE).cloned()))
    }

    /// Adds a version. One that is there already is left as it is, unless it is damaged or has another signature.
    ///
    /// # Errors
    /// When NATS does not answer, or refuses.
    pub async fn push(&self, new: NewVersion) -> Result<Pushed, RegistryError> {
        let digest = hex::encode(Sha256::digest(&new.bytes));
        if let Ok((_, signature)) = self.fetch(&new.name, &digest).await
            && (new.signature.is_none() || signature == new.signature)
        {
            return Ok(Pushed { version: self.version(&new.name, &digest).await?, known: true });
        }
        let mut metadata = HashMap::from([
            (CONTRACT.to_owned(), new.contract),
            (PUSHED_AT.to_owned(), unix_ms().to_string()),
            (PUSHED_BY.to_owned(), new.by),
        ]);
        metadata.extend(new.signature.map(|signature| (SIGNATURE.to_owned(), signature)));
        let meta = ObjectMetadata { name: object(&new.name, &digest), metadata, ..ObjectMetadata::default() };
        let put = self.objects.put(meta, &mut new.bytes.as_slice()).await;
        put.map_err(|error: object_store::PutError| RegistryError::unreachable("push a plugin", error))?;
        Ok(Pushed { version: self.version(&new.name, &digest).await?, known: false })
    }

    /// Removes a version.
    ///
    /// # Errors
    /// When there is none, or NATS does not answer.
    pub async fn remove(&self, version: &Version) -> Result<(), RegistryError> {
        match self.objects.delete(object(&version.name, &version.digest)).await {
            Err(error) if error.kind() == DeleteErrorKind::NotFound => {
                Err(RegistryError::NotFound(version.reference()))
            }
            done => done.map_err(|error| RegistryError::unreachable("remove a plugin", error)),
        }
    }
}

fn object(name: &PluginName, digest: &str) -> String {
    format!("{name}@{digest}")
}
