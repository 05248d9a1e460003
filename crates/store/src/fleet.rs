//! The runners that share a store.

use std::{collections::BTreeMap, time::Duration};

use lanes::Shard;

/// A runner, as it tells the others of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// A name that no other start of a process has.
    pub name: String,
    /// The handlers that it runs, with the number of shards that each of them reads.
    pub handlers: BTreeMap<String, u16>,
}

/// What a runner knows of all after it has told of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fleet {
    /// The runners that live, by name; the asker is one of them.
    pub members: Vec<Member>,
    /// What somebody owns in the live run: handler and shard, and the owner's name.
    pub taken: BTreeMap<(String, Shard), String>,
    /// When the first lease of another runner runs out, unless that renews it.
    pub runs_out_in: Option<Duration>,
    /// Runners that were found dead just now: what they owned is free.
    pub buried: Vec<String>,
}
