//! What became of what was sent.

use std::process::ExitCode;

use livekit::body;
use livekit::notifier::Delivery;
use serde::Serialize;
use service::error::Chain;
use service::exit;

use crate::output::{self, Format};

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
    attempts: u32,
    accepted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Report {
    pub(super) fn new(format: Format) -> Self {
        Self { format, failed: 0 }
    }

    /// One webhook was answered, or not.
    pub(super) fn sent(&mut self, sent_body: &str, delivery: &Delivery) -> std::io::Result<()> {
        let facts = body::inspect(sent_body.as_bytes()).ok();
        let (id, kind) = facts.as_ref().map_or(("", ""), |facts| (facts.id.as_str(), facts.kind.as_str()));
        let (status, accepted, error) = match &delivery.answer {
            Ok(answer) => (Some(answer.status), answer.accepted(), None),
            Err(error) => (None, false, Some(Chain(error).to_string())),
        };
        self.failed += usize::from(!accepted);
        let line = Line { id, kind, status, attempts: delivery.attempts, accepted, error };
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

fn words(line: &Line<'_>) -> String {
    let Line { id, kind, attempts, .. } = line;
    let again = if *attempts > 1 { format!(" after {attempts} attempts") } else { String::new() };
    match (line.status, &line.error) {
        (Some(status), _) if line.accepted => format!("{id}  {kind}  accepted ({status}){again}"),
        (Some(status), _) => format!("{id}  {kind}  refused ({status}){again}"),
        (None, error) => format!("{id}  {kind}  not answered{again}: {}", error.as_deref().unwrap_or_default()),
    }
}
