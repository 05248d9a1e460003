//! What became of events, asked by id.

use crate::{fields::Fields, ledger::State};

/// What a handler made of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutcomeRow {
    /// The event's id.
    pub event_id: String,
    /// The handler's name.
    pub handler: String,
    /// `done`, `skipped`, `filtered`, `parked` or `dead`.
    pub state: &'static str,
}

/// A row with the columns `event_id`, `name` and `state`.
pub(crate) fn outcome(row: &dyn Fields) -> Result<OutcomeRow, sqlx::Error> {
    let state = State::word(row.int("state")?);
    Ok(OutcomeRow { event_id: row.text("event_id")?, handler: row.text("name")?, state })
}
