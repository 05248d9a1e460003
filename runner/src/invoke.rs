//! One invocation: a fresh store, the call under its limits, and what became of it.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use lanes::{Crash, Outcome};
use store::{Effect, Report};
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::{Store, UpdateDeadline};

use crate::bindings::Plugin;
use crate::bindings::roomwire::plugin::event_types as wit;
use crate::engine::{EPOCH_TICK, Engine};
use crate::host::{Host, HostLimit, Limits, LogLine, Tail};
use crate::plugin::{Generation, Grants};

/// A guest that computed within so many ticks before its time ran out was computing, not waiting for the host.
const COMPUTING_TICKS: u32 = 5;

/// Bytes of an error text that are kept.
const ERROR_BYTES: usize = 16 << 10;

/// What an invocation left behind.
pub(crate) struct Finished {
    pub(crate) outcome: Outcome,
    pub(crate) report: Report,
    pub(crate) logs: Vec<LogLine>,
}

/// Why a call did not return a value.
enum Broken {
    Trap(wasmtime::Error),
    TimedOut { computing: bool },
    NoInstance(wasmtime::Error),
}

/// Calls the plugin's `handle` with an event.
pub(crate) async fn handle(engine: &Engine, generation: &Generation, event: wit::Event) -> Finished {
    let (started, started_at) = (Instant::now(), unix_ms());
    let mut call = Call::new(engine, generation, generation.grants.clone()).await;
    let result = call.handle(generation, event).await;
    let (outcome, name, error, backtrace) = judge(result, &call.store.data().limits);
    let host = call.store.data_mut();
    let logs = std::mem::take(&mut host.logs);
    let settled = matches!(outcome, Outcome::Done | Outcome::Skipped);
    let effects = if settled { std::mem::take(&mut host.effects) } else { Vec::new() };
    let report = Report {
        started_at,
        duration_us: u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        digest: generation.digest.clone(),
        peak_memory: host.limits.peak as u64,
        outcome: name.into(),
        error: error.map(Into::into),
        backtrace: backtrace.map(Into::into),
        stderr: call.err.text().map(Into::into),
        logs: log_text(&logs.lines, logs.dropped).map(Into::into),
        effects: effects
            .into_iter()
            .map(|effect| Effect { subject: effect.subject, headers: effect.headers, body: effect.body.into() })
            .collect(),
    };
    Finished { outcome, report, logs: logs.lines }
}

/// Calls the plugin's `check`: with the handler's config and no grants.
///
/// # Errors
/// What the plugin said, or how it broke.
pub(crate) async fn check(engine: &Engine, generation: &Generation) -> Result<(), String> {
    let grants = Grants { publish: Vec::new(), ..generation.grants.as_ref().clone() };
    let mut call = Call::new(engine, generation, Arc::new(grants)).await;
    let result = call.check(generation).await;
    let stderr = call.err.text();
    match result {
        Ok(Ok(())) => Ok(()),
        Ok(Err(reason)) => Err(reason),
        Err(broken) => {
            let (_, name, error, _) = judge(Err(broken), &call.store.data().limits);
            let mut text = format!("`check` ended as {name}: {}", error.unwrap_or_default());
            if let Some(stderr) = stderr {
                text.push_str("; stderr: ");
                text.push_str(stderr.trim_end());
            }
            Err(text)
        }
    }
}

/// A store with nothing in it but one guest. The permit is given back after the store is gone, as that frees the
/// instance.
struct Call {
    store: Store<Host>,
    err: Tail,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Call {
    async fn new(engine: &Engine, generation: &Generation, grants: Arc<Grants>) -> Self {
        // The semaphore is never closed.
        let permit = engine.permits.clone().acquire_owned().await.ok();
        let (out, err) = (Tail::new("stdout"), Tail::new("stderr"));
        let mut store = Store::new(&engine.wasm, Host::new(grants, generation.limits.memory, &out, &err));
        store.limiter(|host| &mut host.limits);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut store| {
            store.data_mut().computed_at = Instant::now();
            Ok(UpdateDeadline::Yield(1))
        });
        store.set_hostcall_fuel(crate::host::HOSTCALL_BYTES);
        store.set_max_component_handles(crate::host::HANDLES);
        Self { store, err, _permit: permit }
    }

    async fn handle(
        &mut self,
        generation: &Generation,
        event: wit::Event,
    ) -> Result<Result<wit::Outcome, wit::Failure>, Broken> {
        let limit = generation.limits.timeout;
        let call = async {
            let plugin = generation.pre.instantiate_async(&mut self.store).await.map_err(no_instance)?;
            called(plugin.roomwire_plugin_handler().call_handle(&mut self.store, &event).await)
        };
        let result = tokio::time::timeout(limit, call).await;
        result.unwrap_or_else(|_| Err(self.timed_out()))
    }

