//! What became of one webhook.

use std::time::Duration;

use tokio::time::Instant;

use crate::sender::{Answer, SendError};

/// The end of one webhook, with everything that was tried.
#[derive(Debug)]
pub struct Delivery {
    /// The event's id; empty where the body has none.
    pub id: String,
    /// Whether it went out as an extra webhook, beside the one that every event has.
    pub extra: bool,
    /// When it was put into its queue.
    pub queued_at: Instant,
    /// When its fate was known.
    pub ended_at: Instant,
    /// Its attempts in order, at most as many as the rules have.
    pub attempts: Vec<Attempt>,
    /// How it ended.
    pub fate: Fate,
}

/// One request.
#[derive(Debug)]
pub struct Attempt {
    /// When it began.
    pub at: Instant,
    /// How long it took until its answer, or until it was known that there is none.
    pub took: Duration,
    /// The answer, or why there was none.
    pub answer: Result<Answer, SendError>,
}

/// How a webhook ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Answered with a status that is not tried again. For LiveKit it is delivered, even where the status is 4xx.
    Sent {
        /// The status.
        status: u16,
    },
    /// Every attempt failed.
    GaveUp,
    /// Never tried: its queue was full.
    DroppedFull,
    /// Never tried: it had waited too long for its turn.
    DroppedOld,
}

impl Delivery {
    /// Whether the receiver took the event: it answered 2xx.
    #[must_use]
    pub fn accepted(&self) -> bool {
        matches!(self.fate, Fate::Sent { status } if (200..300).contains(&status))
    }

    /// The last attempt's answer, or why there was none; `None` where nothing was tried.
    #[must_use]
    pub fn answer(&self) -> Option<Result<Answer, &SendError>> {
        self.attempts.last().map(|attempt| attempt.answer.as_ref().map(|answer| *answer))
    }
}
