//! Which events are meant.

use std::time::Duration;

use async_nats::jetstream::consumer::DeliverPolicy;
use jiff::{SignedDuration, Timestamp};
use time::OffsetDateTime;

use super::FilterFlags;
use super::row::Row;

/// Which events are meant.
#[derive(Debug)]
pub(super) struct Filter {
    pub(super) kind: Option<String>,
    pub(super) room: Option<String>,
    pub(super) key: Option<String>,
    pub(super) since: Option<Timestamp>,
}

impl Filter {
    pub(super) fn new(flags: FilterFlags) -> Self {
        let FilterFlags { kind, room, key, since } = flags;
        Self { kind, room, key, since }
    }

    /// The room's name stands only in the body.
    pub(super) fn needs_body(&self) -> bool {
        self.room.is_some()
    }

    /// Whether every event is meant, so that only the newest need be read.
    pub(super) fn takes_all(&self) -> bool {
        self.kind.is_none() && self.room.is_none() && self.key.is_none() && self.since.is_none()
    }

    /// Where reading begins when nothing else says so.
    pub(super) fn from(&self, otherwise: DeliverPolicy) -> DeliverPolicy {
        let start = self.since.and_then(|since| OffsetDateTime::from_unix_timestamp_nanos(since.as_nanosecond()).ok());
        start.map_or(otherwise, |start_time| DeliverPolicy::ByStartTime { start_time })
    }

    pub(super) fn takes(&self, row: &Row) -> bool {
        let same = |wanted: &Option<String>, found: Option<&str>| wanted.is_none() || wanted.as_deref() == found;
        same(&self.kind, Some(&row.kind)) && same(&self.room, row.room.as_deref()) && same(&self.key, Some(&row.key))
    }
}

/// A time, or how long ago it was.
pub(crate) fn since(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let wrong = || format!("`{text}` is no time; write `2026-01-31T12:00:00Z`, or how long ago it was, such as `10m`");
    let ago: Duration = text.parse::<SignedDuration>().ok().and_then(|ago| ago.try_into().ok()).ok_or_else(wrong)?;
    Timestamp::now().checked_sub(ago).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_time_or_how_long_ago() {
        assert_eq!(since("2026-01-31T12:00:00Z").unwrap().as_second(), 1_769_860_800);
        let ago = Timestamp::now().as_second() - since("10m").unwrap().as_second();
        assert!((599..=601).contains(&ago), "{ago}");
        assert_eq!(
            since("lately").unwrap_err(),
            "`lately` is no time; write `2026-01-31T12:00:00Z`, or how long ago it was, such as `10m`"
        );
        assert!(since("-5m").is_err());
    }
}
