//! Noting when nothing was tried of a handler.

use std::sync::Arc;

use super::writer::{Desk, Verdict, Work};
use crate::{Stop, error::Failure, stops::KEEP_MS};

/// The work of a note.
pub(crate) struct Stops {
    pub(crate) handler: Arc<str>,
    pub(crate) run: Arc<str>,
    pub(crate) stop: Stop,
}

impl Work for Stops {
    type Output = ();
    const OPERATION: &'static str = "note when a handler stood still";

    async fn carry_out(&mut self, desk: &mut Desk) -> Result<Verdict<()>, Failure> {
        const BETWEEN: &str = "
            insert into stops (handler_id, run, began, ended) values (?1, ?2, ?3, ?4)
            on conflict (handler_id, run, began) do update set ended = max(ended, excluded.ended)";
        const PAUSE: &str = "
            insert into stops (handler_id, run, began, ended) select ?1, ?2, ?3, null
            where not exists (select 1 from stops where handler_id = ?1 and run = ?2 and ended is null)
            on conflict (handler_id, run, began) do update set ended = null";
        const RESUME: &str = "
            update stops set ended = max(began, ?3) where handler_id = ?1 and run = ?2 and ended is null";
        const FORGET: &str = "delete from stops where handler_id = ?1 and run = ?2 and ended < ?3";
        let id = desk.names.handler_or_new(&mut desk.conn, &self.handler).await?;
        let run = Arc::clone(&self.run);
        let query = match self.stop {
            Stop::Between(from, until) => {
                sqlx::query(BETWEEN).bind(id).bind(run).bind(from.cast_signed()).bind(until.cast_signed())
            }
            Stop::Pause(since) => sqlx::query(PAUSE).bind(id).bind(run).bind(since.cast_signed()),
            Stop::Resume(at) => sqlx::query(RESUME).bind(id).bind(run).bind(at.cast_signed()),
        };
        query.execute(&mut desk.conn).await?;
        let oldest = desk.now.cast_signed().saturating_sub(KEEP_MS);
        sqlx::query(FORGET).bind(id).bind(Arc::clone(&self.run)).bind(oldest).execute(&mut desk.conn).await?;
        Ok(Verdict::Keep(()))
    }
}
