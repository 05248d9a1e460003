//! What follows an attempt: pure functions of its outcome, the attempts before it and the policy.

use crate::{AttemptState, Cause, Crash, Millis, Outcome, Retry, Settled};

/// A failure of the host is no attempt of the event: it runs again after this long.
const HOST_WAIT_MS: Millis = 1_000;

/// A handler that wishes to be called again at once is called again after this long, so that it cannot fill the history.
const LEAST_WISH_MS: Millis = 100;

/// A second run in vain waits so long, a third one twice as long, …
const CONFLICT_WAIT_MS: Millis = 10;
/// … up to this.
const LONGEST_CONFLICT_WAIT_MS: Millis = 1_000;

/// The runs of an event that were in vain since its last attempt: keys that they had read were changed before they could
/// be committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Conflicts {
    count: u32,
    /// When the first of them ended.
    since: Millis,
}

impl Conflicts {
    /// When the first of them ended; now if there was none.
    pub(crate) fn since(self, now: Millis) -> Millis {
        if self.count == 0 { now } else { self.since }
    }
}

/// What follows an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The event is settled.
    Settled(Settled),
    /// Another attempt, no earlier than `attempts.next_at`.
    Again(AttemptState),
    /// A dead letter.
    Dead(AttemptState, Cause),
    /// The host failed: the same attempt again at this time.
    HostAgain(Millis),
    /// It was in vain: the same attempt again at this time.
    InVain(Conflicts, Millis),
}

/// The attempt that ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    /// The attempts before it.
    pub(crate) before: AttemptState,
    /// When it began.
    pub(crate) started: Millis,
    /// When it ended.
    pub(crate) ended: Millis,
    /// It was announced to the handler as the last one.
    pub(crate) is_final: bool,
    /// For how long nothing could be tried since the first one: that does not count against `for`.
    pub(crate) stopped: Millis,
    /// The runs in vain before it.
    pub(crate) conflicts: Conflicts,
}

/// Judges an attempt; `draw` is from 0 up to 1 and spreads the wait.
pub(crate) fn judge(outcome: Outcome, attempt: &Attempt, policy: &Retry, draw: f64) -> Verdict {
    let mut after = attempt.before;
    after.made = after.made.saturating_add(1);
    if after.first_at == 0 {
        after.first_at = attempt.started;
    }
    match outcome {
        Outcome::Done => Verdict::Settled(Settled::Done),
        Outcome::Skipped => Verdict::Settled(Settled::Skipped),
        Outcome::Permanent => Verdict::Dead(after, Cause::Permanent),
        Outcome::HostFailed => Verdict::HostAgain(attempt.ended.saturating_add(HOST_WAIT_MS)),
        Outcome::Conflict => in_vain(after, attempt, policy, draw),
        Outcome::Crash(crash) => crashed(after, attempt, crash, policy, draw),
        Outcome::Retry { after_ms } => {
            after.retries = after.retries.saturating_add(1);
            let wait = match after_ms {
                None => spread(backoff(policy, after.retries), policy, draw),
                Some(wish) => Millis::from(wish).max(LEAST_WISH_MS.min(policy.initial_ms)).min(policy.max_ms),
            };
            after.next_at = attempt.ended.saturating_add(wait);
            let counted = after.next_at.saturating_sub(attempt.stopped);
            if attempt.is_final || counted > after.first_at.saturating_add(policy.for_ms) {
                Verdict::Dead(after, Cause::RetriesExhausted)
            } else {
                Verdict::Again(after)
            }
        }
    }
}

fn crashed(mut after: AttemptState, attempt: &Attempt, crash: Crash, policy: &Retry, draw: f64) -> Verdict {
    after.crashes = after.crashes.saturating_add(1);
    if after.crashes >= policy.crash_attempts.get() {
        return Verdict::Dead(after, Cause::Crashed(crash));
    }
    after.next_at = attempt.ended.saturating_add(spread(backoff(policy, after.crashes), policy, draw));
    Verdict::Again(after)
}

/// The first run in vain is repeated at once; later ones wait, each time longer, so that of many who want the same keys
/// one gets ahead.
fn in_vain(after: AttemptState, attempt: &Attempt, policy: &Retry, draw: f64) -> Verdict {
    let (count, since) = (attempt.conflicts.count, attempt.conflicts.since(attempt.ended));
    let wait = match count.checked_sub(1) {
        None => 0,
        Some(doublings) => {
            let factor = 1_u64.checked_shl(doublings).unwrap_or(u64::MAX);
            let wait = CONFLICT_WAIT_MS.saturating_mul(factor).min(LONGEST_CONFLICT_WAIT_MS).min(policy.max_ms);
            spread(wait, &Retry { jitter: 0.5, ..policy.clone() }, draw)
        }
    };
    let at = attempt.ended.saturating_add(wait);
    if at.saturating_sub(attempt.stopped) > since.saturating_add(policy.for_ms) {
        Verdict::Dead(after, Cause::Conflict)
    } else {
        Verdict::InVain(Conflicts { count: count.saturating_add(1), since }, at)
    }
}

/// Would a failure of the retry class be the last one, if an attempt began now? Nothing could be tried for `stopped` of
/// the time since the first one.
pub(crate) fn is_final(before: &AttemptState, now: Millis, stopped: Millis, policy: &Retry) -> bool {
    let first_at = if before.first_at == 0 { now } else { before.first_at };
    let wait = backoff(policy, before.retries.saturating_add(1));
    now.saturating_add(wait).saturating_sub(stopped) > first_at.saturating_add(policy.for_ms)
}

/// The wait after the n-th failure, before it is spread.
fn backoff(policy: &Retry, failures: u32) -> Millis {
    let doublings = failures.saturating_sub(1);
    let factor = 1_u64.checked_shl(doublings).unwrap_or(u64::MAX);
    policy.initial_ms.saturating_mul(factor).min(policy.max_ms)
}

/// Moves a wait up or down by up to the policy's share of it, never above the longest wait.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "waits are far below 2^52 ms, the factor is from 0 to 2, and a float cast saturates"
)]
fn spread(wait: Millis, policy: &Retry, draw: f64) -> Millis {
    let share = if policy.jitter.is_finite() { policy.jitter.clamp(0.0, 1.0) } else { 0.0 };
    let factor = 1.0 + share * (2.0 * draw - 1.0);
    ((wait as f64 * factor).round() as Millis).min(policy.max_ms)
}

#[cfg(test)]
mod tests;
