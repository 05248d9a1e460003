//! `privacy.drop`: which fields of a body are not stored.

use std::collections::BTreeSet;

use bytes::Bytes;
use event::BodyHash;
use livekit::drop_fields::{NotJson, drop_fields};
use livekit::token::sha256;

/// Which fields of a body are not stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Privacy {
    names: BTreeSet<String>,
}

/// What is left of a body, and the hash of all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// The body without the fields, otherwise byte for byte as it was.
    pub body: Bytes,
    /// Hash of the body as it was.
    pub sha256: BodyHash,
}

impl Privacy {
    /// Removes fields of these names, at any depth.
    pub fn new(names: impl IntoIterator<Item = String>) -> Privacy {
        Privacy { names: names.into_iter().collect() }
    }

    /// Whether any field is removed.
    #[must_use]
    pub fn drops(&self) -> bool {
        !self.names.is_empty()
    }

    /// What is stored instead of a body; none when it has none of the fields.
    ///
    /// # Errors
    /// When fields are to be removed and the body is not JSON, so that nobody can tell what it holds.
    pub fn without_dropped(&self, body: &Bytes) -> Result<Option<Left>, NotJson> {
        if !self.drops() {
            return Ok(None);
        }
        let left = drop_fields(body, &|name| self.names.contains(name))?;
        Ok(left.map(|left| Left { body: left.into(), sha256: sha256(body) }))
    }
}
