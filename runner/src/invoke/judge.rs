//! What a guest did, and what that means for the event.

use lanes::{Crash, Outcome};
use wasmtime::component::ResourceTableError;

use super::Broken;
use super::words::last_words;
use crate::bindings::roomwire::plugin::event_types as wit;
use crate::host::{HANDLES, HOSTCALL_BYTES, Host, HostLimit};

/// Bytes of an error text that are kept.
const ERROR_BYTES: usize = 16 << 10;

/// What an invocation was.
pub(super) struct Judgement {
    pub(super) outcome: Outcome,
    /// Goes into metrics and records.
    pub(super) name: &'static str,
    pub(super) error: Option<String>,
    pub(super) backtrace: Option<String>,
}

impl Judgement {
    fn new(outcome: Outcome, name: &'static str, error: Option<String>) -> Self {
        Self { outcome, name, error: error.map(cut), backtrace: None }
    }

    fn trap(outcome: Outcome, name: &'static str, error: String, trap: &wasmtime::Error) -> Self {
        let backtrace = trap.downcast_ref::<wasmtime::WasmBacktrace>().map(|trace| cut(trace.to_string()));
        Self { outcome, name, error: Some(cut(error)), backtrace }
    }
}

/// The one table from what a guest did to what it means.
pub(super) fn judge(result: Result<Result<wit::Outcome, wit::Failure>, Broken>, host: &Host) -> Judgement {
    let judgement = match result {
        Ok(Ok(wit::Outcome::Done)) => return Judgement::new(Outcome::Done, "done", None),
        Ok(Ok(wit::Outcome::Skipped(why))) => return Judgement::new(Outcome::Skipped, "skipped", Some(why)),
        Ok(Err(wit::Failure::Retry(hint))) => {
            Judgement::new(Outcome::Retry { after_ms: hint.after_ms }, "retry", Some(hint.reason))
        }
        Ok(Err(wit::Failure::Permanent(why))) => Judgement::new(Outcome::Permanent, "permanent", Some(why)),
        Err(Broken::NoInstance(error)) if host.limits.denied => out_of_memory(&error),
        Err(Broken::NoInstance(error)) => Judgement::new(Outcome::HostFailed, "host_failed", Some(chain(&error))),
        Err(Broken::TimedOut { computing: true }) => {
            let text = "still computing when its `timeout` ran out".to_owned();
            Judgement::new(Outcome::Crash(Crash::Timeout), "timeout", Some(text))
        }
        Err(Broken::TimedOut { computing: false }) => {
            let text = "still waiting for the host when its `timeout` ran out".to_owned();
            Judgement::new(Outcome::Retry { after_ms: None }, "timeout_waiting", Some(text))
        }
        Err(Broken::Trap(error)) => trapped(&error, host),
    };
    if host.calls.lease_is_over() {
        // What it made of a call that was refused for that is none of its doing.
        let text = "the lease of the event's shard ended while it ran".to_owned();
        return Judgement::new(Outcome::HostFailed, "lease_over", Some(text));
    }
    if let Some(failure) = host.keyvalue.failure() {
        return Judgement::new(Outcome::HostFailed, "host_failed", Some(failure.to_owned()));
    }
    judgement
}

fn trapped(error: &wasmtime::Error, host: &Host) -> Judgement {
    if let Some(limit) = host_limit(error) {
        return Judgement::trap(Outcome::Crash(Crash::HostLimit), "host_limit", limit, error);
    }
    if host.limits.denied {
        return out_of_memory(error);
    }
    let trap = error.root_cause().to_string();
    match host.calls.last_failure() {
        // Many guests treat an upstream that fails as a bug of theirs. It is still the upstream that will be back.
        Some(failure) => {
            let text = format!("{trap}, right after a call of the host failed: {failure}");
            Judgement::trap(Outcome::Retry { after_ms: None }, "trap_after_failure", text, error)
        }
        None => Judgement::trap(Outcome::Crash(Crash::Trap), "trap", trap, error),
    }
}

/// The limit that the guest ran into, if it was one.
fn host_limit(error: &wasmtime::Error) -> Option<String> {
    if let Some(limit) = error.downcast_ref::<HostLimit>() {
        return Some(limit.to_string());
    }
    if matches!(error.downcast_ref::<ResourceTableError>(), Some(ResourceTableError::Full)) {
        return Some(format!("held more than {HANDLES} resources of the host"));
    }
    // The engine has no types for its own limits.
    let text = error.root_cause().to_string();
    if text.contains(HANDLES_TEXT) {
        return Some(format!("held more than {HANDLES} handles"));
    }
    text.contains(FUEL_TEXT).then(|| format!("passed more than {} MiB to the host in one call", HOSTCALL_BYTES >> 20))
}

const HANDLES_TEXT: &str = "handle table";
const FUEL_TEXT: &str = "fuel allocated for hostcalls";

fn out_of_memory(error: &wasmtime::Error) -> Judgement {
    let text = format!("wanted more memory than its `memory`: {}", error.root_cause());
    Judgement::trap(Outcome::Crash(Crash::OutOfMemory), "out_of_memory", text, error)
}

/// An error with what the guest itself said of it: of a trap the engine only knows that it came.
pub(super) fn in_its_words(name: &str, error: String, stderr: Option<&str>) -> String {
    match stderr.and_then(last_words).filter(|_| matches!(name, "trap" | "trap_after_failure")) {
        Some(words) => cut(format!("{error}: {words}")),
        None => error,
    }
}

fn chain(error: &wasmtime::Error) -> String {
    error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// The beginning of a text that may be very long.
pub(super) fn cut(mut text: String) -> String {
    if text.len() > ERROR_BYTES {
        let end = (0..=ERROR_BYTES).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::in_its_words;

    #[test]
    fn only_a_trap_is_told_in_the_guests_words() {
        let error = |name, stderr| in_its_words(name, "wasm trap".to_owned(), stderr);
        assert_eq!(error("trap", Some("fire\n")), "wasm trap: fire");
        assert_eq!(error("trap_after_failure", Some("fire\n")), "wasm trap: fire");
        assert_eq!(error("trap", None), "wasm trap");
        assert_eq!(error("timeout", Some("fire\n")), "wasm trap");
    }
}
