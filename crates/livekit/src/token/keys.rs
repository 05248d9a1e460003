//! The API keys whose webhooks are accepted. Secrets never show in logs or debug output.

use std::collections::BTreeMap;
use std::fmt;

use jsonwebtoken::EncodingKey;
use subtle::ConstantTimeEq as _;

use super::hmac::Hs256;

/// A secret without a single byte: anybody could sign with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the secret is empty: anybody could sign with it, set the one that LiveKit has")]
pub struct EmptySecret;

/// The secret of an API key. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct Secret {
    encoding: EncodingKey,
    /// None would verify nothing.
    verifying: Option<Hs256>,
}

impl Secret {
    /// A secret as LiveKit's configuration has it: its UTF-8 bytes are the key, it is not decoded.
    ///
    /// # Errors
    /// When it is empty.
    pub fn new(text: &str) -> Result<Secret, EmptySecret> {
        if text.is_empty() {
            return Err(EmptySecret);
        }
        Ok(Secret { encoding: EncodingKey::from_secret(text.as_bytes()), verifying: Hs256::new(text.as_bytes()) })
    }

    pub(crate) fn encoding(&self) -> &EncodingKey {
        &self.encoding
    }

    /// Whether a signature is the one of this secret.
    pub(super) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        self.verifying.as_ref().is_some_and(|key| key.verifies(message, signature))
    }
}

/// Takes as long for different secrets as for equal ones of the same length.
impl PartialEq for Secret {
    fn eq(&self, other: &Secret) -> bool {
        self.encoding.as_bytes().ct_eq(other.encoding.as_bytes()).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// API keys by name. Several at once, so that a key can be rotated without a gap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys(BTreeMap<String, Secret>);

impl Keys {
    /// No keys: nothing verifies.
    #[must_use]
    pub fn new() -> Keys {
        Keys::default()
    }

    /// Adds a key, or replaces its secret.
    pub fn insert(&mut self, name: impl Into<String>, secret: Secret) {
        self.0.insert(name.into(), secret);
    }

    /// The secret of a key.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Secret> {
        self.0.get(name)
    }

    /// Names and secrets, ordered by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Secret)> {
        self.0.iter().map(|(name, secret)| (name.as_str(), secret))
    }

    /// Names of all keys.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(String, Secret)> for Keys {
    fn from_iter<I: IntoIterator<Item = (String, Secret)>>(keys: I) -> Keys {
        Keys(keys.into_iter().collect())
    }
}
