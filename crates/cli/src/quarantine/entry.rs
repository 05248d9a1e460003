//! One refused request as it is stored, and how it is named.

use std::fmt;
use std::str::FromStr;

use async_nats::{HeaderMap, HeaderValue};
use bytes::Bytes;
use event::quarantine::{Class, Kept, Quarantined};
use serde_json::{Value, json};

use crate::output;

/// The header in which a server says how large a body is that it leaves out.
const SIZE: &str = "Nats-Msg-Size";

/// One refused request. Without its body when only headers were asked for.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) class: Class,
    pub(super) seq: u64,
    pub(super) record: Quarantined,
    pub(super) body: Bytes,
    stored_bytes: u64,
}

impl Entry {
    /// Reads a message; `None` for one that no receiver wrote.
    pub(super) fn of(class: Class, seq: u64, headers: &HeaderMap, body: Bytes) -> Option<Self> {
        match Quarantined::from_headers(|name| headers.get(name).map(HeaderValue::as_str)) {
            Ok(record) => {
                let size = headers.get(SIZE).and_then(|size| size.as_str().parse().ok());
                Some(Self { class, seq, record, stored_bytes: size.unwrap_or(body.len() as u64), body })
            }
            Err(error) => {
                tracing::warn!(%class, seq, %error, "a message in the quarantine is no refused request");
                None
            }
        }
    }

    pub(super) fn name(&self) -> String {
        format!("{}-{}", self.class, self.seq)
    }

    /// Bytes of the body as it was sent, where that is known.
    fn bytes(&self) -> Option<u64> {
        match self.record.kept {
            Kept::Cut { bytes } => bytes,
            Kept::Whole | Kept::WithoutFields { .. } => Some(self.stored_bytes),
        }
    }

    /// All but token and body.
    pub(super) fn to_json(&self) -> Value {
        let Quarantined { reason, words, peer, path, claimed, .. } = &self.record;
        json!({
            "ref": self.name(),
            "class": self.class.as_str(),
            "seq": self.seq,
            "received_at": output::time(self.record.received_at_ms),
            "reason": reason,
            "words": words,
            "key_name": claimed.api_key,
            "id": claimed.id,
            "type": claimed.kind,
            "key": claimed.key,
            "peer": peer,
            "path": path,
            "content_type": self.record.content_type,
            "user_agent": self.record.user_agent,
            "bytes": self.bytes(),
            "stored_bytes": self.stored_bytes,
            "body": kept(self.record.kept),
        })
    }
}

/// What there is of a body, in one word.
pub(super) fn kept(kept: Kept) -> &'static str {
    match kept {
        Kept::Whole => "whole",
        Kept::WithoutFields { .. } => "without_fields",
        Kept::Cut { .. } => "cut",
    }
}

/// How a refused request is named: its class and its sequence there, or the sequence alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(super) class: Option<Class>,
    pub(super) seq: u64,
}

impl FromStr for Reference {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is no refused request; write it as the list names it, such as named-17, or 17");
        let (class, seq) = match text.rsplit_once('-') {
            Some((class, seq)) => (Some(class.parse().map_err(|_| wrong())?), seq),
            None => (None, text),
        };
        Ok(Self { class, seq: seq.parse().map_err(|_| wrong())? })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.class {
            Some(class) => write!(f, "{class}-{}", self.seq),
            None => write!(f, "{}", self.seq),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_named_by_class_and_sequence_or_sequence_alone() {
        let read = |text: &str| text.parse::<Reference>();
        assert_eq!(read("named-17"), Ok(Reference { class: Some(Class::Named), seq: 17 }));
        assert_eq!(read("17"), Ok(Reference { class: None, seq: 17 }));
        for wrong in ["", "named", "known-17", "named-", "named-x", "-17"] {
            assert!(read(wrong).unwrap_err().contains("such as named-17"), "{wrong}");
        }
        assert_eq!(read("signed-1").unwrap().to_string(), "signed-1");
    }
}
