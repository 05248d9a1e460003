//! What became of events, asked by id.

use sqlx::{PgConnection, postgres::PgRow};

use super::text::stored;

/// The live run's ledger rows of these ids. An id alone is no prefix of the ledger's key, so this reads the ledger
/// through: for operators, not for every event.
pub(crate) async fn outcomes(conn: &mut PgConnection, ids: &[String]) -> Result<Vec<PgRow>, sqlx::Error> {
    const FIND: &str = "
        select l.event_id as event_id, l.state as state, h.name as name
        from ledger as l join handlers as h on h.id = l.handler_id
        where l.run = 'live' and l.event_id = any($1) order by l.event_id, h.name";
    sqlx::query(FIND).bind(ids.iter().map(|id| stored(id).into_owned()).collect::<Vec<_>>()).fetch_all(conn).await
}
