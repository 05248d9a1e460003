//! Running invocations: the mark first, then the guest, then the report.

#[cfg(test)]
mod tests;

use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use event::header;
use futures_util::FutureExt as _;
use futures_util::future::join;
use lanes::{Crash, Input, Invocation, Outcome, Seq, Shard};
use livekit::body::{self, Subject};
use store::{Event, Hold, Keyvalue, Marked, Owner, Report};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::starts::Invocations;
use super::{MachineInput, Message, Owned, Task, send, wait_for_store};
use crate::bindings::roomwire::plugin::event_types as wit;
use crate::host::{Access, Lease, Level, LogLine, Uncommitted};
use crate::invoke::{self, Finished};
use crate::metrics::Invoked;
use crate::plugin::Generation;
use crate::shared::Shared;

/// Headers that a guest sees as attributes.
const PASSED_ON: [(&str, &str); 5] = [
    ("traceparent", header::TRACEPARENT),
    ("dead-handler", store::RW_HANDLER),
    ("dead-cause", store::RW_CAUSE),
    ("dead-error", store::RW_ERROR),
    ("dead-attempts", store::RW_ATTEMPTS),
];

/// Jobs that one task runs one after the other.
const TOGETHER: usize = 16;

/// A job that begins later than this after the first one of its task does not wait for those before it.
const SLICE: Duration = Duration::from_micros(500);

impl Task {
    /// Starts what was gathered.
    pub(super) fn start(&mut self) {
        let (mut marked, mut jobs) = (Marked::default(), Vec::new());
        for (shard, (running, invocations)) in self.starts.take() {
            let Some(owned) = self.shards.get(&shard) else { continue };
            // Nothing of it runs before that is written, and with the last one all are. Marks have a place of their own, so
            // they wait for no commit's fsync.
            marked = self.shared.store.mark(&owned.owner, &running);
            let surroundings = self.surroundings(owned);
            jobs.extend(invocations.into_iter().map(|invocation| {
                let surroundings = surroundings.clone();
                Job { surroundings, alone: None, invocation }
            }));
        }
        let mut jobs = jobs.into_iter();
        while jobs.len() > 0 {
            let few: Vec<Job> = jobs.by_ref().take(TOGETHER).collect();
            self.jobs.spawn(together(marked.clone(), few, Job::run, self.reports.clone()));
        }
    }

    /// It marks itself, durably.
    pub(super) fn start_alone(&mut self, shard: Shard, seq: Seq, invocations: Invocations) {
        let Some(owned) = self.shards.get(&shard) else { return };
        let surroundings = self.surroundings(owned);
        let job = |invocation| Job { surroundings: surroundings.clone(), alone: Some(seq), invocation };
        let jobs = invocations.into_iter().map(job).collect();
        self.jobs.spawn(together(Marked::default(), jobs, Job::run, self.reports.clone()));
    }

    fn surroundings(&self, owned: &Owned) -> Arc<Surroundings> {
        Arc::new(Surroundings {
            shared: self.shared.clone(),
            generation: self.plugin.current(),
            owner: owned.owner.clone(),
            hold: owned.hold.clone(),
            uncommitted: self.uncommitted.clone(),
            counted: self.counted.clone(),
        })
    }
}

/// Runs jobs one after the other, for as long as none of them waits and all are quick: most are over in microseconds,
/// and a task for each would cost as much. What comes after one that waits goes on in another task, and each that comes
/// after something slow in one of its own, so that no event waits for another one's host calls.
async fn together<J, R>(marked: Marked, jobs: Vec<J>, run: fn(J) -> R, reports: mpsc::Sender<Message>)
where
    J: Send + 'static,
    R: Future<Output = Option<MachineInput>> + Send + 'static,
{
    marked.written().await;
    let began = Instant::now();
    // Dropped with this task, and what runs of it with that.
    let (mut apart, mut ended) = (JoinSet::new(), Vec::with_capacity(jobs.len()));
    let mut jobs = jobs.into_iter();
    while let Some(job) = jobs.next() {
        // It is run where it is made: to move it costs as much as some of them take.
        let mut running = pin!(run(job));
        if let Some(input) = running.as_mut().now_or_never() {
            ended.extend(input);
            if began.elapsed() < SLICE {
                continue;
            }
            for job in jobs.by_ref() {
                apart.spawn(boxed(vec![job], run, reports.clone()));
            }
            continue;
        }
        if jobs.len() > 0 {
            apart.spawn(boxed(jobs.by_ref().collect(), run, reports.clone()));
        }
        // Its host call goes on while the inbox is full.
        let ((), input) = join(tell(&reports, std::mem::take(&mut ended)), running).await;
        ended.extend(input);
    }
    tell(&reports, ended).await;
    while apart.join_next().await.is_some() {}
}

