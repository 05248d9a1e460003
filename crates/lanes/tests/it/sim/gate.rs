//! What the gate must do, by a model of its own: it is judged, not trusted.

use std::collections::BTreeSet;
use std::sync::Arc;

use lanes::{Breaker, Millis, Outcome, Rules, Shard};

use super::oracle::{Judged, hold};

/// One process's view of its handler's breaker and rate.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate {
    failing: BTreeSet<(Shard, Arc<str>)>,
    open_since: Option<Millis>,
    probe: Option<(Shard, u64)>,
    /// Tokens that are left, and when.
    tokens: Option<(f64, Millis)>,
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
        let share = f64::from(shards) / f64::from(rate.shards.get());
        let each_ms = f64::from(rate.events.get()) / rate.per_ms as f64 * share;
        let most = 1.0 + 100.0 * each_ms;
        let (left, at) = self.tokens.unwrap_or((most, now));
        let left = (left + (now - at) as f64 * each_ms).min(most) - started.len() as f64;
        hold!(left > -0.01, "{} start where the rate has {left} tokens after them", started.len());
        self.tokens = Some((left, now));
        Ok(())
    }

    /// An invocation that somebody waits for ended.
    pub(crate) fn end(&mut self, now: Millis, rules: &Rules, run: (Shard, u64), key: &Arc<str>, outcome: Outcome) {
        self.probe = self.probe.filter(|&probe| probe != run);
        let Some(breaker) = &rules.breaker else { return };
        match outcome {
            Outcome::Done | Outcome::Skipped => self.failing.clear(),
            Outcome::Retry { .. } | Outcome::Crash(_) => {
                if self.failing.len() < breaker.keys.get() as usize {
                    self.failing.insert((run.0, key.clone()));
                }
            }
            Outcome::Permanent | Outcome::HostFailed => {}
        }
        self.open_or_close(now, breaker);
    }

    pub(crate) fn lose(&mut self, now: Millis, rules: &Rules, shard: Shard) {
        self.failing.retain(|(of, _)| *of != shard);
        self.probe = self.probe.filter(|(of, _)| *of != shard);
        if let Some(breaker) = &rules.breaker {
            self.open_or_close(now, breaker);
        }
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
