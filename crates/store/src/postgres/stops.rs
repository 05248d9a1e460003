//! Noting when nothing was tried of a handler.

use sqlx::PgConnection;

use super::text::stored;
use crate::{Stop, scope::now, stops::KEEP_MS};

/// Notes it.
pub(crate) async fn note(conn: &mut PgConnection, handler_id: i64, run: &str, stop: Stop) -> Result<(), sqlx::Error> {
    const BETWEEN: &str = "
        insert into stops (handler_id, run, began, ended) values ($1, $2, $3, $4)
        on conflict (handler_id, run, began) do update
        set ended = case when stops.ended is null then null else greatest(stops.ended, excluded.ended) end";
    const PAUSE: &str = "
        insert into stops (handler_id, run, began, ended) select $1, $2, $3, null
        where not exists (select 1 from stops where handler_id = $1 and run = $2 and ended is null)
        on conflict (handler_id, run, began) do update set ended = null";
    const RESUME: &str = "
        update stops set ended = greatest(began, $3) where handler_id = $1 and run = $2 and ended is null";
    const FORGET: &str = "delete from stops where handler_id = $1 and run = $2 and ended < $3";
    let run = stored(run).into_owned();
    let query = match stop {
        Stop::Between(from, until) => {
            sqlx::query(BETWEEN).bind(handler_id).bind(run.clone()).bind(from.cast_signed()).bind(until.cast_signed())
        }
        Stop::Pause(since) => sqlx::query(PAUSE).bind(handler_id).bind(run.clone()).bind(since.cast_signed()),
        Stop::Resume(at) => sqlx::query(RESUME).bind(handler_id).bind(run.clone()).bind(at.cast_signed()),
    };
    query.execute(&mut *conn).await?;
    let oldest = now().cast_signed().saturating_sub(KEEP_MS);
    sqlx::query(FORGET).bind(handler_id).bind(run).bind(oldest).execute(conn).await.map(drop)
}
