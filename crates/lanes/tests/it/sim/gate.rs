//! What the gate must do, by a model of its own: it is judged, not trusted.

use std::collections::BTreeSet;
use std::sync::Arc;

use lanes::{Breaker, Millis, Outcome, Rules, Shard};

use super::oracle::{Judged, hold};

/// A token, in millionths.
const TOKEN: u64 = 1_000_000;

/// One process's view of its handler's breaker and rate.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate {
    failing: BTreeSet<(Shard, Arc<str>)>,
    open_since: Option<Millis>,
    probe: Option<(Shard, u64)>,
    /// Millionths of tokens that are left, and when.
    tokens: Option<(u64, Millis)>,
}

impl Gate {
    /// Something starts.
    pub(crate) fn start(&mut self, now: Millis, rules: &Rules, shards: u16, started: &[(Shard, u64)]) -> Judged {
        if let (Some(since), Some(breaker)) = (self.open_since, &rules.breaker) {
            hold!(started.len() == 1, "{} start while the breaker is open", started.len());
            hold!(self.probe.is_none(), "a second probe starts");
            hold!(now >= since + breaker.initial_ms, "a probe starts {} ms after the breaker opened", now - since);
            self.probe = started.first().copied();
        }
        let Some(rate) = &rules.rate else { return Ok(()) };
        let share = u64::from(rate.events.get()) * u64::from(shards) * TOKEN;
        let each_ms = share.div_ceil(rate.per_ms * u64::from(rate.shards.get()));
        // One, and what a burst of a tenth of a second has; a hair more, for what is rounded.
        let most = TOKEN + 100 * each_ms + TOKEN / 100;
        let (left, at) = self.tokens.unwrap_or((most, now));
        let (left, wanted) = ((left + (now - at) * each_ms).min(most), started.len() as u64 * TOKEN);
        hold!(left >= wanted, "{} start where the rate has {left} millionths of a token", started.len());
        self.tokens = Some((left - wanted, now));
        Ok(())
    }

    /// An invocation that somebody waits for ended. What that means is judged once all that ended with it has.
    pub(crate) fn end(&mut self, rules: &Rules, run: (Shard, u64), key: &Arc<str>, outcome: Outcome) {
        self.probe = self.probe.filter(|&probe| probe != run);
        let Some(breaker) = &rules.breaker else { return };
        match outcome {
            Outcome::Done | Outcome::Skipped => self.failing.clear(),
            Outcome::Retry { .. } | Outcome::Crash(_) => {
                if self.failing.len() < breaker.keys.get() as usize {
                    self.failing.insert((run.0, key.clone()));
                }
            }
            Outcome::Permanent | Outcome::HostFailed | Outcome::Conflict => {}
        }
    }

    /// Some invocations ended at this time.
    pub(crate) fn judge(&mut self, now: Millis, rules: &Rules) {
        if let Some(breaker) = &rules.breaker {
            self.open_or_close(now, breaker);
        }
    }

    pub(crate) fn lose(&mut self, now: Millis, rules: &Rules, shard: Shard) {
        self.failing.retain(|(of, _)| *of != shard);
        self.probe = self.probe.filter(|(of, _)| *of != shard);
        self.judge(now, rules);
    }

    pub(crate) fn new_rate(&mut self) {
        self.tokens = None;
    }

    fn open_or_close(&mut self, now: Millis, breaker: &Breaker) {
        if self.failing.len() >= breaker.keys.get() as usize {
            self.open_since.get_or_insert(now);
        } else {
            self.open_since = None;
            self.probe = None;
        }
    }
}