/// As a task within such a task: in a box, as the future would contain itself.
fn boxed<J, R>(
    jobs: Vec<J>,
    run: fn(J) -> R,
    reports: mpsc::Sender<Message>,
) -> Pin<Box<dyn Future<Output = ()> + Send>>
where
    J: Send + 'static,
    R: Future<Output = Option<MachineInput>> + Send + 'static,
{
    Box::pin(together(Marked::default(), jobs, run, reports))
}

async fn tell(reports: &mpsc::Sender<Message>, ended: Vec<MachineInput>) {
    if !ended.is_empty() {
        send(reports, Message::Ended(ended)).await;
    }
}

/// What invocations of a shard that start together have in common.
struct Surroundings {
    shared: Arc<Shared>,
    generation: Arc<Generation>,
    owner: Owner,
    hold: Hold,
    uncommitted: Arc<Uncommitted>,
    counted: Invoked,
}

/// One invocation on its way.
struct Job {
    surroundings: Arc<Surroundings>,
    alone: Option<Seq>,
    invocation: Invocation<Arc<Event>>,
}

impl Job {
    /// What the machine is told of it; nothing where it is not ours to tell.
    async fn run(self) -> Option<MachineInput> {
        let finished = match self.alone {
            None => {
                let _others_too = self.surroundings.shared.lone.read().await;
                self.call_if_ours().await
            }
            Some(seq) => {
                // While it runs nothing else does, so that a death of the process is its doing.
                let _alone = self.surroundings.shared.lone.write().await;
                if self.is_marked_alone(seq).await { self.call_if_ours().await } else { None }
            }
        };
        // Not ours any more: the handler's task hears of it from the fleet, or from the store.
        let mut finished = finished?;
        let mut report = Arc::new(std::mem::take(&mut finished.report));
        if !self.surroundings.uncommitted.add(&report) {
            finished.outcome = Outcome::Conflict;
            report = Arc::new(in_vain(&report));
        }
        self.surroundings.counted.count(&report);
        self.log(&finished, &report);
        Some(Input::Finished {
            shard: self.surroundings.owner.shard,
            invocation: self.invocation.invocation,
            outcome: finished.outcome,
            report,
        })
    }

    /// Marks it, for as long as it takes; false if the shard is lost meanwhile.
    async fn is_marked_alone(&self, seq: Seq) -> bool {
        while let Err(error) = self.surroundings.shared.store.mark_alone(&self.surroundings.owner, seq).await {
            if matches!(error, store::Error::Lost { .. } | store::Error::Closed) || !self.surroundings.hold.is_good() {
                return false;
            }
            wait_for_store(&self.surroundings.owner.handler, "mark an event that runs alone", &error).await;
        }
        true
    }

    /// After a pause of this process the shard may have another owner who runs the same event.
    async fn call_if_ours(&self) -> Option<Finished> {
        if self.surroundings.hold.is_good() { Some(self.call().await) } else { None }
    }

    async fn call(&self) -> Finished {
        let event = self.event();
        #[cfg(debug_assertions)]
        crate::failpoint::before_invocation(&event);
        let hold = self.surroundings.hold.clone();
        let lease = Lease::until(move || !hold.is_good());
        let call = invoke::handle(
            &self.surroundings.shared.engine,
            &self.surroundings.generation,
            event,
            lease,
            Some(self.keys()),
        );
        let call = AssertUnwindSafe(call).catch_unwind();
        // A panic of the host is treated as a crash of the guest that provoked it: tried again, then given up.
        call.await.unwrap_or_else(|_| Finished {
            outcome: Outcome::Crash(Crash::Trap),
            report: Report {
                started_at: invoke::unix_ms(),
                digest: self.surroundings.generation.digest.clone(),
                outcome: "trap".into(),
                error: Some("the host panicked while it ran this event".into()),
                ..Report::default()
            },
            logs: Vec::new(),
        })
    }

