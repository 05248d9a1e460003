//! One invocation: a fresh store, the call under its limits, and what became of it.

mod command;
mod judge;
#[cfg(test)]
mod tests;
mod words;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lanes::Outcome;
use store::{Effect, Keyvalue, Report};
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::{Store, UpdateDeadline};
use wasmtime_wasi::p2::bindings::CommandPre;

use crate::bindings::Plugin;
use crate::bindings::roomwire::plugin::event_types as wit;
use crate::engine::Engine;
use crate::host::{Access, Budget, Host, HostLimit, Lease, LogLine, Occasion, Stdio};
use crate::plugin::{Entry, Generation, Grants};
use judge::{Judgement, judge};

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

/// Calls the plugin's `handle` with an event, which is this runner's for as long as `lease` says, and whose keys are
/// where `keys` says.
pub(crate) async fn handle(
    engine: &Engine,
    generation: &Generation,
    event: wit::Event,
    lease: Lease,
    keys: Option<Access>,
) -> Finished {
    let (started, started_at) = (Instant::now(), unix_ms());
    let occasion = occasion(&event);
    let stdio = stdio(generation);
    let mut call = Call::new(engine, generation, generation.grants.clone(), occasion, (lease, keys), stdio).await;
    let result = call.handle(generation, event).await;
    let Judgement { outcome, name, error, backtrace } = judge(result, call.store.data());
    let grants = &generation.grants;
    let host = call.store.data_mut();
    let mut logs = std::mem::take(&mut host.logs);
    logs.lines
        .extend(host.calls.take_notes().into_iter().map(|note| LogLine::of_host(grants.mask.apply(&note).into())));
    let stderr = call.stdio.err.text(&grants.mask);
    let settled = matches!(outcome, Outcome::Done | Outcome::Skipped);
    let effects = if settled { std::mem::take(&mut host.effects) } else { Vec::new() };
    let keyvalue = if settled { host.keyvalue.take() } else { Keyvalue::default() };
    let report = Report {
        started_at,
        duration_us: u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        digest: generation.digest.clone(),
        peak_memory: host.limits.peak as u64,
        outcome: name.into(),
        error: error
            .map(|error| judge::in_its_words(name, grants.mask.apply(&error).into_owned(), stderr.as_deref()).into()),
        backtrace: backtrace.map(Into::into),
        stderr: stderr.map(Into::into),
        logs: log_text(&logs.lines, logs.dropped).map(Into::into),
        effects: effects
            .into_iter()
            .map(|effect| Effect { to: effect.to, headers: effect.headers, body: effect.body.into() })
            .collect(),
        keyvalue,
    };
    Finished { outcome, report, logs: thinned(logs.lines, grants) }
}

/// What the runner's log gets of an invocation's lines.
fn thinned(mut lines: Vec<LogLine>, grants: &Grants) -> Vec<LogLine> {
    let granted = grants.logs.take(lines.len());
    let over = lines.len() - granted;
    lines.truncate(granted);
    if over > 0 && granted > 0 {
        lines.push(LogLine::of_host(format!(
            "{over} more lines, over the handler's log rate; attempts' records have them"
        )));
    }
    lines
}

fn occasion(event: &wit::Event) -> Occasion {
    let attribute = |name: &str| event.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    Occasion { identity: attribute("idempotency-key").unwrap_or_default(), traceparent: attribute("traceparent") }
}

/// Calls the plugin's `check`: with the handler's config and no grants.
///
/// # Errors
/// What the plugin said, or how it broke.
pub(crate) async fn check(engine: &Engine, generation: &Generation) -> Result<(), String> {
    let grants = Arc::new(generation.grants.of_check());
    let stdio = stdio(generation);
    let none = (Lease::default(), None);
    let mut call = Call::new(engine, generation, grants, Occasion::default(), none, stdio).await;
    let result = call.check(generation).await;
    let stderr = call.stdio.err.text(&call.store.data().grants.mask);
    match result {
        Ok(Ok(())) => Ok(()),
        Ok(Err(reason)) => Err(judge::cut(reason)),
        Err(broken) => {
            let Judgement { name, error, backtrace, .. } = judge(Err(broken), call.store.data());
            let more = |what: &str, text: Option<String>| {
                text.map(|text| format!("; {what}: {}", text.trim_end())).unwrap_or_default()
            };
            let error = error.unwrap_or_default();
            Err(format!("`check` ended as {name}: {error}{}{}", more("stderr", stderr), more("backtrace", backtrace)))
        }
    }
}

