//! Running invocations: the mark first, then the guest, then the report.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use event::header;
use futures_util::FutureExt as _;
use lanes::{Crash, Input, Invocation, Mark, Outcome, Seq, Shard};
use livekit::body;
use store::{Event, Owner, Report};
use tokio::sync::mpsc;

use super::{Message, Task, send, wait_for_store};
use crate::bindings::roomwire::plugin::event_types as wit;
use crate::host::{Level, LogLine};
use crate::invoke::{self, Finished};
use crate::plugin::Generation;
use crate::shared::Shared;

impl Task {
    pub(super) async fn start(&mut self, shard: Shard, mark: Mark, invocations: Vec<Invocation<Arc<Event>>>) {
        let Some(owner) = self.shards.get(&shard).map(|owned| owned.owner.clone()) else { return };
        let alone = match mark {
            Mark::Running(running) => {
                // Written before anything of it runs. It has a file of its own, so it waits for no commit's fsync.
                self.shared.store.mark(&owner, &running).await;
                None
            }
            Mark::Alone(seq) => Some(seq),
        };
        for invocation in invocations {
            let job = Job {
                shared: self.shared.clone(),
                generation: self.plugin.current(),
                owner: owner.clone(),
                alone,
                invocation,
                reports: self.reports.clone(),
            };
            self.jobs.spawn(job.run());
        }
    }
}

/// One invocation on its way.
struct Job {
    shared: Arc<Shared>,
    generation: Arc<Generation>,
    owner: Owner,
    alone: Option<Seq>,
    invocation: Invocation<Arc<Event>>,
    reports: mpsc::Sender<Message>,
}

impl Job {
    async fn run(self) {
        let finished = match self.alone {
            None => {
                let _others_too = self.shared.lone.read().await;
                self.call().await
            }
            Some(seq) => {
                // While it runs nothing else does, so that a death of the process is its doing.
                let _alone = self.shared.lone.write().await;
                while let Err(error) = self.shared.store.mark_alone(&self.owner, seq).await {
                    wait_for_store(&self.owner.handler, "mark an event that runs alone", &error).await;
                }
                self.call().await
            }
        };
        self.shared.metrics.invoked(&self.owner.handler, &finished.report);
        self.log(&finished);
        let input = Input::Finished {
            shard: self.owner.shard,
            invocation: self.invocation.invocation,
            outcome: finished.outcome,
            report: Arc::new(finished.report),
        };
        send(&self.reports, Message::Input(input)).await;
    }

    async fn call(&self) -> Finished {
        let event = self.event();
        #[cfg(debug_assertions)]
        crate::failpoint::before_invocation(&event);
        let call = AssertUnwindSafe(invoke::handle(&self.shared.engine, &self.generation, event)).catch_unwind();
        // A panic of the host is treated as a crash of the guest that provoked it: tried again, then given up.
        call.await.unwrap_or_else(|_| Finished {
            outcome: Outcome::Crash(Crash::Trap),
            report: Report {
                started_at: invoke::unix_ms(),
                digest: self.generation.digest.clone(),
                outcome: "trap".into(),
                error: Some("the host panicked while it ran this event".into()),
                ..Report::default()
            },
            logs: Vec::new(),
        })
    }

    fn event(&self) -> wit::Event {
        let event = &self.invocation.event;
        let facts = body::inspect(&event.body).ok();
        let headers: serde_json::Value = serde_json::from_str(&event.headers).unwrap_or_default();
        let of_header = |name: &str| headers.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
        let mut attributes = vec![
            ("ordering-key".to_owned(), event.key.to_string()),
            ("idempotency-key".to_owned(), format!("{}/{}/{}", event.project, self.owner.handler, event.identity.id)),
        ];
        let mut attribute = |name: &str, value: Option<String>| {
            attributes.extend(value.map(|value| (name.to_owned(), value)));
        };
        attribute("room-sid", facts.as_ref().and_then(|facts| facts.room_sid.clone()));
        attribute("received-at", rfc3339(i64::try_from(event.received_at_ms).ok()));
        attribute("traceparent", of_header(header::TRACEPARENT));
        attribute("final-attempt", self.invocation.is_final.then(|| "true".to_owned()));
        attribute("redriven", self.invocation.redriven.then(|| "true".to_owned()));
        for (name, header) in [
            ("dead-handler", store::RW_HANDLER),
            ("dead-cause", store::RW_CAUSE),
            ("dead-error", store::RW_ERROR),
            ("dead-attempts", store::RW_ATTEMPTS),
        ] {
            attribute(name, of_header(header).map(|value| header_text(&value)));
        }
        wit::Event {
            id: event.identity.id.to_string(),
            kind: event.kind.to_string(),
            project: event.project.to_string(),
            room: facts.as_ref().and_then(|facts| facts.room.clone()),
            participant: facts.and_then(|facts| facts.participant),
            created_at: rfc3339(event.identity.created.checked_mul(1_000)).unwrap_or_default(),
            attempt: self.invocation.attempt,
            deadline_ms: millis(self.generation.limits.timeout),
            json: String::from_utf8_lossy(&event.body).into_owned(),
            attributes,
        }
    }

    fn log(&self, finished: &Finished) {
        let (handler, id) = (&self.owner.handler, &self.invocation.event.identity.id);
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
        let report = &finished.report;
        let (outcome, attempt) = (&report.outcome, self.invocation.attempt);
        let duration_us = report.duration_us;
        match finished.outcome {
            Outcome::Done | Outcome::Skipped => {
                let why = report.error.as_deref().unwrap_or_default();
                tracing::debug!(%handler, %id, attempt, %outcome, duration_us, why, "invoked");
            }
            _ => {
                let error = report.error.as_deref().unwrap_or_default();
                tracing::warn!(%handler, %id, attempt, %outcome, duration_us, error, "an attempt failed");
            }
        }
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
