//! From bytes to a generation: each step can refuse, and a refusal leaves what serves now in place.

use std::sync::Arc;

use tokio::sync::Mutex;
use wasmtime::component::{Component, Linker};
use wasmtime_wasi::p2::bindings::CommandPre;

use super::cache::Cache;
use super::contract::{self, Contract, NoCommand};
use super::loaded::Loaded;
use super::signature::{Trust, Untrusted};
use super::source::{FetchError, Fetched};
use super::{CallLimits, Entry, Generation, Grants, Linked, Shape};
use crate::bindings::PluginPre;
use crate::engine::Engine;
use crate::host::{self, Host};
use crate::invoke;

/// A plugin was refused. In each, `plugin` is what it is called: a file, or a version of the registry.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ActivateError {
    /// There are no bytes to judge.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// What is deployed is not what the configuration names.
    #[error(
        "what is deployed is `{plugin}`, and the configuration gives the handler `plugin: {wanted}`; deploy a version of that"
    )]
    Another {
        plugin: Arc<str>,
        /// The name in the configuration.
        wanted: String,
    },
    /// Nobody who is trusted signed it.
    #[error("plugin `{plugin}` is not trusted")]
    Untrusted {
        plugin: Arc<str>,
        /// Why.
        #[source]
        source: Untrusted,
    },
    /// The file is machine code.
    #[error("plugin `{0}` is precompiled machine code, which is never run; give the .wasm component")]
    Precompiled(Arc<str>),
    /// The file is a core module that is no command.
    #[error("plugin `{plugin}` is a core wasm module that is no command")]
    CoreModule {
        plugin: Arc<str>,
        /// What it lacks.
        #[source]
        source: NoCommand,
    },
    /// The file is not a component that compiles.
    #[error("plugin `{plugin}` is not a valid wasm component")]
    Compile {
        plugin: Arc<str>,
        /// Why.
        #[source]
        source: wasmtime::Error,
    },
    /// The component fits neither contract, by the names of what it imports and exports.
    #[error("plugin `{plugin}` does not fit the world `roomwire:plugin/plugin@0.1.0`: {}", differences.join("; "))]
    Names {
        plugin: Arc<str>,
        /// What is missing or too much, in words.
        differences: Vec<String>,
    },
    /// The component does not fit the world, by the types of what it imports and exports.
    #[error("plugin `{plugin}` does not fit the world `roomwire:plugin/plugin@0.1.0`")]
    World {
        plugin: Arc<str>,
        /// What is missing or differs.
        #[source]
        source: wasmtime::Error,
    },
    /// A command's config cannot be its environment.
    #[error(
        "plugin `{plugin}` is a command, whose environment cannot have a variable named {key:?}; rename the key in `config`"
    )]
    Environment {
        plugin: Arc<str>,
        /// The key of the handler's `config`.
        key: String,
    },
    /// Only a program has a stdin to find keys on.
    #[error(
        "plugin `{0}` is a component, which has no stdin: remove `stdin_keys` from the handler, and let the plugin read its keys \
         itself, by wasi:keyvalue"
    )]
    StdinKeys(Arc<str>),
    /// The plugin's own `check` said no, or broke.
    #[error("plugin `{plugin}` refused its configuration: {reason}")]
    Check {
        plugin: Arc<str>,
        /// In the plugin's words.
        reason: String,
    },
    /// The compiler broke.
    #[error("failed to compile plugin `{0}`: the compiler stopped")]
    Stopped(Arc<str>),
}

/// A plugin's file, ready to be granted something.
pub(crate) struct Compiled {
    pub(crate) linked: Arc<Linked>,
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
    trust: Arc<Trust>,
    cache: Option<Arc<Cache>>,
    loaded: Arc<Loaded>,
}

impl Activator {
    /// One that trusts everybody and compiles everything.
    pub(crate) fn new(engine: Engine) -> wasmtime::Result<Self> {
        let linker = Arc::new(host::linker(&engine.wasm)?);
        let (one, trust, loaded) = (Arc::default(), Arc::default(), Arc::default());
        Ok(Self { engine, linker, one, trust, cache: None, loaded })
    }

    /// With those who may sign plugins, and with what was compiled before.
    pub(crate) fn with(self, trust: Trust, cache: Option<Cache>) -> Self {
        Self { trust: trust.into(), cache: cache.map(Arc::new), ..self }
    }

    /// Judges, compiles, links and checks a plugin.
    pub(crate) async fn activate(
        &self,
        fetched: Fetched,
        grants: Arc<Grants>,
        limits: CallLimits,
    ) -> Result<Generation, ActivateError> {
        let plugin = fetched.label.clone();
        let generation = self.prepare(fetched, grants, limits).await?;
        invoke::check(&self.engine, &generation).await.map_err(|reason| ActivateError::Check { plugin, reason })?;
        Ok(generation)
    }

