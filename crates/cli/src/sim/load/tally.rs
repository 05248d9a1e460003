//! Counts what became of each webhook.

use std::collections::BTreeMap;

use hdrhistogram::CreationError;
use livekit::notifier::{Delivery, Fate};

use super::times::Times;

/// What became of the webhooks that have ended.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) delivered: u64,
    /// Of those, how many were copies.
    pub(super) copies_delivered: u64,
    /// By status: what LiveKit would take for delivered.
    pub(super) refused: BTreeMap<u16, u64>,
    /// Those that a receiver is right to refuse.
    pub(super) rightly_refused: u64,
    pub(super) dropped_full: u64,
    pub(super) dropped_old: u64,
    /// By what came of the last attempt: a status, or `no answer`.
    pub(super) gave_up: BTreeMap<String, u64>,
    pub(super) attempts: u64,
    /// From a request to its answer.
    pub(super) answers: Times,
    /// From when an event was handed over until it was accepted: the wait for those before it, and its retries, too.
    pub(super) deliveries: Times,
}

impl Tally {
    pub(super) fn new() -> Result<Self, CreationError> {
        Ok(Self {
            delivered: 0,
            copies_delivered: 0,
            refused: BTreeMap::new(),
            rightly_refused: 0,
            dropped_full: 0,
            dropped_old: 0,
            gave_up: BTreeMap::new(),
            attempts: 0,
            answers: Times::new()?,
            deliveries: Times::new()?,
        })
    }

    /// One webhook has ended. `may_be_refused` where its token is made by a clock that is too far ahead.
    pub(super) fn add(&mut self, delivery: &Delivery, may_be_refused: bool) {
        self.attempts += u64::try_from(delivery.attempts.len()).unwrap_or_default();
        for attempt in delivery.attempts.iter().filter(|attempt| attempt.answer.is_ok()) {
            self.answers.add(attempt.took);
        }
        match delivery.fate {
            Fate::Sent { .. } if delivery.accepted() => {
                self.delivered += 1;
                self.copies_delivered += u64::from(delivery.extra);
                self.deliveries.add(delivery.ended_at.duration_since(delivery.queued_at));
            }
            Fate::Sent { status: 401 } if may_be_refused => self.rightly_refused += 1,
            Fate::Sent { status } => *self.refused.entry(status).or_default() += 1,
            Fate::DroppedFull => self.dropped_full += 1,
            Fate::DroppedOld => self.dropped_old += 1,
            Fate::GaveUp => {
                let last = delivery.answer().and_then(Result::ok).map(|answer| answer.status.to_string());
                *self.gave_up.entry(last.unwrap_or_else(|| "no answer".to_owned())).or_default() += 1;
            }
        }
    }

    /// How many webhooks ended in another way than they must.
    pub(super) fn failed(&self) -> u64 {
        self.refused.values().chain(self.gave_up.values()).sum::<u64>() + self.dropped_full + self.dropped_old
    }

    /// How many have ended.
    pub(super) fn ended(&self) -> u64 {
        self.delivered + self.rightly_refused + self.failed()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use livekit::notifier::Attempt;
    use livekit::sender::{Answer, SendError};
    use tokio::time::Instant;

    use super::*;

    /// The answer `None` is none at all; without attempts nothing was tried.
    fn delivery(fate: Fate, answers: &[Option<u16>]) -> Delivery {
        let (now, took) = (Instant::now(), Duration::ZERO);
        let attempt = |status: &Option<u16>| Attempt {
            at: now,
            took,
            answer: status
                .map(|status| Answer { status, retry_after: None })
                .ok_or(SendError::Timeout { within: took }),
        };
        let attempts = answers.iter().map(attempt).collect();
        Delivery { id: String::new(), extra: false, queued_at: now, ended_at: now, attempts, fate }
    }

    #[test]
    fn every_end_is_counted_once_and_only_a_wrong_clock_excuses_a_401() {
        let mut tally = Tally::new().unwrap();
        tally.add(&delivery(Fate::Sent { status: 200 }, &[Some(200)]), false);
        assert_eq!((tally.delivered, tally.failed()), (1, 0));
        tally.add(&delivery(Fate::Sent { status: 401 }, &[Some(401)]), true);
        assert_eq!((tally.rightly_refused, tally.failed()), (1, 0));
        tally.add(&delivery(Fate::Sent { status: 401 }, &[Some(401)]), false);
        tally.add(&delivery(Fate::Sent { status: 400 }, &[Some(400)]), true);
        tally.add(&delivery(Fate::GaveUp, &[Some(503)]), false);
        tally.add(&delivery(Fate::GaveUp, &[None]), false);
        tally.add(&delivery(Fate::DroppedFull, &[]), false);
        tally.add(&delivery(Fate::DroppedOld, &[]), false);
        assert_eq!((tally.failed(), tally.ended(), tally.attempts), (6, 8, 6));
        assert_eq!(tally.refused, [(400, 1), (401, 1)].into());
        assert_eq!(tally.gave_up, [("503".to_owned(), 1), ("no answer".to_owned(), 1)].into());
    }
}
