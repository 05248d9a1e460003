//! The keys of a plugin that is tried: an empty store that goes with the workbench, and under it what a trial says is there.

use std::path::PathBuf;
use std::sync::Arc;

use store::{Keyvalue, Report, Store, Write};

use super::{PluginError, Trial};
use crate::host::{Access, Uncommitted};
use crate::plugin::Grants;

/// A change of a key that would have been committed with the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The new value; none removes the key.
    pub value: Option<Vec<u8>>,
}

/// A state store of nobody's, in a folder that goes with it.
pub(super) struct Scratch {
    store: Store,
    _folder: Folder,
}

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays is in the system's folder for such files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Scratch {
    pub(super) async fn new() -> Result<Self, PluginError> {
        // A name that nobody can guess, so that nobody else has made it.
        let folder = std::env::temp_dir().join(format!("roomwire-keys-{:016x}", store::new_stamp()));
        std::fs::create_dir(&folder).map_err(PluginError::KeysFolder)?;
        let folder = Folder(folder);
        let url = format!("sqlite:{}", folder.0.join("keys.db").display());
        let store = Store::open(&url, &event::Prefix::default()).await.map_err(PluginError::Keys)?;
        Ok(Self { store, _folder: folder })
    }

    /// What a call sees, for as long as the report is there.
    pub(super) fn access(&self, trial: &Trial, handler: &str, grants: &Grants) -> (Access, Arc<Report>) {
        let space: Arc<str> = trial.space().into();
        let writes = trial.keys().filter_map(|(bucket, key, value)| {
            let spot = grants.keyvalue.get(bucket)?.spot(&space, key);
            Some(Write { spot, value: Some(value.to_owned().into()), ttl_ms: None })
        });
        let keyvalue = Keyvalue { stamp: store::new_stamp(), writes: writes.collect(), ..Keyvalue::default() };
        let report = Arc::new(Report { keyvalue, ..Report::default() });
        let uncommitted = Arc::new(Uncommitted::default());
        // Nothing is there yet that it could contradict.
        uncommitted.add(&report);
        let (store, handler) = (self.store.clone(), handler.into());
        (Access { store, uncommitted, handler, run: "trial".into(), space }, report)
    }
}

/// What a call changed, by bucket and key.
pub(super) fn changed(keyvalue: Keyvalue) -> Vec<Changed> {
    let mut writes = keyvalue.writes;
    writes.sort_by(|a, b| a.spot.cmp(&b.spot));
    let change = |Write { spot, value, .. }| Changed {
        bucket: spot.bucket.name.to_string(),
        key: spot.key.to_string(),
        value: value.map(Vec::from),
    };
    writes.into_iter().map(change).collect()
}
