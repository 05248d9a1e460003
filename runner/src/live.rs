//! The handlers that are configured now, for all who work with all of them. The set changes whole.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::config::Handler;
use crate::host::Mask;
use crate::outbox::Sender;
use crate::plugin::Grants;

/// A handler and what it may do.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) config: Arc<Handler>,
    pub(crate) grants: Arc<Grants>,
}

impl Entry {
    pub(crate) fn name(&self) -> &str {
        self.config.name.as_str()
    }

    /// How the requests that the handler leaves behind are sent.
    fn sender(&self) -> Sender {
        Sender {
            client: self.grants.http.clone(),
            sign: self.grants.sign.clone(),
            timeout: self.config.send.timeout,
            on_unknown: self.config.send.on_unknown,
            mask: self.grants.mask.clone(),
            outgoing: self.grants.outgoing.clone(),
        }
    }

    /// Whether what it was granted by name is the same text as before.
    pub(crate) fn is_granted_the_same(&self, before: &Self) -> bool {
        let (now, then) = (&self.grants, &before.grants);
        now.secrets == then.secrets && now.sign == then.sign
    }
}

/// The configured handlers.
#[derive(Default)]
pub(crate) struct Set {
    entries: Vec<Entry>,
    senders: HashMap<Arc<str>, Sender>,
    /// Also those of handlers that are gone: what they left may still be listed.
    masks: HashMap<Arc<str>, Arc<Mask>>,
    /// A handler may leave requests behind.
    pub(crate) may_send: bool,
}

impl Set {
    /// The configurations, in the order of the file.
    pub(crate) fn configs(&self) -> impl Iterator<Item = &Arc<Handler>> {
        self.entries.iter().map(|entry| &entry.config)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name() == name)
    }

    /// How the requests of a handler are sent; none for one that is not configured.
    pub(crate) fn sender(&self, name: &str) -> Option<&Sender> {
        self.senders.get(name)
    }

    /// Keeps the secrets of a handler out of what operators see.
    pub(crate) fn mask(&self, name: &str) -> Option<&Arc<Mask>> {
        self.masks.get(name)
    }
}

/// A handle on the set of now.
#[derive(Clone, Default)]
pub(crate) struct Live {
    set: Arc<ArcSwap<Set>>,
}

impl Live {
    /// The set of now; it stays what it is for whoever holds it.
    pub(crate) fn now(&self) -> Arc<Set> {
        self.set.load_full()
    }

    /// From now on these are configured.
    pub(crate) fn replace(&self, entries: Vec<Entry>) {
        let named = |entry: &Entry| -> Arc<str> { entry.name().into() };
        let mut masks = self.now().masks.clone();
        masks.extend(entries.iter().map(|entry| (named(entry), entry.grants.mask.clone())));
        let senders = entries.iter().map(|entry| (named(entry), entry.sender())).collect();
        let may_send = entries.iter().any(|entry| !entry.config.allow.http.is_empty());
        self.set.store(Arc::new(Set { entries, senders, masks, may_send }));
    }
}
