//! A refused request as the quarantine keeps it: how much of it is proved, what it says, and why it was refused.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use xxhash_rust::xxh3::Xxh3Default;

use crate::envelope::{self, DecodeError};
use crate::{BodyHash, Prefix, header};

/// `signed`, `named` or `unknown`.
pub const RW_CLASS: &str = "Rw-Class";
/// Why it was refused, as the metrics name it.
pub const RW_REASON: &str = "Rw-Reason";
/// Why it was refused, for people.
pub const RW_REASON_TEXT: &str = "Rw-Reason-Text";
/// The `Authorization` header of the request. Only the quarantine keeps it: without it nothing can be verified again.
pub const RW_AUTHORIZATION: &str = "Rw-Authorization";
/// Address and port of the sender.
pub const RW_PEER: &str = "Rw-Peer";
/// The path that it was posted to.
pub const RW_PATH: &str = "Rw-Path";
/// Bytes of the body as it was sent; absent when that is not known.
pub const RW_BODY_BYTES: &str = "Rw-Body-Bytes";
/// `true` when the stored body is only the beginning of it, or nothing.
pub const RW_BODY_CUT: &str = "Rw-Body-Cut";
/// The event's id, as it says itself.
pub const RW_CLAIMED_ID: &str = "Rw-Claimed-Id";
/// The event's type, as it says itself.
pub const RW_CLAIMED_TYPE: &str = "Rw-Claimed-Type";
/// The event's ordering key, as it says itself.
pub const RW_CLAIMED_KEY: &str = "Rw-Claimed-Key";
/// The API key, as the token says itself.
pub const RW_CLAIMED_API_KEY: &str = "Rw-Claimed-Api-Key";

/// So much is kept of a body that is too large, or that nobody known has sent.
pub const BEGINNING: usize = 64 * 1024;
/// Where a token is cut: LiveKit's have about 350 bytes.
const MAX_TOKEN_BYTES: usize = 4096;
/// Where other texts are cut.
const MAX_TEXT_BYTES: usize = 512;
const MAX_WORDS_BYTES: usize = 1024;

/// How much is proved about a request. Each class has a stream and a rate of its own, so that nobody can push out what
/// a better proved sender sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A configured key has signed this very body.
    Signed,
    /// The token names a configured key. Anybody can write such a token; and so arrives everything while the secret here
    /// is wrong.
    Named,
    /// Neither.
    Unknown,
}

impl Class {
    /// All of them, the best proved first.
    pub const ALL: [Class; 3] = [Class::Signed, Class::Named, Class::Unknown];

    /// The class as subjects, labels and commands name it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Class::Signed => "signed",
            Class::Named => "named",
            Class::Unknown => "unknown",
        }
    }

    /// Its part of the quarantine's bytes. What a wrong secret refuses is `named`, and may be much.
    #[must_use]
    pub fn share(self, max_bytes: u64) -> u64 {
        match self {
            Class::Signed | Class::Unknown => max_bytes / 4,
            Class::Named => max_bytes / 2,
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no [`Class`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is no class of refused requests: write signed, named or unknown")]
pub struct NoClass {
    /// The word.
    pub given: String,
}

impl FromStr for Class {
    type Err = NoClass;
    fn from_str(text: &str) -> Result<Class, NoClass> {
        Class::ALL
            .into_iter()
            .find(|class| class.as_str() == text)
            .ok_or_else(|| NoClass { given: text.chars().take(80).collect() })
    }
}

/// What there is of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Every byte.
    Whole,
    /// All but the fields that `privacy.drop` names.
    WithoutFields {
        /// Hash of every byte.
        sha256: BodyHash,
    },
    /// Its beginning, or nothing: it can never be verified.
    Cut {
        /// Bytes of the whole, when that was known.
        bytes: Option<u64>,
    },
}

/// What a request says of itself. Nothing of it is proved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claimed {
    /// The event's id.
    pub id: Option<String>,
    /// The event's type.
    pub kind: Option<String>,
    /// The event's ordering key.
    pub key: Option<String>,
    /// Name of the API key.
    pub api_key: Option<String>,
}

/// All that is kept of a refused request besides its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// How much of it is proved.
    pub class: Class,
    /// Why it was refused, as the metrics name it.
    pub reason: String,
    /// Why it was refused, for people.
    pub words: String,
    /// When it arrived, in Unix milliseconds.
    pub received_at_ms: u64,
    /// Address and port of the sender.
    pub peer: String,
    /// The path that it was posted to.
    pub path: String,
    /// Its `Authorization` header.
    pub token: Option<String>,
    /// Its `Content-Type`.
    pub content_type: Option<String>,
    /// Its `User-Agent`.
    pub user_agent: Option<String>,
    /// W3C trace context of the request.
    pub traceparent: Option<String>,
    /// What it says of itself.
    pub claimed: Claimed,
    /// What there is of its body.
    pub kept: Kept,
}

