//! The contract between the receiver, the runner and everything that reads Roomwire's streams: names, the ordering key
//! and its shard, subjects, headers, and which streams exist.
//!
//! Pure data and functions: no I/O, no async, no clock.

mod body_hash;
pub mod envelope;
pub mod header;
mod name;
pub mod ordering_key;
pub mod quarantine;
pub mod shard;
pub mod subject;
pub mod topology;

pub use body_hash::BodyHash;
pub use envelope::{DecodeError, Envelope};
pub use name::{EventId, HandlerName, NameError, PluginName, Prefix, Project};
pub use ordering_key::OrderingKey;
