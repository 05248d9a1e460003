//! Erasing dead letters.

use std::sync::Arc;

use super::writer::{Desk, Verdict, Work};
use crate::{error::Failure, ledger::State};

/// The work of erasing what a skipped event's letters hold of it.
pub(crate) struct Erases {
    pub(crate) handler: Arc<str>,
    pub(crate) run: Arc<str>,
    pub(crate) event_id: String,
}

impl Work for Erases {
    type Output = ();
    const OPERATION: &'static str = "erase a dead letter";

    async fn carry_out(&mut self, desk: &mut Desk) -> Result<Verdict<()>, Failure> {
        // Only of what is settled: a dead event's body is needed to run it again.
        const ERASE: &str = "
            update dead set headers = '{}', body = x''
            where handler_id = ?1 and run = ?2 and event_id = ?3 and exists (
                select 1 from ledger as l
                where l.handler_id = dead.handler_id and l.run = dead.run and l.project = dead.project
                    and l.created = dead.created and l.event_id = dead.event_id and l.state = ?4
            )";
        if let Some(id) = desk.names.handler(&mut desk.conn, &self.handler).await? {
            sqlx::query(ERASE)
                .bind(id)
                .bind(Arc::clone(&self.run))
                .bind(self.event_id.clone())
                .bind(State::Skipped.code())
                .execute(&mut desk.conn)
                .await?;
        }
        Ok(Verdict::Keep(()))
    }
}
