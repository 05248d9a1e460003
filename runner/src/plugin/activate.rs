//! From bytes to a generation: each step can refuse, and a refusal leaves what serves now in place.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;
use wasmtime::component::{Component, Linker};

use super::{CallLimits, Generation, Grants};
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
    /// The file is a core module.
    #[error(
        "plugin `{}` is a core wasm module and not a component; build it for wasm32-wasip2 against wit/", .0.display()
    )]
    CoreModule(PathBuf),
    /// The file is not a component that compiles.
    #[error("plugin `{}` is not a valid wasm component", path.display())]
    Compile {
        /// The plugin's file.
        path: PathBuf,
        /// Why.
        #[source]
        source: wasmtime::Error,
    },
    /// The component does not fit the world.
    #[error("plugin `{}` does not fit the world `roomwire:plugin/plugin@0.1.0`", path.display())]
    World {
        /// The plugin's file.
        path: PathBuf,
        /// What is missing or differs.
        #[source]
        source: wasmtime::Error,
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
        let bytes = read(path).await?;
        let digest: Arc<str> = hex::encode(Sha256::digest(&bytes)).into();
        let pre = {
            let _one = self.one.lock().await;
            let (this, path) = (self.clone(), path.to_owned());
            let stopped = path.clone();
            tokio::task::spawn_blocking(move || this.compile(&path, &bytes))
                .await
                .map_err(|_| ActivateError::Stopped(stopped))??
        };
        Ok(Generation { pre, digest, grants, limits })
    }

    fn compile(&self, path: &Path, bytes: &[u8]) -> Result<PluginPre<Host>, ActivateError> {
        if wasmtime::Engine::detect_precompiled(bytes).is_some() {
            return Err(ActivateError::Precompiled(path.to_owned()));
        }
        // Bytes 4 to 8 are the version: 1 is a core module, the others are layers of the component model.
        if bytes.starts_with(b"\0asm\x01\0\0\0") {
            return Err(ActivateError::CoreModule(path.to_owned()));
        }
        let component = Component::new(&self.engine.wasm, bytes)
            .map_err(|source| ActivateError::Compile { path: path.to_owned(), source })?;
        self.linker
            .instantiate_pre(&component)
            .and_then(PluginPre::new)
            .map_err(|source| ActivateError::World { path: path.to_owned(), source })
    }
}

async fn read(path: &Path) -> Result<Vec<u8>, ActivateError> {
    let read = |source| ActivateError::Read { path: path.to_owned(), source };
    let size = tokio::fs::metadata(path).await.map_err(read)?.len();
    if size > MAX_SIZE {
        return Err(ActivateError::TooLarge { path: path.to_owned(), size });
    }
    tokio::fs::read(path).await.map_err(read)
}