    fn keys(&self) -> Access {
        let event = &self.invocation.event;
        Access {
            store: self.surroundings.shared.store.clone(),
            uncommitted: self.surroundings.uncommitted.clone(),
            handler: self.surroundings.owner.handler.clone(),
            run: self.surroundings.owner.run.clone(),
            // No project has a slash in its name.
            space: format!("{}/{}", event.project, event.key).into(),
        }
    }

    fn event(&self) -> wit::Event {
        let event = &self.invocation.event;
        let Subject { room, room_sid, participant } = body::subject(&event.body);
        let mut attributes = vec![
            ("ordering-key".to_owned(), event.key.to_string()),
            (
                "idempotency-key".to_owned(),
                format!("{}/{}/{}", event.project, self.surroundings.owner.handler, event.identity.id),
            ),
        ];
        let mut attribute = |name: &str, value: Option<String>| {
            attributes.extend(value.map(|value| (name.to_owned(), value)));
        };
        attribute("room-sid", room_sid);
        attribute("received-at", rfc3339(i64::try_from(event.received_at_ms).ok()));
        attribute("final-attempt", self.invocation.is_final.then(|| "true".to_owned()));
        attribute("redriven", self.invocation.redriven.then(|| "true".to_owned()));
        for (name, header) in PASSED_ON {
            attribute(name, event.headers.get(header).map(header_text));
        }
        wit::Event {
            id: event.identity.id.to_string(),
            kind: event.kind.to_string(),
            project: event.project.to_string(),
            room,
            participant,
            created_at: rfc3339(event.identity.created.checked_mul(1_000)).unwrap_or_default(),
            attempt: self.invocation.attempt,
            deadline_ms: millis(self.surroundings.generation.limits.timeout),
            json: String::from_utf8_lossy(&event.body).into_owned(),
            attributes,
        }
    }

    fn log(&self, finished: &Finished, report: &Report) {
        let (handler, id) = (&self.surroundings.owner.handler, &self.invocation.event.identity.id);
        for LogLine { level, context, message } in &finished.logs {
            match level {
                Level::Critical | Level::Error => {
                    tracing::error!(target: "plugin", %handler, %id, context, "{message}");
                }
                Level::Warn => tracing::warn!(target: "plugin", %handler, %id, context, "{message}"),
                Level::Info => tracing::info!(target: "plugin", %handler, %id, context, "{message}"),
                Level::Debug => tracing::debug!(target: "plugin", %handler, %id, context, "{message}"),
                Level::Trace => tracing::trace!(target: "plugin", %handler, %id, context, "{message}"),
            }
        }
        let (outcome, attempt) = (&report.outcome, self.invocation.attempt);
        let duration_us = report.duration_us;
        match finished.outcome {
            Outcome::Done | Outcome::Skipped => {
                let why = report.error.as_deref().unwrap_or_default();
                tracing::debug!(%handler, %id, attempt, %outcome, duration_us, why, "invoked");
            }
            // It runs again, and spends no attempt.
            Outcome::Conflict => tracing::debug!(%handler, %id, attempt, %outcome, duration_us, "invoked in vain"),
            _ => {
                let error = report.error.as_deref().unwrap_or_default();
                tracing::warn!(%handler, %id, attempt, %outcome, duration_us, error, "an attempt failed");
            }
        }
    }
}

/// The report of an invocation that had read keys that are others by now.
fn in_vain(report: &Report) -> Report {
    Report {
        outcome: "conflict".into(),
        error: Some("keys that it had read were changed by another event meanwhile".into()),
        effects: Arc::default(),
        keyvalue: Keyvalue::default(),
        ..report.clone()
    }
}

/// Header values are percent-encoded where needed; one that somebody else wrote may not be.
fn header_text(value: &str) -> String {
    header::decode(value).map_or_else(|| value.to_owned(), std::borrow::Cow::into_owned)
}

fn rfc3339(ms: Option<i64>) -> Option<String> {
    ms.filter(|ms| *ms != 0).and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok()).map(|time| time.to_string())
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
