//! An event's envelope: all that is known about it besides its body, and how NATS headers carry that.

use std::borrow::Cow;

use jiff::Timestamp;

use crate::name::NameError;
use crate::{BodyHash, EventId, OrderingKey, Prefix, Project, header, subject};

/// Longest event type in bytes: LiveKit's have about thirty.
pub const MAX_KIND_BYTES: usize = 1024;
/// Where the request's `Content-Type` and `User-Agent` are cut.
const MAX_TEXT_BYTES: usize = 512;

/// All that is known about an event besides its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The id that LiveKit gave to it.
    pub id: EventId,
    /// The event's name exactly as sent, known or not.
    pub kind: String,
    /// Whose event it is.
    pub project: Project,
    /// What it is ordered by.
    pub key: OrderingKey,
    /// `createdAt` in Unix seconds; 0 when the event has none.
    pub created_at: i64,
    /// When the receiver accepted it, in Unix milliseconds.
    pub received_at_ms: u64,
    /// Name of the API key that signed it.
    pub api_key: String,
    /// `Content-Type` of the request.
    pub content_type: Option<String>,
    /// `User-Agent` of the request.
    pub user_agent: Option<String>,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// Whether it waited in the receiver's spool.
    pub spooled: bool,
    /// Hash of the body as it was signed, when the stored one lacks fields that `privacy.drop` names.
    pub body_sha256: Option<BodyHash>,
}

/// Why a message's headers are not those of an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A header that every event has is not there.
    #[error("the header {name} is missing: only a receiver may publish to the event streams")]
    Missing {
        /// Its name.
        name: &'static str,
    },
    /// A value is not percent-encoded UTF-8.
    #[error("the header {name} is not percent-encoded UTF-8: {value:?}")]
    Encoding {
        /// Its name.
        name: &'static str,
        /// Its value, cut after 80 characters.
        value: String,
    },
    /// A value breaks the rule of its kind.
    #[error("the header {name} has a bad value")]
    Name {
        /// Its name.
        name: &'static str,
        /// The rule that it breaks.
        #[source]
        source: NameError,
    },
    /// A value is not a SHA-256.
    #[error("the header {name} is not a SHA-256 of 64 lower-case hex digits: {value:?}")]
    Hash {
        /// Its name.
        name: &'static str,
        /// Its value, cut after 80 characters.
        value: String,
    },
    /// A time is not RFC 3339.
    #[error("the header {name} is not a time of RFC 3339: {value:?}")]
    Time {
        /// Its name.
        name: &'static str,
        /// Its value, cut after 80 characters.
        value: String,
    },
}

