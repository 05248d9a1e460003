//! The gate before every start: pause, breaker and rate. While it is shut no attempt is spent.

mod rate;
mod stops;

use std::collections::BTreeSet;
use std::sync::Arc;

use self::rate::Bucket;
use self::stops::Stops;
use crate::{Breaker, BreakerState, GateState, Millis, Outcome, Rules, Shard};

/// A breaker that was open for less is not told of: it costs an event that much of its `for` at most.
const TELL_AFTER_MS: Millis = 1_000;

/// How far behind the truth is what was told of a breaker that stays open.
const TELL_EACH_MS: Millis = 30_000;

/// A lane, wherever it is.
pub(crate) type Key = (Shard, Arc<str>);

/// Whether something may start, and for how long nothing could.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    paused_since: Option<Millis>,
    open_since: Option<Millis>,
    /// Up to when the open breaker was told of.
    told: Option<Millis>,
    /// Keys of which an attempt failed since the last one of any key that did not; no more than the breaker counts.
    failing: BTreeSet<Key>,
    /// The invocation that tries whether things are well again.
    probe: Option<(Shard, u64)>,
    probe_at: Millis,
    /// The wait before the next probe; 0 while nothing failed.
    wait: Millis,
    bucket: Bucket,
    stops: Stops,
}

impl Gate {
    pub(crate) fn pause(&mut self, since: Millis) {
        self.paused_since.get_or_insert(since);
    }

    pub(crate) fn resume(&mut self, now: Millis) {
        if let Some(since) = self.paused_since.take() {
            self.stops.add(since, now);
        }
    }

    /// Nothing was tried in this time, by this machine's predecessors or by other runners.
    pub(crate) fn stopped(&mut self, from: Millis, until: Millis) {
        self.stops.add(from, until);
    }

    /// For how much of this time nothing could be tried. `until` is not in the future.
    pub(crate) fn stopped_between(&self, from: Millis, until: Millis) -> Millis {
        let current = self.paused_since.into_iter().chain(self.open_since).min();
        self.stops.between(from, until, current)
    }

    /// May another invocation start now?
    pub(crate) fn lets(&self, now: Millis) -> bool {
        let probing = self.open_since.is_none() || (self.probe.is_none() && self.probe_at <= now);
        self.paused_since.is_none() && probing && self.bucket.has(now)
    }

    /// May more be pulled? `idle` says that nothing in hand could be the probe.
    pub(crate) fn pulls(&self, breaker: Option<&Breaker>, idle: bool) -> bool {
        let full = self.open_since.is_some() && breaker.is_some_and(|breaker| self.is_full(breaker));
        self.paused_since.is_none() && (!full || (idle && self.probe.is_none()))
    }

    /// An invocation starts.
    pub(crate) fn started(&mut self, now: Millis, shard: Shard, invocation: u64, rules: &Rules, shards: usize) {
        if self.open_since.is_some() {
            self.probe = Some((shard, invocation));
        }
        if let Some(rate) = &rules.rate {
            self.bucket.take(now, rate, shards);
        }
    }

    /// An invocation ended, whatever becomes of what it brings.
    pub(crate) fn ended(&mut self, now: Millis, invocation: u64, key: Key, outcome: Outcome, rules: &Rules) {
        let probed = self.probe.take_if(|(_, probe)| *probe == invocation).is_some();
        let Some(breaker) = &rules.breaker else { return };
        match outcome {
            Outcome::Done | Outcome::Skipped => {
                self.failing.clear();
                self.wait = 0;
            }
            Outcome::Retry { .. } | Outcome::Crash(_) => {
                if !self.is_full(breaker) {
                    self.failing.insert(key);
                }
                if probed {
                    self.wait = self.wait.saturating_mul(2).min(breaker.max_ms);
                } else if self.open_since.is_none() {
                    self.wait = self.wait.max(breaker.initial_ms);
                } else {
                    // It began before the breaker opened.
                    return;
                }
                self.probe_at = now.saturating_add(self.wait);
            }
            // It says nothing of what is tried: the next one may be the probe at once.
            Outcome::Permanent | Outcome::Conflict => {}
            Outcome::HostFailed => {
                if probed {
                    self.probe_at = now.saturating_add(self.wait);
                }
            }
        }
    }

    /// A shard is not ours any more.
    pub(crate) fn lose(&mut self, shard: Shard) {
        self.failing.retain(|(of, _)| *of != shard);
        self.probe = self.probe.filter(|(of, _)| *of != shard);
        if self.failing.is_empty() {
            self.wait = 0;
        }
    }

    /// The rate is another one from now on.
    pub(crate) fn refill(&mut self) {
        self.bucket = Bucket::default();
    }

    /// Opens or closes the breaker. `all_fail` says whether every lane that has something to do is among those given;
    /// `None` if there is no such lane, and so nothing to stop. Answers a time of which is to be told that nothing was tried in it.
    pub(crate) fn judge(
        &mut self,
        now: Millis,
        breaker: Option<&Breaker>,
        all_fail: impl FnOnce(&BTreeSet<Key>) -> Option<bool>,
    ) -> Option<(Millis, Millis)> {
        let all = if self.failing.is_empty() { None } else { all_fail(&self.failing) };
        let open = breaker.zip(all).is_some_and(|(breaker, all)| all || self.is_full(breaker));
        match self.open_since {
            None if open => {
                self.open_since = Some(now);
                None
            }
            Some(since) if !open => {
                self.open_since = None;
                self.probe = None;
                self.stops.add(since, now);
                let told = self.told.take().is_some() || now.saturating_sub(since) >= TELL_AFTER_MS;
                told.then_some((since, now))
            }
            Some(since) if self.tell_at().is_some_and(|at| at <= now) => {
                self.told = Some(now);
                Some((since, now))
            }
            _ => None,
        }
    }

    fn is_full(&self, breaker: &Breaker) -> bool {
        self.failing.len() >= breaker.keys.get() as usize
    }

    fn tell_at(&self) -> Option<Millis> {
        let since = self.open_since?;
        Some(self.told.map_or(since.saturating_add(TELL_AFTER_MS), |told| told.saturating_add(TELL_EACH_MS)))
    }

    /// When it must be looked at again; `ready` says that something waits at it.
    pub(crate) fn next_wake(&self, now: Millis, ready: bool) -> Option<Millis> {
        let probe = (self.open_since.is_some() && self.probe.is_none() && self.probe_at > now).then_some(self.probe_at);
        let token = if ready && probe.is_none() { self.bucket.next(now) } else { None };
        let starts = if self.paused_since.is_none() { probe.or(token) } else { None };
        starts.into_iter().chain(self.tell_at()).min()
    }

    pub(crate) fn state(&self) -> GateState {
        let breaker = match (self.open_since, self.probe) {
            (None, _) => BreakerState::Closed,
            (Some(_), None) => BreakerState::Open,
            (Some(_), Some(_)) => BreakerState::Probing,
        };
        GateState {
            paused_since: self.paused_since,
            breaker,
            open_since: self.open_since,
            failing_keys: u32::try_from(self.failing.len()).unwrap_or(u32::MAX),
        }
    }
}
