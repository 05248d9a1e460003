//! `plugin`: where a handler's plugin comes from, a file or the registry.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use event::PluginName;
use serde::{Deserialize, Serialize};

use crate::config::node::Node;
use crate::config::problem::Refused;
use crate::config::value;

/// Digits of a digest that are enough to name a version; fewer are too easily those of another one as well.
pub const SHORTEST_DIGEST: usize = 8;

/// Digits of a whole digest.
const WHOLE_DIGEST: usize = 64;

/// Where a handler's plugin comes from. As text it is what the configuration says: a path, a name, or a name with a digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PluginSource {
    /// A file, which is taken again when it changes.
    File(PathBuf),
    /// The version of the registry that was deployed last for the handler.
    Deployed(PluginName),
    /// One version of the registry, whatever is deployed.
    Pinned(PluginName, DigestPrefix),
}

impl fmt::Display for PluginSource {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(out, "{}", path.display()),
            Self::Deployed(name) => write!(out, "{name}"),
            Self::Pinned(name, digest) => write!(out, "{name}@sha256:{digest}"),
        }
    }
}

impl PluginSource {
    /// The name of the plugin in the registry; none for a file.
    #[must_use]
    pub fn name(&self) -> Option<&PluginName> {
        match self {
            Self::File(_) => None,
            Self::Deployed(name) | Self::Pinned(name, _) => Some(name),
        }
    }
}

/// The text names no plugin. The words say what to write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// It is neither a path nor a name.
    #[error("write the name of a plugin of the registry, such as `greeter`, or a file, such as `./greeter.wasm`")]
    Name,
    /// What follows the name is no digest.
    #[error("pin it with `{0}@sha256:` and at least {SHORTEST_DIGEST} digits of what `roomwire plugin list` shows")]
    Digest(PluginName),
}

impl FromStr for PluginSource {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        let is_wasm = Path::new(text).extension().is_some_and(|extension| extension == "wasm");
        if text.contains('/') || is_wasm {
            return Ok(Self::File(text.into()));
        }
        let (name, digest) = match text.split_once('@') {
            None => (text, None),
            Some((name, digest)) => (name, Some(digest)),
        };
        let name = PluginName::try_from(name).map_err(|_| SourceError::Name)?;
        let Some(digest) = digest else { return Ok(Self::Deployed(name)) };
        match digest.parse() {
            Ok(digest) => Ok(Self::Pinned(name, digest)),
            Err(_) => Err(SourceError::Digest(name)),
        }
    }
}

impl TryFrom<String> for PluginSource {
    type Error = SourceError;

    fn try_from(text: String) -> Result<Self, SourceError> {
        text.parse()
    }
}

impl From<PluginSource> for String {
    fn from(source: PluginSource) -> Self {
        source.to_string()
    }
}

/// The beginning of a SHA-256 in hex: at least eight digits, at most all.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DigestPrefix(String);

impl DigestPrefix {
    /// Whether a whole digest begins so.
    #[must_use]
    pub fn matches(&self, digest: &str) -> bool {
        digest.starts_with(&self.0)
    }

    /// The digest, where it is a whole one.
    #[must_use]
    pub fn whole(&self) -> Option<&str> {
        (self.0.len() == WHOLE_DIGEST).then_some(self.0.as_str())
    }
}

impl fmt::Display for DigestPrefix {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// The text is not the beginning of a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no digest; write `sha256:` and 8 to 64 of 0-9 and a-f")]
pub struct DigestError(String);

impl FromStr for DigestPrefix {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let digits = text.strip_prefix("sha256:").unwrap_or(text).to_ascii_lowercase();
        let fits = (SHORTEST_DIGEST..=WHOLE_DIGEST).contains(&digits.len());
        if fits && digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            Ok(Self(digits))
        } else {
            Err(DigestError(text.to_owned()))
        }
    }
}

pub(super) fn decode(node: &Node, file: &Path) -> Result<PluginSource, Refused> {
    let text = value::filled(node)?;
    match text.parse() {
        // Where a relative one begins, the place of the configuration says.
        Ok(PluginSource::File(_)) => value::path(node, file).map(PluginSource::File),
        Ok(source) => Ok(source),
        Err(error) => Err(Refused::new(format!("is `{text}`"), error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    fn source(plugin: &str) -> Result<PluginSource, String> {
        let text = format!("handlers: [{{ name: a, on: \"*\", plugin: \"{plugin}\" }}]");
        let config = parse(&text, Path::new("conf/roomwire.yaml")).map_err(|error| error.to_string())?;
        Ok(config.handlers.into_iter().next().unwrap().plugin)
    }

    #[test]
    fn a_path_is_a_file_and_a_bare_name_is_of_the_registry() {
        let file = |path: &str| PluginSource::File(path.into());
        assert_eq!(source("./a.wasm").unwrap(), file("conf/./a.wasm"));
        assert_eq!(source("a.wasm").unwrap(), file("conf/a.wasm"));
        assert_eq!(source("/opt/plugin").unwrap(), file("/opt/plugin"));
        assert_eq!(source("greeter").unwrap(), PluginSource::Deployed("greeter".parse().unwrap()));
    }

    #[test]
    fn a_digest_pins_also_by_its_first_digits() {
        let whole = "0123456789abcdef".repeat(4);
        let PluginSource::Pinned(name, digest) = source(&format!("greeter@sha256:{whole}")).unwrap() else { panic!() };
        assert_eq!((name.as_str(), digest.whole()), ("greeter", Some(whole.as_str())));
        let PluginSource::Pinned(_, digest) = source("greeter@sha256:01234567").unwrap() else { panic!() };
        assert!(digest.whole().is_none() && digest.matches(&whole) && !digest.matches("0123456800"));
        assert_eq!(source("greeter@01234567").unwrap().to_string(), "greeter@sha256:01234567");
    }

    #[test]
    fn a_source_is_written_as_it_is_read() {
        for text in ["/opt/plugin", "conf/./a.wasm", "a.wasm", "greeter", "greeter@sha256:01234567"] {
            let json = format!("\"{text}\"");
            let source: PluginSource = serde_json::from_str(&json).unwrap();
            assert_eq!(serde_json::to_string(&source).unwrap(), json);
        }
        assert!(serde_json::from_str::<PluginSource>("\"Greeter\"").is_err());
    }

    #[test]
    fn what_is_neither_is_refused_with_what_to_write() {
        let refused = source("Greeter").unwrap_err();
        assert!(refused.contains("`plugin` is `Greeter`") && refused.contains("./greeter.wasm"), "{refused}");
        for digest in ["sha256:0123", "md5:0123456789", "sha256:01234567x", ""] {
            let refused = source(&format!("greeter@{digest}")).unwrap_err();
            assert!(refused.contains("pin it with `greeter@sha256:`"), "{refused}");
        }
    }
}
