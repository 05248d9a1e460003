//! `livekit`: the API keys that webhooks are signed with, and the URL of the server's API.

use std::path::PathBuf;

use livekit::token::{Keys as SigningKeys, Secret};

use super::defaults::{DEV_KEY, DEV_SECRET};
use super::handler::Origin;
use super::node::{Node, Value};
use super::problem::{Place, Problem, Problems, Refused};
use super::secret::{SecretSource, Wording};
use super::section::{Keys, Section};
use super::value;

/// LiveKit's own lower bound: a shorter secret can be guessed from one signed request.
const SHORTEST_SECRET: usize = 32;

const KEYS: Keys = Keys { of: "`livekit`", known: &["keys", "url"], later: &["projects"] };

/// The keys that webhooks may be signed with. Secrets are read when they are needed, so that a process that does not
/// verify webhooks runs without them.
#[derive(Debug, Clone, Default)]
pub struct LivekitSection {
    entries: Vec<KeyEntry>,
    /// Where the server's API is, as `http(s)://host[:port]`, for handlers that are granted calls.
    pub url: Option<String>,
}

#[derive(Debug, Clone)]
struct KeyEntry {
    name: String,
    secret: SecretSource,
    file: PathBuf,
    place: Place,
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
        let url = section.read("url", problems, url);
        let Some(keys) = section.get("keys") else { return Self { url, ..Self::default() } };
        let Value::Map(entries) = &keys.value else {
            problems.refuse(
                keys.place,
                Refused::new(
                    format!("`keys` is {}, not a map", keys.kind()),
                    "write a line for each key: `APIabc: ${LIVEKIT_API_SECRET}`",
                ),
            );
            return Self { url, ..Self::default() };
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
            let name = &entry.key;
            match SecretSource::decode(&entry.node, &words(name), problems, |text| check(name, text)) {
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
        Self { entries: decoded, url }
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

    /// Whether the secret of a key, or of the first one, comes from the same place in both.
    #[must_use]
    pub fn agrees_on(&self, other: &Self, name: Option<&str>) -> bool {
        let of = |section: &Self| {
            let mut entries = section.entries.iter();
            let entry = entries.find(|entry| name.is_none_or(|name| entry.name == name));
            entry.map(|entry| (entry.name.clone(), entry.secret.clone()))
        };
        of(self) == of(other)
    }

    /// The keys whose secret stands in the file itself.
    pub(super) fn literals(&self) -> impl Iterator<Item = (&str, Place)> {
        let literal = self.entries.iter().filter(|entry| entry.secret.is_literal());
        literal.map(|entry| (entry.name.as_str(), entry.place))
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
        let first = Self { entries: self.entries.iter().take(1).cloned().collect(), url: None };
        Ok(first.resolve_pairs(env)?.into_iter().next())
    }

    /// The secret of one key, for a process that signs.
    ///
    /// # Errors
    ///
    /// As [`LivekitSection::resolve_keys`].
    pub fn resolve_named(&self, name: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Option<Secret>, KeysError> {
        if self.uses_dev_keys() && name != DEV_KEY {
            return Ok(None);
        }
        let named = self.entries.iter().filter(|entry| entry.name == name).cloned().collect();
        if !self.uses_dev_keys() && Vec::is_empty(&named) {
            return Ok(None);
        }
        let named = Self { entries: named, url: None };
        Ok(named.resolve_pairs(env)?.into_iter().next().map(|(_, secret)| secret))
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

/// The URL of the server's API. LiveKit's own tools also take the scheme of its signalling, so it is taken here too.
fn url(node: &Node) -> Result<String, Refused> {
    let text = value::filled(node)?;
    let hint = "write scheme and host, such as `https://example.livekit.cloud` or `http://127.0.0.1:7880`";
    let refused = || Refused::new(format!("is `{text}`"), hint);
    let (scheme, rest) = text.split_once("://").ok_or_else(refused)?;
    let scheme = match scheme {
        "http" | "ws" => "http",
        "https" | "wss" => "https",
        _ => return Err(refused()),
    };
    let url = format!("{scheme}://{}", rest.trim_end_matches('/'));
    Origin::parse(&url).filter(|origin| !origin.is_wide()).map(|_| url).ok_or_else(refused)
}

fn words(name: &str) -> Wording {
    Wording { of: format!("the secret of key `{name}`"), variable: "LIVEKIT_API_SECRET", file: "/run/secrets/livekit" }
}

fn resolve(entry: &KeyEntry, env: &dyn Fn(&str) -> Option<String>) -> Result<Secret, Refused> {
    let secret = entry.secret.resolve(&words(&entry.name), env)?;
    check(&entry.name, &secret)?;
    Secret::new(&secret).map_err(|error| Refused { message: error.to_string(), hint: None })
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
