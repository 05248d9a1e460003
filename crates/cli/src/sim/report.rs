//! What became of what was sent.

use std::collections::VecDeque;
use std::process::ExitCode;

use livekit::body;
use livekit::notifier::{Delivery, Fate};
use serde::Serialize;
use service::error::Chain;
use service::exit;
use tokio::sync::oneshot;

use crate::output::{self, Format};

/// How many events of a room are handed over before the first of them is answered: fewer than LiveKit would drop.
pub(crate) const AHEAD: usize = 100;

/// A body and what becomes of it.
pub(crate) type Waiting = (String, oneshot::Receiver<Delivery>);

/// Writes a line for each webhook and counts what was refused.
#[derive(Debug)]
pub(crate) struct Report {
    format: Format,
    failed: usize,
}

#[derive(Debug, Serialize)]
struct Line<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    attempts: usize,
    accepted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Report {
    pub(super) fn new(format: Format) -> Self {
        Self { format, failed: 0 }
    }

    /// Waits for the first of those that were sent and reports it.
    pub(super) async fn next(&mut self, waiting: &mut VecDeque<Waiting>) -> std::io::Result<()> {
        match waiting.pop_front() {
            Some((body, delivery)) => delivery.await.map_or(Ok(()), |delivery| self.sent(&body, &delivery)),
            None => Ok(()),
        }
    }

    /// One webhook was answered, or not.
    pub(super) fn sent(&mut self, sent_body: &str, delivery: &Delivery) -> std::io::Result<()> {
        let facts = body::inspect(sent_body.as_bytes()).ok();
        let (id, kind) = facts.as_ref().map_or(("", ""), |facts| (facts.id.as_str(), facts.kind.as_str()));
        let accepted = delivery.accepted();
        let (status, error) = match delivery.answer() {
            Some(Ok(answer)) => (Some(answer.status), None),
            Some(Err(error)) => (None, Some(Chain(error).to_string())),
            None => (None, Some(untried(delivery.fate).to_owned())),
        };
        self.failed += usize::from(!accepted);
        let line = Line { id, kind, status, attempts: delivery.attempts.len(), accepted, error };
        match self.format {
            Format::Json => output::json(&line),
            Format::Text => output::line(&output::plain(&words(&line))),
        }
    }

    /// 0 when everything was accepted.
    pub(super) fn exit_code(&self) -> ExitCode {
        if self.failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(exit::FAILURE) }
    }
}

/// Why an event was not even tried.
fn untried(fate: Fate) -> &'static str {
    match fate {
        Fate::DroppedFull => "dropped: 200 events of its queue waited already, and LiveKit keeps no more",
        Fate::DroppedOld => "dropped: it waited more than 30 s behind others, and LiveKit then lets it go",
        Fate::Sent { .. } | Fate::GaveUp => "not sent",
    }
}

fn words(line: &Line<'_>) -> String {
    let Line { id, kind, attempts, .. } = line;
    let again = if *attempts > 1 { format!(" after {attempts} attempts") } else { String::new() };
    match (line.status, &line.error) {
        (Some(status), _) if line.accepted => format!("{id}  {kind}  accepted ({status}){again}"),
        (Some(status), _) => format!("{id}  {kind}  refused ({status}){again}"),
        (None, error) if *attempts == 0 => format!("{id}  {kind}  {}", error.as_deref().unwrap_or_default()),
        (None, error) => format!("{id}  {kind}  not answered{again}: {}", error.as_deref().unwrap_or_default()),
    }
}
