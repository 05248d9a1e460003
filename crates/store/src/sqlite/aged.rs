//! Old entries leave the ledger.

use lanes::Millis;
use sqlx::{Row as _, SqliteConnection};

use super::writer::{Desk, Verdict, Work};
use crate::{
    aged::{Aged, FIRST, LAST, LedgerPlace, REMOVE, REMOVE_ATTEMPTS, seconds},
    error::Failure,
};

/// The work of one step.
pub(crate) struct Ages {
    pub(crate) settled_before: Millis,
    pub(crate) after: LedgerPlace,
    pub(crate) limit: u32,
}

impl Work for Ages {
    type Output = Aged;
    const OPERATION: &'static str = "remove old entries of the ledger";

    async fn carry_out(&mut self, desk: &mut Desk) -> Result<Verdict<Aged>, Failure> {
        step(&mut desk.conn, self).await.map(Verdict::Keep).map_err(Failure::from)
    }
}

async fn step(conn: &mut SqliteConnection, work: &Ages) -> Result<Aged, sqlx::Error> {
    let Ages { settled_before, after, limit } = work;
    let created_before = seconds(*settled_before);
    let first = sqlx::query(FIRST)
        .bind(after.handler_id)
        .bind(after.run.clone())
        .bind(after.project.clone())
        .bind(after.created)
        .bind(after.event_id.clone())
        .fetch_optional(&mut *conn)
        .await?;
    let Some(first) = first else { return Ok(Aged::default()) };
    let (handler_id, run, project): (i64, String, String) = (first.try_get(0)?, first.try_get(1)?, first.try_get(2)?);
    let is_same = (after.handler_id, &after.run, &after.project) == (handler_id, &run, &project);
    let begin = LedgerPlace { handler_id, run, project, created: i64::MIN, event_id: String::new() };
    let begin = if is_same { after.clone() } else { begin };
    if first.try_get::<i64, _>(3)? >= created_before {
        return Ok(Aged { removed: 0, next: Some(begin.behind_project()) });
    }
    let last = sqlx::query(LAST)
        .bind(begin.handler_id)
        .bind(begin.run.clone())
        .bind(begin.project.clone())
        .bind(begin.created)
        .bind(begin.event_id.clone())
        .bind(created_before)
        .bind(i64::from(limit.saturating_sub(1)))
        .fetch_optional(&mut *conn)
        .await?;
    let next = match &last {
        Some(last) => LedgerPlace { created: last.try_get(0)?, event_id: last.try_get(1)?, ..begin.clone() },
        None => begin.clone().behind_project(),
    };
    // Nothing has this id: it stands for all that was created before.
    let end = if last.is_some() { (next.created, next.event_id.clone()) } else { (created_before, String::new()) };
    let mut removed = 0;
    for (sql, counts) in [(REMOVE, true), (REMOVE_ATTEMPTS, false)] {
        let gone = sqlx::query(sql)
            .bind(begin.handler_id)
            .bind(begin.run.clone())
            .bind(begin.project.clone())
            .bind(begin.created)
            .bind(begin.event_id.clone())
            .bind(end.0)
            .bind(end.1.clone())
            .bind(settled_before.cast_signed())
            .execute(&mut *conn)
            .await?;
        removed += if counts { gone.rows_affected() } else { 0 };
    }
    Ok(Aged { removed, next: Some(next) })
}
