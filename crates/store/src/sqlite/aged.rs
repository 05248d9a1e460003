//! Old entries leave the ledger.

use lanes::Millis;
use sqlx::{Row as _, SqliteConnection};

use super::writer::{Desk, Verdict, Work};
use crate::{
    aged::{Aged, FIRST, LAST, LedgerPlace, REMOVE, REMOVE_ATTEMPTS, REMOVE_DEATHS, Step, seconds},
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
        walk(&mut desk.conn, self).await.map(Verdict::Keep).map_err(Failure::from)
    }
}

async fn walk(conn: &mut SqliteConnection, work: &Ages) -> Result<Aged, sqlx::Error> {
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
    let of = (first.try_get(0)?, first.try_get(1)?, first.try_get(2)?);
    let step = Step::new(after.clone(), of, created_before);
    let begin = &step.begin;
    if first.try_get::<i64, _>(3)? >= created_before {
        return Ok(Aged { removed: 0, next: Some(begin.clone().behind_project()) });
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
    let last = last.map(|last| Ok::<_, sqlx::Error>((last.try_get(0)?, last.try_get(1)?))).transpose()?;
    let (end, next) = step.end(last);
    let mut removed = 0;
    for (sql, counts) in [(REMOVE, true), (REMOVE_ATTEMPTS, false), (REMOVE_DEATHS, false)] {
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
