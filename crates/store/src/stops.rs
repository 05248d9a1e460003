//! Times in which nothing was tried of a handler, so that they do not count against its `for` after a restart, and so
//! that a pause outlives the process.

use lanes::Millis;

use crate::fields::{Ask, Fields};

/// What ended longer ago than events are tried is forgotten.
pub(crate) const KEEP_MS: i64 = 60 * 24 * 3_600 * 1_000;

/// What is to be noted of a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Nothing was tried in this time; a longer one with the same beginning replaces it.
    Between(Millis, Millis),
    /// An operator pauses it. A pause that lasts already goes on.
    Pause(Millis),
    /// An operator lets it go on.
    Resume(Millis),
}

/// Asks when nothing was tried of a handler, by time.
pub(crate) fn ask(handler_id: i64, run: &str) -> Ask {
    const READ: &str = "select began, ended from stops where handler_id = $1 and run = $2 order by began";
    Ask { sql: READ, args: vec![handler_id.into(), run.into()] }
}

/// A row of [`ask`]; without an end where it is paused.
pub(crate) fn stop(row: &dyn Fields) -> Result<(Millis, Option<Millis>), sqlx::Error> {
    Ok((row.nat("began")?, row.opt_nat("ended")?))
}
