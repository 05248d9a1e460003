//! Dead letters: one row a death, with the event as it was.

use lanes::{AttemptState, Cause, Crash};

use crate::{
    Report, Row,
    sheet::{Line as _, Sheet},
};

/// The word for a cause: the same in rows, headers and metrics.
#[must_use]
pub fn cause_word(cause: Cause) -> &'static str {
    match cause {
        Cause::Permanent => "permanent",
        Cause::RetriesExhausted => "retries_exhausted",
        Cause::Crashed(Crash::Trap) => "trap",
        Cause::Crashed(Crash::Timeout) => "timeout",
        Cause::Crashed(Crash::OutOfMemory) => "out_of_memory",
        Cause::Crashed(Crash::HostLimit) => "host_limit",
        Cause::ProcessDied => "process_died",
        Cause::Conflict => "conflict",
    }
}

/// What is said of a conflict, whatever the invocation that was in vain had to say.
pub(crate) const CONFLICT: &str = "shared keys that it reads were changed each time before it could be committed";

/// What is said where the last attempt left no error.
pub(crate) fn message(cause: Cause, report: Option<&Report>) -> &str {
    match report.and_then(|report| report.error.as_deref()) {
        _ if cause == Cause::Conflict => CONFLICT,
        Some(error) => error,
        None if cause == Cause::ProcessDied => "the runner's process died whenever this event ran",
        None => cause_word(cause),
    }
}

/// The report of an invocation that did its work in vain.
pub(crate) fn in_vain(report: &Report) -> Report {
    Report { outcome: cause_word(Cause::Conflict).into(), error: Some(CONFLICT.into()), ..report.clone() }
}

/// A death, as it is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) row: &'a Row,
    pub(crate) n: u32,
    pub(crate) attempts: AttemptState,
    pub(crate) cause: Cause,
    pub(crate) report: Option<&'a Report>,
    pub(crate) plugin: Option<i64>,
}

pub(crate) fn line(sheet: &mut impl Sheet, entry: Entry<'_>, first_at: u64) {
    let Entry { row, n, attempts, cause, report, plugin } = entry;
    let event = &row.event;
    sheet
        .row()
        .text(&row.identity.project)
        .int(row.identity.created)
        .text(&row.identity.id)
        .int(n)
        .nat(row.seq)
        .text(&row.key)
        .text(&event.kind)
        .text(&event.key)
        .text(cause_word(cause))
        .text(message(cause, report))
        .int(attempts.made)
        .nat(first_at)
        .opt_int(plugin)
        .nat(event.received_at_ms)
        .text(&event.headers.to_json())
        .bytes(&event.body);
}

/// Adds an event that was dead and is sent back.
pub(crate) fn redriven_line(sheet: &mut impl Sheet, row: &Row) {
    sheet.row().text(&row.identity.project).int(row.identity.created).text(&row.identity.id);
}
