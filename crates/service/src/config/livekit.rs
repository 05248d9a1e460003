//! `livekit`: the API keys that webhooks are signed with.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use livekit::token::{Keys as SigningKeys, Secret};

use super::defaults::{DEV_KEY, DEV_SECRET};
use super::node::{Node, Value};
use super::problem::{Place, Problem, Problems, Refused};
use super::section::{Keys, Section};
use super::template::{TemplateError, expand, uses_variables};
use super::value;

/// LiveKit's own lower bound: a shorter secret can be guessed from one signed request.
const SHORTEST_SECRET: usize = 32;

const KEYS: Keys = Keys { of: "`livekit`", known: &["keys"], later: &["url", "projects"] };
const KEYS_OF_SECRET: Keys = Keys { of: "a secret", known: &["file"], later: &[] };

/// The keys that webhooks may be signed with. Secrets are read when they are needed, so that a process that does not
/// verify webhooks runs without them.
#[derive(Debug, Clone, Default)]
pub struct LivekitSection {
    entries: Vec<KeyEntry>,
}

#[derive(Debug, Clone)]
struct KeyEntry {
    name: String,
    secret: SecretSource,
    file: PathBuf,
    place: Place,
}

#[derive(Clone)]
enum SecretSource {
    /// Text, with `${NAME}` still in it.
    Text(String),
    File(PathBuf),
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => out.write_str("Text(redacted)"),
            Self::File(path) => out.debug_tuple("File").field(path).finish(),
        }
    }
}

/// Why the secrets could not be resolved.
#[derive(Debug, thiserror::Error)]
#[error("{}", .problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct KeysError {
    /// Every secret that is missing or refused.
    pub problems: Vec<Problem>,
}

impl LivekitSection {
    pub(crate) fn decode(node: &Node, problems: &mut Problems) -> Self {
        let section = Section::open(node, KEYS, problems);
        let Some(keys) = section.get("keys") else { return Self::default() };
        let Value::Map(entries) = &keys.value else {
            problems.refuse(
                keys.place,
                Refused::new(
                    format!("`keys` is {}, not a map", keys.kind()),
                    "write a line for each key: `APIabc: ${LIVEKIT_API_SECRET}`",
                ),
            );
            return Self::default();
        };
        if entries.is_empty() {
            problems.refuse(
                keys.place,
                Refused::new(
                    "`keys` holds no key",
                    "write `APIabc: ${LIVEKIT_API_SECRET}`, or remove `keys` for LiveKit's dev keys",
                ),
            );
        }
        let file = problems.file().to_owned();
        let mut decoded = Vec::with_capacity(entries.len());
        for entry in entries {
            if entry.key.trim().is_empty() {
                problems.refuse(
                    entry.place,
                    Refused::new("a key has no name", "write the API key's name before the colon"),
                );
                continue;
            }
            match secret(&entry.key, &entry.node, problems) {
                Ok(secret) => decoded.push(KeyEntry {
                    name: entry.key.clone(),
                    secret,
                    file: file.clone(),
                    place: entry.node.place,
                }),
                Err(Some(refused)) => problems.refuse(entry.node.place, refused),
                Err(None) => {}
            }
        }
        Self { entries: decoded }
    }

    /// Whether the configuration names no keys, so that LiveKit's dev keys hold.
    #[must_use]
    pub fn uses_dev_keys(&self) -> bool {
        self.entries.is_empty()
    }

    /// The names of the keys.
    #[must_use]
    pub fn key_names(&self) -> Vec<&str> {
        if self.uses_dev_keys() {
            return vec![DEV_KEY];
        }
        self.entries.iter().map(|entry| entry.name.as_str()).collect()
    }

    /// The files that hold secrets.
    #[must_use]
    pub fn secret_files(&self) -> Vec<PathBuf> {
        let files = self.entries.iter().filter_map(|entry| match &entry.secret {
            SecretSource::File(path) => Some(path.clone()),
            SecretSource::Text(_) => None,
        });
        files.collect()
    }

    /// Reads every secret, from the environment or its file.
    ///
    /// # Errors
    ///
    /// When a variable is not set, a file cannot be read, or a secret is shorter than 32 characters.
    pub fn resolve_keys(&self, env: &dyn Fn(&str) -> Option<String>) -> Result<SigningKeys, KeysError> {
        Ok(self.resolve_pairs(env)?.into_iter().collect())
    }

