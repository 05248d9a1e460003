//! Handlers with the same plugin have one copy of its code: it is loaded once, its instances are one another's warm places, and
//! it goes with the last handler that has it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::Linked;

/// What handlers have now, by the SHA-256 of the file in hex. Whether a file is trusted is not known here: that is judged
/// before each look.
#[derive(Default)]
pub(super) struct Loaded(Mutex<HashMap<Arc<str>, Weak<Linked>>>);

impl Loaded {
    /// What somebody has of this file.
    pub(super) fn get(&self, digest: &str) -> Option<Arc<Linked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(digest)?.upgrade()
    }

    /// What is to be had of a file from now on, for as long as somebody has it: this, or what somebody else was quicker with.
    pub(super) fn put(&self, digest: &Arc<str>, linked: Linked) -> Arc<Linked> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, linked| linked.strong_count() > 0);
        known.get(digest).and_then(Weak::upgrade).unwrap_or_else(|| {
            let linked = Arc::new(linked);
            known.insert(digest.clone(), Arc::downgrade(&linked));
            linked
        })
    }
}
