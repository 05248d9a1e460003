//! Attempts: one row for each that failed, and how far the retries of unsettled events are.

use lanes::{AttemptState, Progress, Seq};

use crate::{
    Report, Row,
    fields::{Ask, Fields},
    parked::{attempt_fields, attempts},
    progress::is_settled,
    scope::Scope,
    sheet::{Line as _, Sheet},
};

/// Adds a failed attempt.
pub(crate) fn line(sheet: &mut impl Sheet, row: &Row, attempt: u32, report: &Report, plugin: Option<i64>) {
    sheet
        .row()
        .text(&row.identity.project)
        .int(row.identity.created)
        .text(&row.identity.id)
        .int(attempt)
        .nat(row.seq)
        .nat(report.started_at)
        .nat(report.duration_us)
        .opt_int(plugin)
        .nat(report.peak_memory)
        .text(&report.outcome)
        .opt_text(report.error.as_deref())
        .opt_text(report.backtrace.as_deref())
        .opt_text(report.stderr.as_deref())
        .opt_text(report.logs.as_deref());
}

/// Adds an event in the stream that is tried again.
pub(crate) fn retrying_line(sheet: &mut impl Sheet, row: &Row, attempts: AttemptState) {
    attempt_fields(sheet.row().nat(row.seq), attempts);
}

/// Asks for the attempts of a shard's events.
pub(crate) fn ask(scope: &Scope) -> Ask {
    const ALL: &str = "
        select seq, made, crashes, retries, first_at, next_at from retrying
        where handler_id = $1 and run = $2 and shard = $3 order by seq";
    Ask { sql: ALL, args: scope.args() }
}

/// The attempts of events that are open, and the sequences of others.
type Open = (Vec<(Seq, AttemptState)>, Vec<Seq>);

/// The rows of [`ask`]: the attempts of events that are neither settled nor parked, and the sequences of the others,
/// which are to be swept out.
pub(crate) fn open_ones<'a>(
    rows: impl IntoIterator<Item = &'a dyn Fields>,
    progress: &Progress,
) -> Result<Open, sqlx::Error> {
    let (mut open, mut settled) = (Vec::new(), Vec::new());
    for row in rows {
        let seq = row.nat("seq")?;
        if is_settled(progress, seq) {
            settled.push(seq);
        } else {
            open.push((seq, attempts(row)?));
        }
    }
    Ok((open, settled))
}