impl Envelope {
    /// The headers of the event, values encoded. Together they never exceed [`header::ROOM`] as long as `kind` keeps to
    /// [`MAX_KIND_BYTES`].
    #[must_use]
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = Vec::with_capacity(16);
        self.each_header(|name, value| headers.push((name, value.into_owned())));
        headers
    }

    /// Gives every header of [`Envelope::headers`], each name once, in the same order.
    pub fn each_header(&self, mut put: impl FnMut(&'static str, Cow<'_, str>)) {
        let key = header::encode(self.key.as_str());
        put(header::NATS_MSG_ID, self.message_id().into());
        put(header::CE_SPECVERSION, "1.0".into());
        put(header::CE_ID, header::encode(self.id.as_str()));
        put(header::CE_TYPE, header::encode(&self.kind));
        put(header::CE_SOURCE, format!("livekit/{}", self.project).into());
        put(header::CE_SUBJECT, Cow::Borrowed(&key));
        put(header::RW_PROJECT, self.project.as_str().into());
        put(header::RW_KEY, Cow::Borrowed(&key));
        put(header::RW_RECEIVED_AT, received_at(self.received_at_ms).into());
        put(header::RW_API_KEY, header::encode(&self.api_key));
        if let (1.., Ok(time)) = (self.created_at, Timestamp::from_second(self.created_at)) {
            put(header::CE_TIME, time.to_string().into());
        }
        let texts = [
            (header::RW_CONTENT_TYPE, &self.content_type),
            (header::RW_USER_AGENT, &self.user_agent),
            (header::TRACEPARENT, &self.traceparent),
        ];
        for (name, value) in texts {
            if let Some(value) = value {
                put(name, header::encode(header::cut(value, MAX_TEXT_BYTES)));
            }
        }
        if self.spooled {
            put(header::RW_SPOOLED, "true".into());
        }
        if let Some(hash) = self.body_sha256 {
            put(header::RW_BODY_SHA256, hash.to_string().into());
        }
    }

    /// The id by which JetStream recognises a repeat. Different for every (project, id).
    #[must_use]
    pub fn message_id(&self) -> String {
        let id = header::encode_id(self.id.as_str());
        if self.project.is_default() { id.into_owned() } else { format!("{}/{id}", self.project) }
    }

    /// The subject of the event in its shard.
    #[must_use]
    pub fn subject(&self, prefix: &Prefix, shard: u16) -> String {
        subject::of_type(prefix, shard, &self.kind)
    }

    /// The envelope that a message's headers carry.
    ///
    /// # Errors
    /// When a header that every event has is missing or cannot be read.
    pub fn from_headers<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Result<Envelope, DecodeError> {
        let optional = |name: &'static str| get(name).map(|value| decoded(name, value)).transpose();
        let required = |name: &'static str| optional(name)?.ok_or(DecodeError::Missing { name });
        let owned = |text: Option<Cow<'a, str>>| text.map(Cow::into_owned);
        let created_at = match optional(header::CE_TIME)? {
            Some(text) => time(header::CE_TIME, &text)?.as_second(),
            None => 0,
        };
        let received_at = time(header::RW_RECEIVED_AT, &required(header::RW_RECEIVED_AT)?)?;
        Ok(Envelope {
            id: EventId::try_from(&*required(header::CE_ID)?).map_err(bad(header::CE_ID))?,
            kind: required(header::CE_TYPE)?.into_owned(),
            project: Project::try_from(&*required(header::RW_PROJECT)?).map_err(bad(header::RW_PROJECT))?,
            key: OrderingKey::try_from(&*required(header::RW_KEY)?).map_err(bad(header::RW_KEY))?,
            created_at,
            received_at_ms: u64::try_from(received_at.as_millisecond()).unwrap_or_default(),
            api_key: owned(optional(header::RW_API_KEY)?).unwrap_or_default(),
            content_type: owned(optional(header::RW_CONTENT_TYPE)?),
            user_agent: owned(optional(header::RW_USER_AGENT)?),
            traceparent: owned(optional(header::TRACEPARENT)?),
            spooled: get(header::RW_SPOOLED) == Some("true"),
            body_sha256: get(header::RW_BODY_SHA256).map(|text| body_hash(header::RW_BODY_SHA256, text)).transpose()?,
        })
    }
}

pub(crate) fn received_at(ms: u64) -> String {
    let time = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or(Timestamp::MAX);
    format!("{time:.3}")
}

pub(crate) fn decoded<'a>(name: &'static str, value: &'a str) -> Result<Cow<'a, str>, DecodeError> {
    header::decode(value).ok_or_else(|| DecodeError::Encoding { name, value: value.chars().take(80).collect() })
}

pub(crate) fn body_hash(name: &'static str, value: &str) -> Result<BodyHash, DecodeError> {
    BodyHash::parse(value).ok_or_else(|| DecodeError::Hash { name, value: value.chars().take(80).collect() })
}

pub(crate) fn time(name: &'static str, value: &str) -> Result<Timestamp, DecodeError> {
    value.parse().map_err(|_| DecodeError::Time { name, value: value.chars().take(80).collect() })
}

fn bad(name: &'static str) -> impl Fn(NameError) -> DecodeError {
    move |source| DecodeError::Name { name, source }
}

#[cfg(test)]
mod tests;