fn stdio(generation: &Generation) -> Stdio {
    match &generation.linked.entry {
        Entry::Component(_) => Stdio::of_component(),
        Entry::Command(_) => Stdio::of_command(),
    }
}

/// A store with nothing in it but one guest. The permit is given back after the store is gone, as that frees the
/// instance.
struct Call {
    store: Store<Host>,
    stdio: Stdio,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Call {
    async fn new(
        engine: &Engine,
        generation: &Generation,
        grants: Arc<Grants>,
        occasion: Occasion,
        (lease, keys): (Lease, Option<Access>),
        stdio: Stdio,
    ) -> Self {
        // The semaphore is never closed.
        let permit = engine.permits.clone().acquire_owned().await.ok();
        let budget = Budget { memory: generation.limits.memory, timeout: generation.limits.timeout, lease, keys };
        let mut store = Store::new(&engine.wasm, Host::new(grants, occasion, budget, &stdio));
        store.limiter(|host| &mut host.limits);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|store| {
            store.data().computing.store(true, Ordering::Relaxed);
            Ok(UpdateDeadline::Yield(1))
        });
        store.set_hostcall_fuel(crate::host::HOSTCALL_BYTES);
        store.set_max_component_handles(crate::host::HANDLES);
        Self { store, stdio, _permit: permit }
    }

    async fn handle(
        &mut self,
        generation: &Generation,
        event: wit::Event,
    ) -> Result<Result<wit::Outcome, wit::Failure>, Broken> {
        let pre = match &generation.linked.entry {
            Entry::Component(pre) => pre,
            Entry::Command(pre) => {
                let exit = self.feed(pre, generation.limits.timeout, &event).await;
                return command::conclude(self.store.data_mut(), exit, &self.stdio).await;
            }
        };
        let computing = self.store.data().computing.clone();
        let call = async {
            let plugin: Plugin = pre.instantiate_async(&mut self.store).await.map_err(no_instance)?;
            called(plugin.roomwire_plugin_handler().call_handle(&mut self.store, &event).await)
        };
        within(generation.limits.timeout, &computing, call).await
    }

    async fn check(&mut self, generation: &Generation) -> Result<Result<(), String>, Broken> {
        let pre = match &generation.linked.entry {
            Entry::Component(pre) => pre,
            Entry::Command(pre) => {
                let computing = self.store.data().computing.clone();
                self.stdio.fill(command::check_document());
                let exit = within(generation.limits.timeout, &computing, self.run(pre)).await;
                return command::checked(self.store.data(), exit, &self.stdio);
            }
        };
        let computing = self.store.data().computing.clone();
        let call = async {
            let plugin: Plugin = pre.instantiate_async(&mut self.store).await.map_err(no_instance)?;
            called(plugin.roomwire_plugin_handler().call_check(&mut self.store).await)
        };
        within(generation.limits.timeout, &computing, call).await
    }

    /// Runs a command on an event: its exit code, or why it was not started.
    async fn feed(
        &mut self,
        pre: &CommandPre<Host>,
        limit: Duration,
        event: &wit::Event,
    ) -> Result<Result<i32, wit::Failure>, Broken> {
        let computing = self.store.data().computing.clone();
        let call = async {
            match command::input(self.store.data_mut(), event).await? {
                Err(failure) => Ok(Err(failure)),
                Ok(document) => {
                    self.stdio.fill(document);
                    self.run(pre).await.map(Ok)
                }
            }
        };
        within(limit, &computing, call).await
    }

    /// Runs a command to its end: its exit code.
    async fn run(&mut self, pre: &CommandPre<Host>) -> Result<i32, Broken> {
        let command = pre.instantiate_async(&mut self.store).await.map_err(no_instance)?;
        command::code(command.wasi_cli_run().call_run(&mut self.store).await)
    }
}

/// Gives a call its time. A guest that computes stops each time the engine's clock ticks, which sets `computing` as the
/// last thing before the call is pending; one that is pending without that waits for the host.
async fn within<T>(
    limit: Duration,
    computing: &AtomicBool,
    call: impl Future<Output = Result<T, Broken>>,
) -> Result<T, Broken> {
    let mut call = pin!(call);
    let watched = poll_fn(|context| {
        computing.store(false, Ordering::Relaxed);
        call.as_mut().poll(context)
    });
    let result = tokio::time::timeout(limit, watched).await;
    result.unwrap_or_else(|_| Err(Broken::TimedOut { computing: computing.load(Ordering::Relaxed) }))
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
