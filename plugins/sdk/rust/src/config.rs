//! The `config` of the handler in `roomwire.yaml`.

use crate::bindings::wasi::config::store;

/// The value of a key, or nothing where the YAML does not have it.
///
/// # Errors
/// If the host cannot read it.
pub fn get(key: &str) -> Result<Option<String>, ConfigError> {
    store::get(key).map_err(|error| {
        let (store::Error::Upstream(text) | store::Error::Io(text)) = error;
        ConfigError { text: format!("cannot read `config.{key}`: {text}") }
    })
}

/// All that the YAML has, by key.
///
/// # Errors
/// If the host cannot read it.
pub fn all() -> Result<Vec<(String, String)>, ConfigError> {
    store::get_all().map_err(|error| {
        let (store::Error::Upstream(text) | store::Error::Io(text)) = error;
        ConfigError { text: format!("cannot read `config`: {text}") }
    })
}

/// The value of a key that must be there.
///
/// # Errors
/// If it is not; the text says what to set.
pub fn require(key: &str) -> Result<String, ConfigError> {
    get(key)?.ok_or_else(|| ConfigError { text: format!("set `config.{key}`") })
}

/// A config that a handler cannot work with. In `handle` it becomes a permanent failure, in `check` the reason of the
/// refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    text: String,
}

impl ConfigError {
    /// What is wrong, in the words of the handler.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for ConfigError {}

impl From<ConfigError> for String {
    fn from(error: ConfigError) -> Self {
        error.text
    }
}
