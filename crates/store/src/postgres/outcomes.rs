//! What became of events, asked by id, and what is to be forgotten of them.

use sqlx::{PgConnection, postgres::PgRow};

use super::text::stored;
use crate::ledger::State;

/// The live run's ledger rows of these ids. An id alone is no prefix of the ledger's key, so this reads the ledger
/// through: for operators, not for every event.
pub(crate) async fn outcomes(conn: &mut PgConnection, ids: &[String]) -> Result<Vec<PgRow>, sqlx::Error> {
    const FIND: &str = "
        select l.event_id as event_id, l.state as state, h.name as name
        from ledger as l join handlers as h on h.id = l.handler_id
        where l.run = 'live' and l.event_id = any($1) order by l.event_id, h.name";
    sqlx::query(FIND).bind(ids.iter().map(|id| stored(id).into_owned()).collect::<Vec<_>>()).fetch_all(conn).await
}

/// Erases headers and body of a skipped event's dead letters: a dead event's body is needed to run it again.
pub(crate) async fn erase(
    conn: &mut PgConnection,
    handler_id: i64,
    run: &str,
    event_id: &str,
) -> Result<(), sqlx::Error> {
    const ERASE: &str = "
        update dead as d set headers = '{}', body = ''
        where d.handler_id = $1 and d.run = $2 and d.event_id = $3 and exists (
            select 1 from ledger as l
            where l.handler_id = d.handler_id and l.run = d.run and l.project = d.project and l.created = d.created
                and l.event_id = d.event_id and l.state = $4
        )";
    sqlx::query(ERASE)
        .bind(handler_id)
        .bind(stored(run).into_owned())
        .bind(stored(event_id).into_owned())
        .bind(State::Skipped.code())
        .execute(conn)
        .await
        .map(drop)
}
