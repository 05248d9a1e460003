//! The ordering key: events of one key are handled in the order in which a receiver accepted them.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::name::NameError;

/// What an event is ordered by: mostly the room's name. 1 to 1,024 bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OrderingKey(Arc<str>);

/// The fields of an event that a key can come from; absent and empty mean the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyFields<'a> {
    /// `egressInfo.egressId`
    pub egress_id: Option<&'a str>,
    /// `ingressInfo.ingressId`
    pub ingress_id: Option<&'a str>,
    /// `room.name`
    pub room_name: Option<&'a str>,
    /// `participant.identity`
    pub identity: Option<&'a str>,
    /// `track.sid`
    pub track_sid: Option<&'a str>,
    /// `job.room.name`
    pub job_room_name: Option<&'a str>,
    /// `job.id`
    pub job_id: Option<&'a str>,
}

impl OrderingKey {
    /// Longest key in bytes; a longer one is cut and ends in a hash of the whole.
    pub const MAX_BYTES: usize = 1024;

    /// The key of an event: the first of the fields, in the order of [`KeyFields`], that is there and not empty.
    ///
    /// The first five are the rule by which LiveKit queues its webhooks, so every order that LiveKit keeps is kept. Where
    /// LiveKit falls back to one common queue (agent jobs) the job's room, then the job, is used instead; `default` is
    /// what remains.
    #[must_use]
    pub fn of(fields: &KeyFields<'_>) -> OrderingKey {
        let KeyFields { egress_id, ingress_id, room_name, identity, track_sid, job_room_name, job_id } = *fields;
        let key = [egress_id, ingress_id, room_name, identity, track_sid, job_room_name, job_id]
            .into_iter()
            .flatten()
            .find(|text| !text.is_empty())
            .unwrap_or("default");
        OrderingKey(bounded(key))
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Names of LiveKit have at most 256 bytes unless its limits are raised. A key travels in headers and indexes, so an
/// absurdly long one is cut; the hash keeps different keys different.
fn bounded(key: &str) -> Arc<str> {
    if key.len() <= OrderingKey::MAX_BYTES {
        return Arc::from(key);
    }
    let tail = format!("~{:032x}", xxhash_rust::xxh3::xxh3_128(key.as_bytes()));
    let mut cut = OrderingKey::MAX_BYTES - tail.len();
    while !key.is_char_boundary(cut) {
        cut -= 1;
    }
    Arc::from(format!("{}{tail}", key.get(..cut).unwrap_or_default()))
}

impl TryFrom<&str> for OrderingKey {
    type Error = NameError;
    fn try_from(text: &str) -> Result<Self, NameError> {
        if (1..=OrderingKey::MAX_BYTES).contains(&text.len()) {
            Ok(OrderingKey(Arc::from(text)))
        } else {
            Err(NameError::new("ordering key", text, "a key has 1 to 1024 bytes"))
        }
    }
}

impl TryFrom<String> for OrderingKey {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        OrderingKey::try_from(text.as_str())
    }
}

impl From<OrderingKey> for String {
    fn from(key: OrderingKey) -> String {
        key.0.as_ref().to_owned()
    }
}

impl AsRef<str> for OrderingKey {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OrderingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for OrderingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> KeyFields<'static> {
        KeyFields {
            egress_id: Some("EG_1"),
            ingress_id: Some("IN_1"),
            room_name: Some("room"),
            identity: Some("alice"),
            track_sid: Some("TR_1"),
            job_room_name: Some("job room"),
            job_id: Some("AJ_1"),
        }
    }

    #[test]
    fn the_first_field_that_is_there_wins() {
        let mut fields = all();
        let mut take = |expected: &str, clear: fn(&mut KeyFields<'static>)| {
            assert_eq!(OrderingKey::of(&fields).as_str(), expected);
            clear(&mut fields);
        };
        take("EG_1", |f| f.egress_id = None);
        take("IN_1", |f| f.ingress_id = Some(""));
        take("room", |f| f.room_name = Some(""));
        take("alice", |f| f.identity = None);
        take("TR_1", |f| f.track_sid = Some(""));
        take("job room", |f| f.job_room_name = None);
        take("AJ_1", |f| f.job_id = Some(""));
        take("default", |_| ());
    }

    #[test]
    fn a_long_key_is_cut_at_a_character_and_stays_distinct() {
        let of = |name: &str| OrderingKey::of(&KeyFields { room_name: Some(name), ..KeyFields::default() });
        let fits = "x".repeat(OrderingKey::MAX_BYTES);
        assert_eq!(of(&fits).as_str(), fits);
        let (a, b) = (of(&format!("{}a", "ü".repeat(600))), of(&format!("{}b", "ü".repeat(600))));
        assert_ne!(a, b);
        assert!(a.as_str().len() <= OrderingKey::MAX_BYTES && a.as_str().starts_with("üü"));
        assert_eq!(OrderingKey::try_from(a.as_str()), Ok(a));
    }
}
