//! The keys that webhooks are verified with, replaced while the process runs.

mod reload;

use std::sync::Arc;

use livekit::token::Keys;
use tokio::sync::watch;

pub use reload::keep_reloaded;

/// The keys of now. Clones share them.
#[derive(Debug, Clone)]
pub struct Keyring(watch::Sender<Arc<Keys>>);

impl Keyring {
    /// The keys of now. A request is judged with one set of them, whatever happens meanwhile.
    #[must_use]
    pub fn current(&self) -> Arc<Keys> {
        self.0.borrow().clone()
    }

    /// From now on these are the keys.
    pub fn replace(&self, keys: Keys) {
        self.0.send_replace(Arc::new(keys));
    }
}

impl From<Keys> for Keyring {
    fn from(keys: Keys) -> Self {
        Self(watch::Sender::new(Arc::new(keys)))
    }
}
