//! Which refused requests are meant.

use async_nats::jetstream::consumer::DeliverPolicy;
use event::quarantine::Class;
use jiff::Timestamp;
use time::OffsetDateTime;

use super::entry::Entry;

/// Which refused requests are meant.
#[derive(Debug, Default)]
pub(super) struct Filter {
    pub(super) reason: Option<String>,
    pub(super) key_name: Option<String>,
    pub(super) class: Option<Class>,
    pub(super) since: Option<Timestamp>,
}

impl Filter {
    pub(super) fn takes(&self, entry: &Entry) -> bool {
        let same = |wanted: &Option<String>, found: Option<&str>| wanted.is_none() || wanted.as_deref() == found;
        let received = i64::try_from(entry.record.received_at_ms).unwrap_or(i64::MAX);
        same(&self.reason, Some(&entry.record.reason))
            && same(&self.key_name, entry.record.claimed.api_key.as_deref())
            && self.since.is_none_or(|since| since.as_millisecond() <= received)
    }

    pub(super) fn takes_class(&self, class: Class) -> bool {
        self.class.is_none_or(|wanted| wanted == class)
    }

    /// Where reading a stream begins that ends with sequence `last`: where nothing is filtered, only the newest are read.
    pub(super) fn from(&self, last: u64, limit: usize) -> DeliverPolicy {
        if self.reason.is_none() && self.key_name.is_none() && self.since.is_none() {
            let wanted = u64::try_from(limit).unwrap_or(u64::MAX);
            return DeliverPolicy::ByStartSequence { start_sequence: last.saturating_sub(wanted).saturating_add(1) };
        }
        // A receiver notes the time of arrival before it stores, by a clock of its own.
        let since = self.since.and_then(|since| since.checked_sub(CLOCKS).ok());
        let start = since.and_then(|since| OffsetDateTime::from_unix_timestamp_nanos(since.as_nanosecond()).ok());
        start.map_or(DeliverPolicy::All, |start_time| DeliverPolicy::ByStartTime { start_time })
    }
}

/// So far the clocks of receivers and servers may differ.
const CLOCKS: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);
