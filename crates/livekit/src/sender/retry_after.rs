//! `Retry-After` of an answer: whole seconds, or a date.

use std::time::{Duration, SystemTime};

/// When a receiver asks to be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// So long after the answer.
    In(Duration),
    /// At this time.
    At(SystemTime),
}

impl RetryAfter {
    /// Reads the header's value; what is neither a number of seconds nor an HTTP date counts as absent.
    #[must_use]
    pub fn parse(value: &str) -> Option<RetryAfter> {
        match value.parse::<u64>() {
            Ok(seconds) => Some(RetryAfter::In(Duration::from_secs(seconds))),
            Err(_) => httpdate::parse_http_date(value).ok().map(RetryAfter::At),
        }
    }

    /// How long that is from `now`; a date that is over is no wait at all.
    #[must_use]
    pub fn wait(self, now: SystemTime) -> Duration {
        match self {
            RetryAfter::In(wait) => wait,
            RetryAfter::At(then) => then.duration_since(now).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_seconds_and_dates_are_understood_and_anything_else_counts_as_absent() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (value, wait) in [
            ("0", Some(0)),
            ("7", Some(7)),
            ("86400", Some(86_400)),
            ("Sun, 06 Nov 1994 08:49:40 GMT", Some(3)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
            ("Sat, 05 Nov 1994 08:49:37 GMT", Some(0)),
            ("-1", None),
            ("1.5", None),
            ("", None),
            ("soon", None),
        ] {
            let read = RetryAfter::parse(value).map(|after| after.wait(now));
            assert_eq!(read, wait.map(Duration::from_secs), "{value:?}");
        }
    }
}