    /// All but the check: nothing of the plugin has run yet.
    pub(crate) async fn prepare(
        &self,
        fetched: Fetched,
        grants: Arc<Grants>,
        limits: CallLimits,
    ) -> Result<Generation, ActivateError> {
        let plugin = fetched.label.clone();
        let Compiled { linked, digest, .. } = self.load(fetched).await?;
        if let (Entry::Command(_), Some(key)) = (&linked.entry, grants.config.keys().find(|key| !is_variable(key))) {
            return Err(ActivateError::Environment { plugin, key: key.clone() });
        }
        if matches!(linked.entry, Entry::Component(_)) && !grants.stdin_keys.is_empty() {
            return Err(ActivateError::StdinKeys(plugin));
        }
        Ok(Generation { linked, digest, grants, limits })
    }

    /// Judges, compiles and links a plugin, or takes what another handler has of it.
    pub(crate) async fn load(&self, fetched: Fetched) -> Result<Compiled, ActivateError> {
        let Fetched { label, bytes, digest, signature } = fetched;
        let size = bytes.len();
        let wasm = self.aside(&label, move |this, label| this.judge(label, &bytes, signature.as_deref())).await?;
        let linked = match self.loaded.get(&digest) {
            Some(linked) => linked,
            None => self.make(&label, &digest, wasm).await?,
        };
        Ok(Compiled { linked, digest, size })
    }

    async fn make(&self, label: &Arc<str>, digest: &Arc<str>, wasm: Arc<[u8]>) -> Result<Arc<Linked>, ActivateError> {
        let known = wasm.clone();
        let cached = self.aside(label, move |this, _| Ok(this.cached(&known))).await?;
        if let Some(component) = cached {
            let linked = self.aside(label, move |this, label| this.link(label, &component)).await?;
            return Ok(self.loaded.put(digest, linked));
        }
        let _one = self.one.lock().await;
        // Whoever was before may have made it.
        if let Some(linked) = self.loaded.get(digest) {
            return Ok(linked);
        }
        let compiling = move |this: &Self, label: &Arc<str>| this.link(label, &this.compile(label, &wasm)?);
        Ok(self.loaded.put(digest, self.aside(label, compiling).await?))
    }

    /// Off the threads that serve; what panics is a refusal.
    async fn aside<T: Send + 'static>(
        &self,
        plugin: &Arc<str>,
        work: impl FnOnce(&Self, &Arc<str>) -> Result<T, ActivateError> + Send + 'static,
    ) -> Result<T, ActivateError> {
        let (this, label) = (self.clone(), plugin.clone());
        let done = tokio::task::spawn_blocking(move || work(&this, &label)).await;
        done.unwrap_or_else(|_| Err(ActivateError::Stopped(plugin.clone())))
    }

    fn cached(&self, wasm: &[u8]) -> Option<Component> {
        self.cache.as_ref()?.get(&self.engine.wasm, wasm)
    }

    /// What can be said before anything is compiled; the component that is to be.
    fn judge(&self, plugin: &Arc<str>, bytes: &[u8], signature: Option<&str>) -> Result<Arc<[u8]>, ActivateError> {
        let plugin = || plugin.clone();
        self.trust.judge(bytes, signature).map_err(|source| ActivateError::Untrusted { plugin: plugin(), source })?;
        if wasmtime::Engine::detect_precompiled(bytes).is_some() {
            return Err(ActivateError::Precompiled(plugin()));
        }
        let wrapped =
            contract::component(bytes).map_err(|source| ActivateError::CoreModule { plugin: plugin(), source })?;
        Ok(wrapped.into_owned().into())
    }

    fn compile(&self, plugin: &Arc<str>, wasm: &[u8]) -> Result<Component, ActivateError> {
        let component = Component::new(&self.engine.wasm, wasm)
            .map_err(|source| ActivateError::Compile { plugin: plugin.clone(), source })?;
        if let Some(cache) = &self.cache {
            cache.put(wasm, &component);
        }
        Ok(component)
    }

    fn link(&self, plugin: &Arc<str>, component: &Component) -> Result<Linked, ActivateError> {
        let shape = Shape::of(component, &self.engine.wasm);
        let differences = shape.differences();
        let (Some(contract), []) = (shape.contract(), differences.as_slice()) else {
            return Err(ActivateError::Names { plugin: plugin.clone(), differences });
        };
        let linked = self.linker.instantiate_pre(component).and_then(|linked| match contract {
            Contract::Component => PluginPre::new(linked).map(Entry::Component),
            Contract::Command => CommandPre::new(linked).map(Entry::Command),
        });
        match linked {
            Ok(entry) => Ok(Linked { entry, shape }),
            Err(source) => Err(ActivateError::World { plugin: plugin.clone(), source }),
        }
    }
}

/// Whether a key can be the name of an environment variable, in which a program finds the value of the key.
fn is_variable(key: &str) -> bool {
    !key.is_empty() && !key.contains(['=', '\0'])
}
