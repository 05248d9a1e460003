//! Key-value: what an invocation read and changed, as it goes into the commit that settles its event.
//!
//! Keys are a handler's: (handler, run, bucket, space, key). The space is an ordering key where the handler's lanes each
//! have keys of their own, and empty where they share them. Each value has a version, the stamp of the invocation that
//! wrote it, so that a commit can tell whether what was read still stands.

mod net;
mod read;

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use bytes::Bytes;
use lanes::Millis;

pub(crate) use net::{Current, Net, contended, in_vain};
pub use read::{Found, Usage};
pub(crate) use read::{ask_changes, ask_get, changes, found};

/// The version of a key that is not there.
pub const ABSENT: i64 = 0;

/// A bucket of a handler.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bucket {
    /// Its name.
    pub name: Arc<str>,
    /// Whether other lanes may change its keys while an invocation runs: what was read of it is then held against what
    /// stands when it is committed.
    pub contended: bool,
}

/// Where a value is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Spot {
    /// The bucket.
    pub bucket: Bucket,
    /// Whose key it is: one ordering key's, or everybody's where it is empty.
    pub space: Arc<str>,
    /// The key.
    pub key: Arc<str>,
}

/// What an invocation changed of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Where.
    pub spot: Spot,
    /// The value; none removes the key.
    pub value: Option<Bytes>,
    /// For how long from the commit on it is there; none is for ever.
    pub ttl_ms: Option<Millis>,
}

impl Write {
    /// The version of the key with it, written with this stamp.
    #[must_use]
    pub fn version(&self, stamp: i64) -> i64 {
        if self.value.is_some() { stamp } else { ABSENT }
    }
}

/// What an invocation leaves in the key-value store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keyvalue {
    /// The version of all that it wrote: no other invocation's, and 0 only where it wrote nothing.
    pub stamp: i64,
    /// The versions that it read in contended buckets.
    pub reads: Vec<(Spot, i64)>,
    /// Contended buckets of which it listed keys, with how often they had been changed then.
    pub lists: Vec<(Bucket, i64)>,
    /// What it changed: each key once.
    pub writes: Vec<Write>,
}

impl Keyvalue {
    /// Whether a commit has nothing to do for it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.reads.is_empty() && self.lists.is_empty() && self.writes.is_empty()
    }

    /// What it changed of a key, if it did.
    #[must_use]
    pub fn write(&self, spot: &Spot) -> Option<&Write> {
        self.writes.iter().find(|write| write.spot == *spot)
    }
}

/// A stamp that no invocation of any process has.
#[must_use]
pub fn new_stamp() -> i64 {
    use std::hash::{BuildHasher as _, RandomState};
    static NUMBER: AtomicI64 = AtomicI64::new(0);
    // The keys of the hasher are random: stamps of different processes meet as often as 63 random bits do.
    let hash = RandomState::new().hash_one((NUMBER.fetch_add(1, Ordering::Relaxed), std::process::id()));
    (hash >> 1).cast_signed().max(1)
}
