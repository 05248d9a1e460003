//! What became of events, asked by id.

use sqlx::{Row as _, SqliteConnection};

use crate::{error::Failure, ledger::State};

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

/// The live run's ledger rows of these ids. An id alone is no prefix of the ledger's key, so this reads the ledger
/// through: for operators, not for every event.
pub(crate) async fn outcomes(conn: &mut SqliteConnection, ids: &[String]) -> Result<Vec<OutcomeRow>, Failure> {
    const FIND: &str = "select l.event_id, l.state, h.name from ledger as l join handlers as h on h.id = l.handler_id
        where l.run = 'live' and l.event_id in (select value from json_each(?1)) order by l.event_id, h.name";
    let wanted = serde_json::Value::from(ids).to_string();
    let rows = sqlx::query(FIND).bind(wanted).fetch_all(conn).await?;
    rows.iter()
        .map(|row| {
            let state = State::word(row.try_get("state")?);
            Ok(OutcomeRow { event_id: row.try_get("event_id")?, handler: row.try_get("name")?, state })
        })
        .collect()
}
