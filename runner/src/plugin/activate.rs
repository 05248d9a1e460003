//! From bytes to a generation: each step can refuse, and a refusal leaves what serves now in place.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;
use wasmtime::component::{Component, Linker};
use wasmtime_wasi::p2::bindings::CommandPre;

use super::contract::{self, Contract, NoCommand};
use super::{CallLimits, Entry, Generation, Grants, Shape};
use crate::bindings::PluginPre;
use crate::engine::Engine;
use crate::host::{self, Host};
use crate::invoke;

/// Bytes of a plugin's file.
const MAX_SIZE: u64 = 64 << 20;

/// A plugin was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ActivateError {
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
    /// The file is machine code.
    #[error("plugin `{}` is precompiled machine code, which is never run; give the .wasm component", .0.display())]
    Precompiled(PathBuf),
    /// The file is a core module that is no command.
    #[error("plugin `{}` is a core wasm module that is no command", path.display())]
    CoreModule {
        /// The plugin's file.
        path: PathBuf,
        /// What it lacks.
        #[source]
        source: NoCommand,
    },
    /// The file is not a component that compiles.
    #[error("plugin `{}` is not a valid wasm component", path.display())]
    Compile {
        /// The plugin's file.
        path: PathBuf,
        /// Why.
        #[source]
        source: wasmtime::Error,
    },
    /// The component fits neither contract, by the names of what it imports and exports.
    #[error("plugin `{}` does not fit the world `roomwire:plugin/plugin@0.1.0`: {}", path.display(), differences.join("; "))]
    Names {
        /// The plugin's file.
        path: PathBuf,
        /// What is missing or too much, in words.
        differences: Vec<String>,
    },
    /// The component does not fit the world, by the types of what it imports and exports.
    #[error("plugin `{}` does not fit the world `roomwire:plugin/plugin@0.1.0`", path.display())]
    World {
        /// The plugin's file.
        path: PathBuf,
        /// What is missing or differs.
        #[source]
        source: wasmtime::Error,
    },
    /// A command's config cannot be its environment.
    #[error("plugin `{}` is a command, whose environment cannot have a variable named {key:?}; rename the key in `config`", path.display())]
    Environment {
        /// The plugin's file.
        path: PathBuf,
        /// The key of the handler's `config`.
        key: String,
    },
    /// The plugin's own `check` said no, or broke.
    #[error("plugin `{}` refused its configuration: {reason}", path.display())]
    Check {
        /// The plugin's file.
        path: PathBuf,
        /// In the plugin's words.
        reason: String,
    },
    /// The compiler broke.
    #[error("failed to compile plugin `{}`: the compiler stopped", .0.display())]
    Stopped(PathBuf),
}

/// A plugin's file, ready to be granted something.
pub(crate) struct Compiled {
    pub(crate) entry: Entry,
    pub(crate) shape: Shape,
    /// SHA-256 of the file, in hex.
    pub(crate) digest: Arc<str>,
    /// Bytes of the file.
    pub(crate) size: usize,
}

/// Makes generations. Compiling takes much memory, so one plugin is compiled at a time.
#[derive(Clone)]
pub(crate) struct Activator {
    engine: Engine,
    linker: Arc<Linker<Host>>,
    one: Arc<Mutex<()>>,
}

impl Activator {
    pub(crate) fn new(engine: Engine) -> wasmtime::Result<Self> {
        let linker = Arc::new(host::linker(&engine.wasm)?);
        Ok(Self { engine, linker, one: Arc::default() })
    }

    /// Reads, judges, compiles, links and checks a plugin.
    pub(crate) async fn activate(
        &self,
        path: &Path,
        grants: Arc<Grants>,
        limits: CallLimits,
    ) -> Result<Generation, ActivateError> {
        let generation = self.prepare(path, grants, limits).await?;
        invoke::check(&self.engine, &generation)
            .await
            .map_err(|reason| ActivateError::Check { path: path.to_owned(), reason })?;
        Ok(generation)
    }

    /// All but the check: nothing of the plugin has run yet.
    pub(crate) async fn prepare(
        &self,
        path: &Path,
        grants: Arc<Grants>,
        limits: CallLimits,
    ) -> Result<Generation, ActivateError> {
        let Compiled { entry, digest, .. } = self.load(path).await?;
        if let (Entry::Command(_), Some(key)) = (&entry, grants.config.keys().find(|key| !is_variable(key))) {
            return Err(ActivateError::Environment { path: path.to_owned(), key: key.clone() });
        }
        Ok(Generation { entry, digest, grants, limits })
    }

    /// Reads, judges, compiles and links a plugin.
    pub(crate) async fn load(&self, path: &Path) -> Result<Compiled, ActivateError> {
        let bytes = read(path).await?;
        let _one = self.one.lock().await;
        let (this, path) = (self.clone(), path.to_owned());
        let stopped = path.clone();
        tokio::task::spawn_blocking(move || this.compile(&path, &bytes))
            .await
            .map_err(|_| ActivateError::Stopped(stopped))?
    }

    fn compile(&self, path: &Path, bytes: &[u8]) -> Result<Compiled, ActivateError> {
        if wasmtime::Engine::detect_precompiled(bytes).is_some() {
            return Err(ActivateError::Precompiled(path.to_owned()));
        }
        let wrapped =
            contract::component(bytes).map_err(|source| ActivateError::CoreModule { path: path.to_owned(), source })?;
        let component = Component::new(&self.engine.wasm, &wrapped)
            .map_err(|source| ActivateError::Compile { path: path.to_owned(), source })?;
        let shape = Shape::of(&component, &self.engine.wasm);
        let entry = self.link(path, &component, &shape)?;
        Ok(Compiled { entry, shape, digest: hex::encode(Sha256::digest(bytes)).into(), size: bytes.len() })
    }

    fn link(&self, path: &Path, component: &Component, shape: &Shape) -> Result<Entry, ActivateError> {
        let differences = shape.differences();
        let (Some(contract), []) = (shape.contract(), differences.as_slice()) else {
            return Err(ActivateError::Names { path: path.to_owned(), differences });
        };
        let linked = self.linker.instantiate_pre(component).and_then(|linked| match contract {
            Contract::Component => PluginPre::new(linked).map(Entry::Component),
            Contract::Command => CommandPre::new(linked).map(Entry::Command),
        });
        linked.map_err(|source| ActivateError::World { path: path.to_owned(), source })
    }
}

/// Whether a key can be the name of an environment variable, in which a program finds the value of the key.
fn is_variable(key: &str) -> bool {
    !key.is_empty() && !key.contains(['=', '\0'])
}

async fn read(path: &Path) -> Result<Vec<u8>, ActivateError> {
    let read = |source| ActivateError::Read { path: path.to_owned(), source };
    let size = tokio::fs::metadata(path).await.map_err(read)?.len();
    if size > MAX_SIZE {
        return Err(ActivateError::TooLarge { path: path.to_owned(), size });
    }
    tokio::fs::read(path).await.map_err(read)
}