impl Quarantined {
    /// The headers of the message, values encoded. Together they never exceed [`header::ROOM`].
    #[must_use]
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            (RW_CLASS, self.class.to_string()),
            (header::RW_RECEIVED_AT, envelope::received_at(self.received_at_ms)),
        ];
        let claimed = &self.claimed;
        for (name, value, most) in [
            (RW_REASON, Some(&self.reason), MAX_TEXT_BYTES),
            (RW_REASON_TEXT, Some(&self.words), MAX_WORDS_BYTES),
            (RW_PEER, Some(&self.peer), MAX_TEXT_BYTES),
            (RW_PATH, Some(&self.path), MAX_TEXT_BYTES),
            (RW_AUTHORIZATION, self.token.as_ref(), MAX_TOKEN_BYTES),
            (header::RW_CONTENT_TYPE, self.content_type.as_ref(), MAX_TEXT_BYTES),
            (header::RW_USER_AGENT, self.user_agent.as_ref(), MAX_TEXT_BYTES),
            (header::TRACEPARENT, self.traceparent.as_ref(), MAX_TEXT_BYTES),
            (RW_CLAIMED_ID, claimed.id.as_ref(), MAX_TEXT_BYTES),
            (RW_CLAIMED_TYPE, claimed.kind.as_ref(), MAX_TEXT_BYTES),
            (RW_CLAIMED_KEY, claimed.key.as_ref(), crate::OrderingKey::MAX_BYTES),
            (RW_CLAIMED_API_KEY, claimed.api_key.as_ref(), MAX_TEXT_BYTES),
        ] {
            if let Some(value) = value {
                headers.push((name, header::encode(header::cut(value, most)).into_owned()));
            }
        }
        match self.kept {
            Kept::Whole => {}
            Kept::WithoutFields { sha256 } => headers.push((header::RW_BODY_SHA256, sha256.to_string())),
            Kept::Cut { bytes } => {
                headers.push((RW_BODY_CUT, "true".to_owned()));
                headers.extend(bytes.map(|bytes| (RW_BODY_BYTES, bytes.to_string())));
            }
        }
        headers
    }

    /// The request that a message's headers describe.
    ///
    /// # Errors
    /// When a header that every one has is missing or cannot be read.
    pub fn from_headers<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Result<Quarantined, DecodeError> {
        let optional =
            |name: &'static str| get(name).map(|value| envelope::decoded(name, value).map(Cow::into_owned)).transpose();
        let required = |name: &'static str| optional(name)?.ok_or(DecodeError::Missing { name });
        let class = required(RW_CLASS)?;
        let class =
            class.parse().map_err(|NoClass { given }| DecodeError::Encoding { name: RW_CLASS, value: given })?;
        let received_at = envelope::time(header::RW_RECEIVED_AT, &required(header::RW_RECEIVED_AT)?)?;
        let kept = match get(header::RW_BODY_SHA256) {
            _ if get(RW_BODY_CUT) == Some("true") => {
                Kept::Cut { bytes: get(RW_BODY_BYTES).and_then(|bytes| bytes.parse().ok()) }
            }
            Some(text) => Kept::WithoutFields { sha256: envelope::body_hash(header::RW_BODY_SHA256, text)? },
            None => Kept::Whole,
        };
        Ok(Quarantined {
            class,
            reason: required(RW_REASON)?,
            words: required(RW_REASON_TEXT)?,
            received_at_ms: u64::try_from(received_at.as_millisecond()).unwrap_or_default(),
            peer: required(RW_PEER)?,
            path: required(RW_PATH)?,
            token: optional(RW_AUTHORIZATION)?,
            content_type: optional(header::RW_CONTENT_TYPE)?,
            user_agent: optional(header::RW_USER_AGENT)?,
            traceparent: optional(header::TRACEPARENT)?,
            claimed: Claimed {
                id: optional(RW_CLAIMED_ID)?,
                kind: optional(RW_CLAIMED_TYPE)?,
                key: optional(RW_CLAIMED_KEY)?,
                api_key: optional(RW_CLAIMED_API_KEY)?,
            },
            kept,
        })
    }

    /// The subject that it is kept under: `rw.quarantine.named.bad_signature`.
    #[must_use]
    pub fn subject(&self, prefix: &Prefix) -> String {
        format!("{prefix}.quarantine.{}.{}", self.class, crate::subject::token_of(&self.reason))
    }

    /// The id by which JetStream recognises the same request, sent again: it is kept once.
    #[must_use]
    pub fn message_id(&self, body: &[u8]) -> String {
        let mut hasher = Xxh3Default::new();
        let token = self.token.as_deref().unwrap_or_default().as_bytes();
        for part in [token, body] {
            hasher.update(&part.len().to_le_bytes());
            hasher.update(part);
        }
        if let Kept::WithoutFields { sha256: BodyHash(hash) } = &self.kept {
            hasher.update(hash);
        }
        format!("{:032x}", hasher.digest128())
    }
}

/// Every refused request of one class: `rw.quarantine.named.>`.
#[must_use]
pub fn of_class(prefix: &Prefix, class: Class) -> String {
    format!("{prefix}.quarantine.{class}.>")
}

#[cfg(test)]
mod tests;
