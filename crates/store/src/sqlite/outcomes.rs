//! What became of events, asked by id.

use crate::fields::{Arg, Ask};

/// Asks for the live run's ledger rows of these ids. An id alone is no prefix of the ledger's key, so this reads the
/// ledger through: for operators, not for every event.
pub(crate) fn ask(ids: &[String]) -> Ask {
    const FIND: &str = "select l.event_id, l.state, h.name from ledger as l join handlers as h on h.id = l.handler_id
        where l.run = 'live' and l.event_id in (select value from json_each($1)) order by l.event_id, h.name";
    Ask { sql: FIND, args: vec![Arg::Text(serde_json::Value::from(ids).to_string())] }
}
