//! Rows of commits on their way into the tables, whatever the database.

use event::Prefix;
use lanes::{AttemptState, Cause, Change, Origin, Seq};

use crate::{
    Report, Row, attempts, dead,
    feed::Death,
    ledger::{self, State},
    outbox::{self, effect_id},
    parked,
    scope::Scope,
    sheet::{Line as _, Sheet},
};

/// The sequences whose runs ended without a death. An event that is parked without having run is as suspect as before.
pub(crate) fn ended(rows: &[Row]) -> Vec<Seq> {
    rows.iter()
        .filter(|row| !matches!((&row.change, row.origin), (Change::Parked { report: None, .. }, origin) if origin != Origin::Dead))
        .map(|row| row.seq)
        .collect()
}

/// The report of what ran, if anything did.
pub(crate) fn report_of(row: &Row) -> Option<&Report> {
    match &row.change {
        Change::Failed { report, .. } => Some(report),
        Change::Settled { report, .. } | Change::Parked { report, .. } | Change::Dead { report, .. } => {
            report.as_deref()
        }
    }
}

/// The rows of a commit by the table they go to.
#[derive(Debug)]
pub(crate) struct Sheets<S> {
    pub(crate) ledger: S,
    pub(crate) ledger_changed: S,
    pub(crate) parked: S,
    pub(crate) parked_changed: S,
    pub(crate) parked_gone: S,
    pub(crate) retrying: S,
    pub(crate) retrying_gone: S,
    pub(crate) attempts: S,
    pub(crate) dead: S,
    pub(crate) redriven: S,
    pub(crate) outbox: S,
    /// Buckets, of which something was read or changed.
    pub(crate) touched: S,
    /// Versions of keys that must stand.
    pub(crate) seen: S,
    /// Buckets that must not have been changed.
    pub(crate) listed: S,
    /// Keys that are set.
    pub(crate) put: S,
    /// Keys that are removed.
    pub(crate) removed: S,
}

/// One row on its way into the sheets.
pub(crate) struct Sorting<'a> {
    pub(crate) scope: &'a Scope,
    pub(crate) prefix: &'a Prefix,
    pub(crate) row: &'a Row,
    pub(crate) plugin: Option<i64>,
    /// The number of its death, should it die.
    pub(crate) n: u32,
}

impl<S: Sheet> Sheets<S> {
    pub(crate) fn add(&mut self, sorting: &Sorting<'_>) {
        let Sorting { row, plugin, .. } = *sorting;
        match &row.change {
            Change::Settled { state, attempt, report } => {
                self.settle(sorting, State::from(*state), *attempt, report.as_deref());
                if let Some(report) = report {
                    self.post_effects(sorting, report);
                }
            }
            Change::Failed { attempts, report } => {
                attempts::line(&mut self.attempts, row, attempts.made, report, plugin);
                match row.origin {
                    Origin::Stream => attempts::retrying_line(&mut self.retrying, row, *attempts),
                    Origin::Parked | Origin::Dead => parked::changed_line(&mut self.parked_changed, row, *attempts),
                }
            }
            Change::Parked { attempts, redriven, report } => {
                if let Some(report) = report {
                    attempts::line(&mut self.attempts, row, attempts.made, report, plugin);
                }
                if row.origin == Origin::Parked {
                    parked::changed_line(&mut self.parked_changed, row, *attempts);
                } else {
                    self.settle(sorting, State::Parked, attempts.made, None);
                    parked::line(&mut self.parked, row, *attempts, *redriven);
                }
            }
            Change::Dead { attempts, cause, report } => {
                let in_vain = report.as_deref().filter(|_| *cause == Cause::Conflict).map(dead::in_vain);
                let report = in_vain.as_ref().or(report.as_deref());
                self.settle(sorting, State::Dead, attempts.made, report);
                if let Some(report) = report {
                    attempts::line(&mut self.attempts, row, attempts.made, report, plugin);
                }
                self.bury(sorting, *attempts, *cause, report);
            }
        }
    }

    /// Its entry in the ledger, and its leaving where it was.
    fn settle(&mut self, sorting: &Sorting<'_>, state: State, attempt: u32, report: Option<&Report>) {
        let Sorting { row, plugin, .. } = *sorting;
        let entry = ledger::Entry { row, state, attempt, report, plugin };
        match row.origin {
            Origin::Stream => {
                ledger::line(&mut self.ledger, entry, None);
                // The first attempt leaves nothing here; what else could is swept out at the next claim.
                if attempt > 1 || matches!(state, State::Parked | State::Dead) {
                    drop(self.retrying_gone.row().nat(row.seq));
                }
            }
            Origin::Parked => {
                ledger::line(&mut self.ledger_changed, entry, Some(State::Parked));
                parked::gone_line(&mut self.parked_gone, row);
            }
            Origin::Dead => {
                ledger::line(&mut self.ledger_changed, entry, Some(State::Dead));
                dead::redriven_line(&mut self.redriven, row);
            }
        }
    }

    fn post_effects(&mut self, sorting: &Sorting<'_>, report: &Report) {
        let Sorting { scope, row, .. } = *sorting;
        for (index, effect) in report.effects.iter().enumerate() {
            let msg_id = effect_id(scope, &row.identity.project, &row.identity.id, index);
            let request = effect.to.request();
            let message = outbox::Message {
                key: &row.event.key,
                target: effect.to.target(),
                request: request.as_deref(),
                msg_id: &msg_id,
                headers: &effect.headers,
                body: &effect.body,
            };
            outbox::line(&mut self.outbox, message);
        }
    }

    fn bury(&mut self, sorting: &Sorting<'_>, attempts: AttemptState, cause: Cause, report: Option<&Report>) {
        let Sorting { scope, prefix, row, plugin, n } = *sorting;
        let began = report.map_or(scope.now, |report| report.started_at);
        let first_at = if attempts.first_at == 0 { began } else { attempts.first_at };
        dead::line(&mut self.dead, dead::Entry { row, n, attempts, cause, report, plugin }, first_at);
        let death = Death {
            prefix,
            handler: &scope.handler,
            run: &scope.run,
            n,
            event: &row.event,
            cause: dead::cause_word(cause),
            message: dead::message(cause, report),
            attempts: attempts.made,
            digest: report.map_or("", |report| &report.digest),
            first_at,
            died_at: scope.now,
        };
        if let Some(notice) = death.notice() {
            let message = outbox::Message {
                key: &row.event.key,
                target: &notice.subject,
                request: None,
                msg_id: &notice.msg_id,
                headers: &notice.headers,
                body: &row.event.body,
            };
            outbox::line(&mut self.outbox, message);
        }
    }
}
