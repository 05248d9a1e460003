//! Old entries leave the ledger.

use lanes::Millis;
use sqlx::{Connection as _, PgConnection, Row as _};

use crate::aged::{Aged, FIRST, LAST, LedgerPlace, REMOVE, REMOVE_ATTEMPTS, REMOVE_DEATHS, Step, seconds};

/// Whoever holds this lock walks: one runner at a time is enough.
const WALK: &str = "select pg_try_advisory_xact_lock(hashtext('roomwire ledger walk'))";

/// One step of a walk; of no effect while another runner makes one.
pub(crate) async fn step(
    conn: &mut PgConnection,
    settled_before: Millis,
    after: &LedgerPlace,
    limit: u32,
) -> Result<Aged, sqlx::Error> {
    let mut transaction = conn.begin().await?;
    if !sqlx::query_scalar::<_, bool>(WALK).fetch_one(&mut *transaction).await? {
        return Ok(Aged::default());
    }
    let aged = walk(&mut transaction, settled_before, after, limit).await?;
    transaction.commit().await?;
    Ok(aged)
}

async fn walk(
    conn: &mut PgConnection,
    settled_before: Millis,
    after: &LedgerPlace,
    limit: u32,
) -> Result<Aged, sqlx::Error> {
    let created_before = seconds(settled_before);
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
