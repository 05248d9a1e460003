//! The plugin lifetime: a component that was judged, compiled and linked once, and what it is granted.
//!
//! A [`Generation`] never changes. A new version makes a new one; invocations that began on the old one end on it.

pub(crate) mod activate;
pub(crate) mod cache;
mod contract;
pub(crate) mod feed;
pub(crate) mod follow;
mod grants;
pub(crate) mod kept;
mod loaded;
mod shape;
pub(crate) mod signature;
pub(crate) mod source;
pub(crate) mod watch;

pub(crate) use contract::{Contract, EXIT, EXIT_WITH_CODE};
pub use contract::{FinishError, finish};
pub use grants::GranterError;
pub(crate) use grants::{Granter, Grants};
pub(crate) use shape::Shape;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use wasmtime_wasi::p2::bindings::CommandPre;

use crate::bindings::PluginPre;
use crate::host::Host;

/// Bytes that a plugin may have.
pub(crate) const MAX_SIZE: u64 = 64 << 20;

/// The limits of one invocation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallLimits {
    /// Bytes of memory.
    pub(crate) memory: u64,
    /// From the call to its end.
    pub(crate) timeout: Duration,
}

/// What is called, by the contract that the plugin is written for.
pub(crate) enum Entry {
    /// `handle` and `check` of the world `plugin`.
    Component(PluginPre<Host>),
    /// A program: one run for each event.
    Command(CommandPre<Host>),
}

/// A plugin's code, which handlers with the same file have in common.
pub(crate) struct Linked {
    pub(crate) entry: Entry,
    pub(crate) shape: Shape,
}

/// One version of a handler's plugin, ready to run.
pub(crate) struct Generation {
    pub(crate) linked: Arc<Linked>,
    /// SHA-256 of the file, in hex.
    pub(crate) digest: Arc<str>,
    pub(crate) grants: Arc<Grants>,
    pub(crate) limits: CallLimits,
}

/// The plugin of a handler: the generation that serves now.
#[derive(Clone)]
pub(crate) struct Plugin {
    current: Arc<ArcSwap<Generation>>,
}

impl Plugin {
    pub(crate) fn new(first: Generation) -> Self {
        Self { current: Arc::new(ArcSwap::from_pointee(first)) }
    }

    /// The generation that serves now; the caller may keep it to the end of its invocation.
    pub(crate) fn current(&self) -> Arc<Generation> {
        self.current.load_full()
    }

    pub(crate) fn swap(&self, next: Generation) {
        self.current.store(Arc::new(next));
    }
}
