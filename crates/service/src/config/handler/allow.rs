//! `allow`: what a plugin may do. Nothing is granted that is not listed.

use event::Prefix;
use event::subject;

use crate::config::node::Node;
use crate::config::problem::{Problems, Refused};
use crate::config::section::{Keys, Section};
use crate::config::value;

const KEYS: Keys = Keys { of: "`allow`", known: &["publish"], later: &["http", "keyvalue", "livekit"] };

/// What a plugin may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allow {
    /// The subjects that it may publish to, with NATS wildcards.
    pub publish: Vec<String>,
}

impl Allow {
    /// Whether a message may be published to `subject`.
    #[must_use]
    pub fn may_publish(&self, subject: &str) -> bool {
        self.publish.iter().any(|pattern| subject::matches(pattern, subject))
    }

    pub(super) fn decode(node: &Node, prefix: &Prefix, problems: &mut Problems) -> Self {
        let section = Section::open(node, KEYS, problems);
        let mut decoded = Self::default();
        let Some(node) = section.get("publish") else { return decoded };
        let items = match value::items(node) {
            Ok(items) => items,
            Err(refused) => {
                problems.refuse(node.place, Refused { message: format!("`publish` {}", refused.message), ..refused });
                return decoded;
            }
        };
        for item in items {
            match publish_pattern(item, prefix) {
                Ok(pattern) => decoded.publish.push(pattern),
                Err(refused) => problems.refuse(item.place, refused),
            }
        }
        decoded
    }
}

/// A subject pattern that cannot reach what belongs to NATS or to Roomwire.
fn publish_pattern(node: &Node, prefix: &Prefix) -> Result<String, Refused> {
    let text = node.scalar().unwrap_or_default();
    let tokens: Vec<&str> = text.split('.').collect();
    let well_formed = tokens.iter().enumerate().all(|(index, token)| {
        let last = index + 1 == tokens.len();
        match *token {
            "*" => true,
            ">" => last,
            token => {
                !token.is_empty() && token.chars().all(|letter| letter.is_ascii_graphic() && !"*>".contains(letter))
            }
        }
    });
    if !well_formed {
        return Err(Refused::new(
            format!("`{text}` is not a subject pattern"),
            "write tokens with dots between them; `*` stands for one token, `>` at the end for all that follow",
        ));
    }
    let first = tokens.first().copied().unwrap_or_default();
    if matches!(first, "*" | ">") {
        return Err(Refused::new(
            format!("`{text}` could reach `$SYS`, `_INBOX` and `{prefix}`"),
            "begin with a word, such as `usage.>`",
        ));
    }
    if first.starts_with(['$', '_']) {
        return Err(Refused::new(
            format!("`{text}` belongs to NATS itself"),
            "publish to subjects of your own, such as `usage.>`",
        ));
    }
    if first == prefix.to_string() {
        return Err(Refused::new(
            format!("`{text}` belongs to Roomwire, whose subjects begin with `{prefix}`"),
            "publish to subjects of your own, such as `usage.>`, or change `nats.prefix`",
        ));
    }
    Ok(text)
}