    /// The first key and its secret, for a process that signs.
    ///
    /// # Errors
    ///
    /// As [`LivekitSection::resolve_keys`].
    pub fn resolve_first(&self, env: &dyn Fn(&str) -> Option<String>) -> Result<Option<(String, Secret)>, KeysError> {
        let first = Self { entries: self.entries.iter().take(1).cloned().collect() };
        Ok(first.resolve_pairs(env)?.into_iter().next())
    }

    fn resolve_pairs(&self, env: &dyn Fn(&str) -> Option<String>) -> Result<Vec<(String, Secret)>, KeysError> {
        if self.uses_dev_keys() {
            return Ok(Secret::new(DEV_SECRET).map(|secret| (DEV_KEY.to_owned(), secret)).into_iter().collect());
        }
        let mut pairs = Vec::with_capacity(self.entries.len());
        let mut problems = Vec::new();
        for entry in &self.entries {
            match resolve(entry, env) {
                Ok(secret) => pairs.push((entry.name.clone(), secret)),
                Err(refused) => problems.push(Problem {
                    file: entry.file.clone(),
                    line: entry.place.line,
                    column: entry.place.column,
                    message: refused.message,
                    hint: refused.hint,
                }),
            }
        }
        if problems.is_empty() { Ok(pairs) } else { Err(KeysError { problems }) }
    }
}

/// `Err(None)` when the problem has been noted already.
fn secret(name: &str, node: &Node, problems: &mut Problems) -> Result<SecretSource, Option<Refused>> {
    if matches!(node.value, Value::Map(_)) {
        let file = problems.file().to_owned();
        let section = Section::open(node, KEYS_OF_SECRET, problems);
        let path = section.require("file", "/run/secrets/livekit", problems, |node| value::path(node, &file));
        return path.map(SecretSource::File).ok_or(None);
    }
    let Some(text) = node.scalar() else {
        return Err(Some(Refused::new(
            format!("the secret of key `{name}` is {}", node.kind()),
            "write `${LIVEKIT_API_SECRET}`, or `{ file: /run/secrets/livekit }`",
        )));
    };
    match uses_variables(&text) {
        Ok(true) => Ok(SecretSource::Text(text)),
        Ok(false) => check(name, &text).map(|()| SecretSource::Text(text)).map_err(Some),
        Err(error) => {
            Err(Some(Refused::new(format!("the secret of key `{name}`: {error}"), "write `${LIVEKIT_API_SECRET}`")))
        }
    }
}

fn resolve(entry: &KeyEntry, env: &dyn Fn(&str) -> Option<String>) -> Result<Secret, Refused> {
    let name = &entry.name;
    let secret = match &entry.secret {
        SecretSource::Text(text) => expand(text, env).map_err(|error| match error {
            TemplateError::Undefined { name: variable } => Refused::new(
                format!("the secret of key `{name}` needs the environment variable {variable}, which is not set"),
                format!("set {variable}, or write `{{ file: /run/secrets/livekit }}` instead"),
            ),
            TemplateError::Malformed => {
                Refused::new(format!("the secret of key `{name}`: {error}"), "write `${LIVEKIT_API_SECRET}`")
            }
        })?,
        SecretSource::File(path) => read(name, path)?,
    };
    check(name, &secret)?;
    Secret::new(&secret).map_err(|error| Refused { message: error.to_string(), hint: None })
}

fn read(name: &str, path: &Path) -> Result<String, Refused> {
    match fs::read_to_string(path) {
        // Files written by hand or by secret managers end in a line feed that is not part of the secret.
        Ok(text) => Ok(text.trim_end_matches(['\r', '\n']).to_owned()),
        Err(error) => Err(Refused::new(
            format!("the secret of key `{name}` cannot be read from {}: {error}", path.display()),
            "the file must exist and be readable by this process",
        )),
    }
}

fn check(name: &str, secret: &str) -> Result<(), Refused> {
    let length = secret.chars().count();
    if length >= SHORTEST_SECRET {
        return Ok(());
    }
    let dev = if name == DEV_KEY { "; for LiveKit's dev keys remove `keys`" } else { "" };
    let found = if length == 0 { "is empty".to_owned() } else { format!("has {length} characters") };
    Err(Refused::new(
        format!("the secret of key `{name}` {found}; it must have at least {SHORTEST_SECRET}"),
        format!("make one with `openssl rand -base64 36` and give LiveKit the same{dev}"),
    ))
}
