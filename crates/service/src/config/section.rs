//! A map of the document whose keys are known: unknown ones are refused with the nearest known one.

use super::node::{Entry, Node, Value};
use super::problem::{Place, Problems, Refused};

/// How alike two keys must be (1.0 is equal) for one to be offered instead of the other.
const ALIKE: f64 = 0.75;

/// The keys of a map.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keys {
    /// What the map is called in messages: `` `receiver` ``, `a handler`.
    pub(crate) of: &'static str,
    /// What may stand in it.
    pub(crate) known: &'static [&'static str],
    /// What will be able to stand in it: refused with words of its own rather than ignored.
    pub(crate) later: &'static [&'static str],
}

/// A map whose keys have been checked.
#[derive(Debug)]
pub(crate) struct Section<'n> {
    pub(crate) place: Place,
    entries: &'n [Entry],
}

impl<'n> Section<'n> {
    /// Checks that `node` is a map and that its keys are known. An empty value is an empty map.
    pub(crate) fn open(node: &'n Node, keys: Keys, problems: &mut Problems) -> Self {
        let entries = match &node.value {
            Value::Map(entries) => entries.as_slice(),
            Value::Null => &[],
            _ => {
                problems.refuse(node.place, wants_map(node, keys));
                &[]
            }
        };
        for entry in entries {
            if keys.known.contains(&entry.key.as_str()) {
                continue;
            }
            problems.refuse(entry.place, unknown(&entry.key, keys));
        }
        Self { place: node.place, entries }
    }

    /// The value of a key; an empty one counts as absent.
    pub(crate) fn get(&self, key: &str) -> Option<&'n Node> {
        self.entry(key).map(|entry| &entry.node).filter(|node| !matches!(node.value, Value::Null))
    }

    /// All keys that are stated, with their values.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'n str, &'n Node)> {
        self.entries.iter().map(|entry| (entry.key.as_str(), &entry.node))
    }

    fn entry(&self, key: &str) -> Option<&'n Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// Decodes the value of `key` when there is one.
    pub(crate) fn read<T>(
        &self,
        key: &str,
        problems: &mut Problems,
        decode: impl FnOnce(&Node) -> Result<T, Refused>,
    ) -> Option<T> {
        let node = self.get(key)?;
        match decode(node) {
            Ok(value) => Some(value),
            Err(refused) => {
                problems.refuse(node.place, Refused { message: format!("`{key}` {}", refused.message), ..refused });
                None
            }
        }
    }

    /// Decodes the value of `key` into `target`, which keeps its default when the key is absent.
    pub(crate) fn set<T>(
        &self,
        key: &str,
        target: &mut T,
        problems: &mut Problems,
        decode: impl FnOnce(&Node) -> Result<T, Refused>,
    ) {
        if let Some(value) = self.read(key, problems, decode) {
            *target = value;
        }
    }

    /// Decodes the value of a key that must be there.
    pub(crate) fn require<T>(
        &self,
        key: &str,
        example: &str,
        problems: &mut Problems,
        decode: impl FnOnce(&Node) -> Result<T, Refused>,
    ) -> Option<T> {
        if self.get(key).is_none() {
            let place = self.entry(key).map_or(self.place, |entry| entry.place);
            problems
                .refuse(place, Refused::new(format!("`{key}` is missing"), format!("write it as `{key}: {example}`")));
            return None;
        }
        self.read(key, problems, decode)
    }
}

fn wants_map(node: &Node, keys: Keys) -> Refused {
    Refused::new(format!("{} is {}, not a map", keys.of, node.kind()), format!("it may hold {}", list(keys.known)))
}

fn unknown(key: &str, keys: Keys) -> Refused {
    if keys.later.contains(&key) {
        return Refused::new(
            format!("`{key}` is not supported yet in {}", keys.of),
            "remove it; this version would ignore what it asks for",
        );
    }
    let hint = match nearest(key, keys.known) {
        Some(known) => format!("did you mean `{known}`? {} may hold {}", keys.of, list(keys.known)),
        None => format!("{} may hold {}", keys.of, list(keys.known)),
    };
    Refused::new(format!("unknown key `{key}`"), hint)
}

/// The known word that `word` was probably meant to be.
pub(crate) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    known
        .iter()
        .map(|candidate| (strsim::normalized_damerau_levenshtein(word, candidate), *candidate))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, candidate)| candidate)
}

/// Words as `` `a`, `b` ``.
pub(crate) fn list(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
