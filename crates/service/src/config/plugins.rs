//! `plugins`: what holds for the plugins of all handlers.

use super::node::Node;
use super::problem::{Place, Problems, Refused};
use super::section::{Keys, Section};
use super::value;

const KEYS: Keys = Keys { of: "`plugins`", known: &["trusted_keys"], later: &[] };

/// What holds for the plugins of all handlers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PluginsSection {
    /// With any of these, only plugins that one of them has signed are run.
    pub trusted_keys: Vec<TrustedKey>,
}

/// A public key of minisign, as its tool writes it, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedKey {
    /// The key in base64.
    pub text: String,
    /// Where it stands in the file.
    pub place: Place,
}

impl PluginsSection {
    pub(crate) fn decode(node: &Node, problems: &mut Problems) -> Self {
        let section = Section::open(node, KEYS, problems);
        let mut decoded = Self::default();
        section.set("trusted_keys", &mut decoded.trusted_keys, problems, trusted_keys);
        decoded
    }
}

/// An empty list would look like a protection and be none.
fn trusted_keys(node: &Node) -> Result<Vec<TrustedKey>, Refused> {
    let items = value::items(node)?;
    if items.is_empty() {
        let hint = "name the public keys that may sign plugins, or remove `trusted_keys`, so that none need be signed";
        return Err(Refused::new("is an empty list", hint));
    }
    items.iter().map(|item| Ok(TrustedKey { text: value::filled(item)?, place: item.place })).collect()
}
