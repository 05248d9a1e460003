//! `privacy`: which fields of an event are not stored.

use super::node::Node;
use super::problem::{Problems, Refused};
use super::section::{Keys, Section};
use super::value;

const KEYS: Keys = Keys { of: "`privacy`", known: &["drop"], later: &[] };

/// Without these an event cannot be told from another.
const NEEDED: [&str; 2] = ["id", "event"];

/// Which fields of an event are not stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrivacySection {
    /// Names of JSON fields that are removed at any depth before a body is stored.
    pub drop: Vec<String>,
}

impl PrivacySection {
    pub(crate) fn decode(node: &Node, problems: &mut Problems) -> Self {
        let section = Section::open(node, KEYS, problems);
        let mut decoded = Self::default();
        section.set("drop", &mut decoded.drop, problems, |node| value::items(node)?.iter().map(name).collect());
        decoded
    }
}

fn name(node: &Node) -> Result<String, Refused> {
    let text = value::filled(node)?;
    if NEEDED.contains(&text.as_str()) {
        return Err(Refused::new(
            format!("names `{text}`, without which an event cannot be told from another"),
            "remove it; name fields such as `turnPassword`, `streamKey` or `metadata`",
        ));
    }
    if text.contains('.') {
        return Err(Refused::new(
            format!("names `{text}`, which looks like a path"),
            "write the name of the field alone: it is removed at any depth",
        ));
    }
    Ok(text)
}
