//! `secrets`: texts that handlers can be granted by name.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::node::{Node, Value};
use super::problem::{Place, Problem, Problems, Refused};
use super::secret::{SecretSource, Wording};
use super::section::nearest;
use super::value;

/// Fewer characters stand in ordinary text by chance, and could not be kept out of logs.
const SHORTEST: usize = 6;

/// Characters of a name.
const LONGEST_NAME: usize = 64;

/// The secrets by name. They are read when they are needed, and only those that a handler is granted.
#[derive(Debug, Clone, Default)]
pub struct SecretsSection {
    entries: BTreeMap<String, Entry>,
    file: PathBuf,
}

#[derive(Debug, Clone)]
struct Entry {
    source: SecretSource,
    place: Place,
}

/// A secret's text, which shows in no debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(Arc<str>);

impl SecretText {
    /// The text itself, for the one that is granted it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for SecretText {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SecretText(redacted)")
    }
}

/// Secrets could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{}", .problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct SecretsError {
    /// Every secret that is missing or refused.
    pub problems: Vec<Problem>,
}

impl SecretsSection {
    pub(crate) fn decode(node: &Node, problems: &mut Problems) -> Self {
        let Value::Map(entries) = &node.value else {
            problems.refuse(
                node.place,
                Refused::new(
                    format!("`secrets` is {}, not a map", node.kind()),
                    "write a line for each secret: `BILLING_TOKEN: ${BILLING_TOKEN}`",
                ),
            );
            return Self::default();
        };
        let mut decoded = Self { entries: BTreeMap::new(), file: problems.file().to_owned() };
        for entry in entries {
            if !is_name(&entry.key) {
                problems.refuse(
                    entry.place,
                    Refused::new(
                        format!("`{}` cannot be the name of a secret", entry.key.escape_debug()),
                        "write up to 64 of letters, digits and `_`, not beginning with a digit",
                    ),
                );
                continue;
            }
            let (words, place) = (words(&entry.key), entry.node.place);
            match SecretSource::decode(&entry.node, &words, problems, |text| check(&words, text)) {
                Ok(source) => {
                    decoded.entries.insert(entry.key.clone(), Entry { source, place });
                }
                Err(refused) => {
                    if let Some(refused) = refused {
                        problems.refuse(place, refused);
                    }
                }
            }
        }
        decoded
    }

    /// The names of all secrets.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// The files that hold secrets.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let files = self.entries.values().filter_map(|entry| match &entry.source {
            SecretSource::File(path) => Some(path.clone()),
            SecretSource::Text(_) => None,
        });
        files.collect()
    }

    /// Whether a secret comes from the same place in both. What it is may have changed all the same.
    #[must_use]
    pub fn agrees_on(&self, other: &Self, name: &str) -> bool {
        let of = |section: &Self| section.entries.get(name).map(|entry| entry.source.clone());
        of(self) == of(other)
    }

    /// The secrets that stand in the file itself.
    pub(super) fn literals(&self) -> impl Iterator<Item = (&str, Place)> {
        let literal = self.entries.iter().filter(|(_, entry)| entry.source.is_literal());
        literal.map(|(name, entry)| (name.as_str(), entry.place))
    }

    /// Reads the named secrets, from the environment or their files.
    ///
    /// # Errors
    ///
    /// When a variable is not set, a file cannot be read, or a secret is too short to be kept out of logs.
    pub fn resolve<'n>(
        &self,
        names: impl IntoIterator<Item = &'n String>,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<BTreeMap<String, SecretText>, SecretsError> {
        let (mut secrets, mut problems) = (BTreeMap::new(), Vec::new());
        for name in names {
            let Some(entry) = self.entries.get(name) else { continue };
            let words = words(name);
            let secret = entry.source.resolve(&words, env).and_then(|text| check(&words, &text).map(|()| text));
            match secret {
                Ok(text) => {
                    secrets.insert(name.clone(), SecretText(text.into()));
                }
                Err(Refused { message, hint }) => {
                    let Place { line, column } = entry.place;
                    problems.push(Problem { file: self.file.clone(), line, column, message, hint });
                }
            }
        }
        if problems.is_empty() { Ok(secrets) } else { Err(SecretsError { problems }) }
    }
}

/// The names of secrets that a handler asks for: each must be known.
pub(super) fn granted(node: &Node, known: &SecretsSection, problems: &mut Problems) -> Vec<String> {
    let items = match value::items(node) {
        Ok(items) => items,
        Err(refused) => {
            problems.refuse(node.place, Refused { message: format!("`secrets` {}", refused.message), ..refused });
            return Vec::new();
        }
    };
    let mut names = Vec::with_capacity(items.len());
    for item in items {
        let name = item.scalar().unwrap_or_default();
        if known.entries.contains_key(&name) {
            names.push(name);
            continue;
        }
        let words: Vec<&str> = known.names().collect();
        let hint = match nearest(&name, &words) {
            Some(word) => format!("did you mean `{word}`?"),
            None => format!("add it at the top of the file: `secrets: {{ {name}: ${{{name}}} }}`"),
        };
        problems.refuse(item.place, Refused::new(format!("there is no secret `{name}`"), hint));
    }
    names
}

fn words(name: &str) -> Wording {
    Wording { of: format!("the secret `{name}`"), variable: "BILLING_TOKEN", file: "/run/secrets/billing" }
}

fn is_name(name: &str) -> bool {
    name.len() <= LONGEST_NAME
        && name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn check(words: &Wording, text: &str) -> Result<(), Refused> {
    let length = text.chars().count();
    if length >= SHORTEST {
        return Ok(());
    }
    let found = if length == 0 { "is empty".to_owned() } else { format!("has {length} characters") };
    Err(Refused::new(
        format!("{} {found}; it must have at least {SHORTEST}", words.of),
        "a shorter one could not be told from ordinary text in logs",
    ))
}

#[cfg(test)]
mod tests {
    use super::SecretText;

    #[test]
    fn debug_output_shows_nothing_of_a_secret() {
        assert_eq!(format!("{:?}", SecretText::from("hunter22")), "SecretText(redacted)");
    }
}