    async fn check(&mut self, generation: &Generation) -> Result<Result<(), String>, Broken> {
        let limit = generation.limits.timeout;
        let call = async {
            let plugin: Plugin = generation.pre.instantiate_async(&mut self.store).await.map_err(no_instance)?;
            called(plugin.roomwire_plugin_handler().call_check(&mut self.store).await)
        };
        let result = tokio::time::timeout(limit, call).await;
        result.unwrap_or_else(|_| Err(self.timed_out()))
    }

    fn timed_out(&self) -> Broken {
        let since = self.store.data().computed_at.elapsed();
        Broken::TimedOut { computing: since < EPOCH_TICK * COMPUTING_TICKS }
    }
}

fn called<T>(result: wasmtime::Result<T>) -> Result<T, Broken> {
    result.map_err(Broken::Trap)
}

/// A start function that traps is the guest's doing; anything else that stops instantiation is ours.
fn no_instance(error: wasmtime::Error) -> Broken {
    if error.downcast_ref::<wasmtime::Trap>().is_some() || error.downcast_ref::<HostLimit>().is_some() {
        Broken::Trap(error)
    } else {
        Broken::NoInstance(error)
    }
}

type Judgement = (Outcome, &'static str, Option<String>, Option<String>);

/// The one table from what a guest did to what it means. The name goes into metrics and records.
fn judge(result: Result<Result<wit::Outcome, wit::Failure>, Broken>, limits: &Limits) -> Judgement {
    match result {
        Ok(Ok(wit::Outcome::Done)) => (Outcome::Done, "done", None, None),
        Ok(Ok(wit::Outcome::Skipped(why))) => (Outcome::Skipped, "skipped", Some(cut(why)), None),
        Ok(Err(wit::Failure::Retry(hint))) => {
            (Outcome::Retry { after_ms: hint.after_ms }, "retry", Some(cut(hint.reason)), None)
        }
        Ok(Err(wit::Failure::Permanent(why))) => (Outcome::Permanent, "permanent", Some(cut(why)), None),
        Err(Broken::NoInstance(error)) if limits.denied => out_of_memory(&error),
        Err(Broken::NoInstance(error)) => (Outcome::HostFailed, "host_failed", Some(cut(chain(&error))), None),
        Err(Broken::TimedOut { computing: true }) => (
            Outcome::Crash(Crash::Timeout),
            "timeout",
            Some("still computing when its `timeout` ran out".to_owned()),
            None,
        ),
        Err(Broken::TimedOut { computing: false }) => (
            Outcome::Retry { after_ms: None },
            "timeout_waiting",
            Some("still waiting for the host when its `timeout` ran out".to_owned()),
            None,
        ),
        Err(Broken::Trap(error)) => trapped(&error, limits),
    }
}

fn trapped(error: &wasmtime::Error, limits: &Limits) -> Judgement {
    if let Some(limit) = error.downcast_ref::<HostLimit>() {
        return (Outcome::Crash(Crash::HostLimit), "host_limit", Some(limit.to_string()), backtrace(error));
    }
    if limits.denied {
        return out_of_memory(error);
    }
    (Outcome::Crash(Crash::Trap), "trap", Some(cut(error.root_cause().to_string())), backtrace(error))
}

fn out_of_memory(error: &wasmtime::Error) -> Judgement {
    let text = format!("wanted more memory than its `memory`: {}", error.root_cause());
    (Outcome::Crash(Crash::OutOfMemory), "out_of_memory", Some(cut(text)), backtrace(error))
}

fn backtrace(error: &wasmtime::Error) -> Option<String> {
    error.downcast_ref::<wasmtime::WasmBacktrace>().map(|trace| cut(trace.to_string()))
}

fn chain(error: &wasmtime::Error) -> String {
    error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn cut(mut text: String) -> String {
    if text.len() > ERROR_BYTES {
        let end = (0..=ERROR_BYTES).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

fn log_text(lines: &[LogLine], dropped: u64) -> Option<String> {
    use std::fmt::Write as _;
    if lines.is_empty() && dropped == 0 {
        return None;
    }
    let mut text = String::new();
    for line in lines {
        let _ = writeln!(text, "{:?} {} {}", line.level, line.context, line.message);
    }
    if dropped > 0 {
        let _ = writeln!(text, "({dropped} more lines were over the limit)");
    }
    Some(text)
}

pub(crate) fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}
