//! `allow`: what a plugin may do. Nothing is granted that is not listed.

mod api;
mod keyvalue;
mod network;
mod origin;

use event::Prefix;
use event::subject;

pub use api::ApiPattern;
pub use keyvalue::{BucketConfig, KeyScope};
pub use network::Network;
pub use origin::{Host, HostPattern, Origin};

use crate::config::Config;
use crate::config::node::Node;
use crate::config::problem::{Problems, Refused};
use crate::config::section::{Keys, Section};
use crate::config::value;

const KEYS: Keys = Keys { of: "`allow`", known: &["publish", "http", "networks", "livekit", "keyvalue"], later: &[] };

/// What a plugin may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allow {
    /// The subjects that it may publish to, with NATS wildcards.
    pub publish: Vec<String>,
    /// Where it may send requests.
    pub http: Vec<Origin>,
    /// The private networks in which a host of `http` may be.
    pub networks: Vec<Network>,
    /// The methods of LiveKit's API that it may call.
    pub livekit: Vec<ApiPattern>,
    /// The buckets of keys that it may use.
    pub keyvalue: Vec<BucketConfig>,
}

impl Allow {
    /// Whether a message may be published to `subject`.
    #[must_use]
    pub fn may_publish(&self, subject: &str) -> bool {
        self.publish.iter().any(|pattern| subject::matches(pattern, subject))
    }

    pub(super) fn decode(node: &Node, beside: &Config, problems: &mut Problems) -> Self {
        let section = Section::open(node, KEYS, problems);
        let prefix = &beside.nats.prefix;
        let livekit = list(&section, "livekit", problems, api::decode);
        if let Some(node) = section.get("livekit")
            && !livekit.is_empty()
            && beside.livekit.url.is_none()
        {
            problems.refuse(
                node.place,
                Refused::new(
                    "`livekit` grants calls, and `livekit.url` at the top of the file does not say where to",
                    "add `url: https://example.livekit.cloud` to `livekit` there",
                ),
            );
        }
        let http = list(&section, "http", problems, origin::decode);
        let networks = list(&section, "networks", problems, network::decode);
        if let Some(node) = section.get("networks")
            && http.is_empty()
        {
            problems.refuse(
                node.place,
                Refused::new(
                    "`networks` says where the hosts of `http` may be, and `http` grants none",
                    "add `http: [\"http://billing.internal:8080\"]`, or remove `networks`",
                ),
            );
        }
        Self {
            publish: list(&section, "publish", problems, |node| publish_pattern(node, prefix)),
            http,
            networks,
            livekit,
            keyvalue: section.get("keyvalue").map(|node| keyvalue::decode(node, problems)).unwrap_or_default(),
        }
    }
}

fn list<T>(
    section: &Section<'_>,
    key: &str,
    problems: &mut Problems,
    decode: impl Fn(&Node) -> Result<T, Refused>,
) -> Vec<T> {
    let Some(node) = section.get(key) else { return Vec::new() };
    let items = match value::items(node) {
        Ok(items) => items,
        Err(refused) => {
            problems.refuse(node.place, Refused { message: format!("`{key}` {}", refused.message), ..refused });
            return Vec::new();
        }
    };
    let mut decoded = Vec::with_capacity(items.len());
    for item in items {
        match decode(item) {
            Ok(value) => decoded.push(value),
            Err(refused) => problems.refuse(item.place, refused),
        }
    }
    decoded
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
