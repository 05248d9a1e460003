//! `allow.keyvalue`: the buckets of keys that a plugin may use, and how much may be in each.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use bytesize::{GIB, KIB, MIB};

use crate::config::defaults;
use crate::config::node::{Node, Value};
use crate::config::problem::{Problems, Refused};
use crate::config::section::{Keys, Section};
use crate::config::value;

const KEYS: Keys = Keys {
    of: "a bucket",
    known: &["name", "scope", "ttl", "max_keys", "max_bytes", "max_key", "max_value"],
    later: &[],
};

/// The longest name of a bucket.
const NAME: usize = 64;

/// Whose keys a bucket holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyScope {
    /// Each room (ordering key) has keys of its own.
    #[default]
    Private,
    /// All events of the handler see the same keys.
    Shared,
}

/// A bucket that a plugin may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketConfig {
    /// Its name.
    pub name: String,
    /// Whose keys it holds.
    pub scope: KeyScope,
    /// For how long a key stays after it was last set; none is for ever.
    pub ttl: Option<Duration>,
    /// Keys in all.
    pub max_keys: NonZeroU32,
    /// Bytes of all keys and values.
    pub max_bytes: u64,
    /// Bytes of one key.
    pub max_key: NonZeroU32,
    /// Bytes of one value.
    pub max_value: u64,
}

impl BucketConfig {
    /// A bucket with the defaults.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            scope: KeyScope::default(),
            ttl: None,
            max_keys: defaults::BUCKET_KEYS,
            max_bytes: defaults::BUCKET_BYTES,
            max_key: defaults::KEY_BYTES,
            max_value: defaults::VALUE_BYTES,
        }
    }
}

/// Decodes a list of names, or of maps where a bucket is not like the others.
pub(super) fn decode(node: &Node, problems: &mut Problems) -> Vec<BucketConfig> {
    let items = match value::items(node) {
        Ok(items) => items,
        Err(refused) => {
            problems.refuse(node.place, Refused { message: format!("`keyvalue` {}", refused.message), ..refused });
            return Vec::new();
        }
    };
    let mut names = BTreeSet::new();
    let mut buckets = Vec::with_capacity(items.len());
    for item in items {
        let Some(bucket) = bucket(item, problems) else { continue };
        if names.insert(bucket.name.clone()) {
            buckets.push(bucket);
        } else {
            problems.refuse(
                item.place,
                Refused::new(
                    format!("`keyvalue` grants the bucket `{}` twice", bucket.name),
                    "leave one of them, or give each a name of its own",
                ),
            );
        }
    }
    buckets
}

fn bucket(node: &Node, problems: &mut Problems) -> Option<BucketConfig> {
    if !matches!(node.value, Value::Map(_)) {
        return match name(node) {
            Ok(name) => Some(BucketConfig::named(&name)),
            Err(refused) => {
                let message = format!("`keyvalue` holds a bucket that {}", refused.message);
                problems.refuse(node.place, Refused { message, ..refused });
                None
            }
        };
    }
    let section = Section::open(node, KEYS, problems);
    let name = section.require("name", "usage", problems, name);
    let mut decoded = BucketConfig::named(&name?);
    section.set("scope", &mut decoded.scope, problems, |node| {
        value::one_of(node, &[("private", KeyScope::Private), ("shared", KeyScope::Shared)])
    });
    decoded.ttl = section.read("ttl", problems, |node| {
        value::duration(node, Duration::from_secs(1)..=Duration::from_hours(10 * 366 * 24))
    });
    section.set("max_keys", &mut decoded.max_keys, problems, |node| value::count(node, 100_000_000));
    section.set("max_bytes", &mut decoded.max_bytes, problems, |node| value::size(node, KIB..=1024 * GIB));
    section.set("max_key", &mut decoded.max_key, problems, |node| value::count(node, 1024));
    section.set("max_value", &mut decoded.max_value, problems, |node| value::size(node, 1..=4 * MIB));
    Some(decoded)
}

fn name(node: &Node) -> Result<String, Refused> {
    let text = value::text(node)?;
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if text.is_empty() || text.len() > NAME || !text.bytes().all(letter) {
        return Err(Refused::new(
            format!("is named `{text}`"),
            "write up to 64 of letters, digits, `-`, `_` and `.`, such as `usage`",
        ));
    }
    Ok(text)
}
