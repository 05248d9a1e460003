//! What LiveKit's sender does next: pure decisions over an answer, an age and a depth.

use std::time::{Duration, SystemTime};

use crate::sender::{Answer, RetryAfter};

/// The limits of LiveKit's sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Most events that wait in one queue; the one on its way is not counted.
    pub max_depth: usize,
    /// An event that waited longer for its first attempt is dropped.
    pub max_age: Duration,
    /// The waits between attempts: one attempt more than there are waits.
    pub waits: Vec<Duration>,
    /// The longest wait that a `Retry-After` can ask for; `None` is any.
    pub longest_wait: Option<Duration>,
    /// How long an answer may take; `None` is for ever.
    pub answer_within: Option<Duration>,
    /// A queue that nothing was put into for so long is forgotten.
    pub idle: Duration,
}

impl Default for Rules {
    /// Those of livekit-server up to 1.13: it waits for an answer, and as long as `Retry-After` asks, without limit.
    fn default() -> Rules {
        Rules {
            max_depth: 200,
            max_age: Duration::from_secs(30),
            waits: [1, 2, 4, 8].map(Duration::from_secs).to_vec(),
            longest_wait: None,
            answer_within: None,
            idle: Duration::from_mins(5),
        }
    }
}

/// What came of one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// This answer.
    Answer(Answer),
    /// No answer: no connection, or it ended, or it took too long.
    Nothing,
}

/// What comes after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing: the event counts as sent, whatever the status is.
    Sent,
    /// Another attempt after this wait.
    Again(Duration),
    /// Nothing: that was the last attempt.
    GiveUp,
}

impl Rules {
    /// Those of the Go module `github.com/livekit/protocol` 1.54.0: an answer may take 10 s, a `Retry-After` counts up
    /// to 30 s. All else is as before.
    #[must_use]
    pub fn protocol_1_54() -> Rules {
        let (longest_wait, answer_within) = (Some(Duration::from_secs(30)), Some(Duration::from_secs(10)));
        Rules { longest_wait, answer_within, ..Rules::default() }
    }

    /// The same with one attempt only.
    #[must_use]
    pub fn without_retries(self) -> Rules {
        Rules { waits: Vec::new(), ..self }
    }

    /// Whether a queue in which so many events wait takes another one.
    #[must_use]
    pub fn has_room(&self, depth: usize) -> bool {
        depth < self.max_depth
    }

    /// Whether an event that waited so long is dropped unsent.
    #[must_use]
    pub fn is_stale(&self, waited: Duration) -> bool {
        waited > self.max_age
    }

    /// What comes after the attempt number `attempt`, counted from 1, when this was heard at `now`.
    #[must_use]
    pub fn next(&self, attempt: usize, heard: Heard, now: SystemTime) -> Next {
        let asked = match heard {
            Heard::Answer(answer) if !answer.is_retried() => return Next::Sent,
            Heard::Answer(answer) => answer.retry_after.filter(|_| matches!(answer.status, 429 | 503)),
            Heard::Nothing => None,
        };
        let Some(wait) = attempt.checked_sub(1).and_then(|n| self.waits.get(n)) else { return Next::GiveUp };
        let asked = asked.map(|after: RetryAfter| after.wait(now));
        let asked = asked.map(|asked| self.longest_wait.map_or(asked, |longest| asked.min(longest)));
        Next::Again(asked.unwrap_or(*wait))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn heard(status: u16, retry_after: &str) -> Heard {
        Heard::Answer(Answer { status, retry_after: RetryAfter::parse(retry_after) })
    }

    fn again(seconds: u64) -> Next {
        Next::Again(Duration::from_secs(seconds))
    }

    #[test]
    fn an_answer_of_429_or_from_500_except_501_is_tried_again_and_any_other_counts_as_sent() {
        for status in [429, 500, 502, 503, 504, 505, 599, 600, 999] {
            assert_eq!(Rules::default().next(1, heard(status, ""), NOW), again(1), "{status}");
        }
        for status in [200, 202, 204, 301, 304, 400, 401, 403, 404, 408, 413, 415, 501] {
            assert_eq!(Rules::default().next(1, heard(status, "9"), NOW), Next::Sent, "{status}");
        }
        assert_eq!(Rules::default().next(1, Heard::Nothing, NOW), again(1));
    }

    #[test]
    fn five_attempts_are_made_with_1_2_4_and_8_seconds_between_them() {
        let after = |attempt| Rules::default().next(attempt, Heard::Nothing, NOW);
        assert_eq!([1, 2, 3, 4, 5, 6].map(after), [again(1), again(2), again(4), again(8), Next::GiveUp, Next::GiveUp]);
        assert_eq!(Rules::default().without_retries().next(1, heard(503, "1"), NOW), Next::GiveUp);
    }

    #[test]
    fn retry_after_replaces_the_wait_on_429_and_503_only() {
        let date = "Thu, 01 Jan 1970 00:00:20 GMT";
        for (status, header, wait) in [
            (503, "20", 20),
            (429, "20", 20),
            (503, "0", 0),
            (503, date, 20),
            (503, "Thu, 01 Jan 1970 00:00:00 GMT", 0),
            (503, "400", 400),
            (503, "soon", 4),
            (500, "20", 4),
            (502, date, 4),
        ] {
            assert_eq!(Rules::default().next(3, heard(status, header), NOW), again(wait), "{status} {header:?}");
        }
        assert_eq!(Rules::default().next(5, heard(503, "20"), NOW), Next::GiveUp);
    }

    #[test]
    fn the_newer_sender_waits_at_most_30_s_and_gives_an_answer_10_s() {
        let rules = Rules::protocol_1_54();
        assert_eq!(rules.next(1, heard(503, "400"), NOW), again(30));
        assert_eq!(rules.next(1, heard(503, "29"), NOW), again(29));
        assert_eq!(rules.answer_within, Some(Duration::from_secs(10)));
        assert_eq!(Rules::default().answer_within, None);
    }

    #[test]
    fn the_200th_event_waits_and_the_201st_is_dropped() {
        assert!(Rules::default().has_room(199) && !Rules::default().has_room(200));
    }

    #[test]
    fn what_waited_just_30_s_is_sent_and_what_waited_longer_is_not() {
        let limit = Duration::from_secs(30);
        assert!(!Rules::default().is_stale(limit) && Rules::default().is_stale(limit + Duration::from_millis(1)));
    }
}
