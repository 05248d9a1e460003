//! A handler's name changes, or all that is stored of it goes.

use sqlx::{Connection as _, PgConnection};

use super::text::stored;
use crate::{
    Dropped, Renamed,
    handlers::{FORGET, FREE, HAS_BEGUN, NUMBER, RENAME},
};

/// Gives all that stands under one name another one.
pub(crate) async fn rename(conn: &mut PgConnection, from: &str, to: &str) -> Result<Renamed, sqlx::Error> {
    const MARKS: &str = "update marks set handler = $2 where handler = $1";
    let (from, to) = (stored(from).into_owned(), stored(to).into_owned());
    let mut transaction = conn.begin().await?;
    // Runners that do it at the same time do it one after the other.
    sqlx::query("lock table handlers in share row exclusive mode").execute(&mut *transaction).await?;
    let Some(id) = number(&mut transaction, &from).await? else { return Ok(Renamed::Nothing) };
    if let Some(other) = number(&mut transaction, &to).await? {
        if sqlx::query_scalar(HAS_BEGUN).bind(other).fetch_one(&mut *transaction).await? {
            return Ok(Renamed::Both);
        }
        for sql in FREE {
            sqlx::query(sql).bind(other).execute(&mut *transaction).await?;
        }
    }
    sqlx::query(RENAME).bind(id).bind(to.clone()).execute(&mut *transaction).await?;
    sqlx::query(MARKS).bind(from).bind(to).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(Renamed::Done)
}

/// Forgets a handler that no runner runs.
pub(crate) async fn forget(conn: &mut PgConnection, name: &str) -> Result<Dropped, sqlx::Error> {
    const OWNED: &str = "
        select exists (
            select 1 from progress join runners on runners.name = progress.owner
            where handler_id = $1 and clean = 0 and expires_at > clock_timestamp()
        )";
    const MARKS: &str = "delete from marks where handler = $1";
    let name = stored(name).into_owned();
    let mut transaction = conn.begin().await?;
    let Some(id) = number(&mut transaction, &name).await? else { return Ok(Dropped::Unknown) };
    if sqlx::query_scalar(OWNED).bind(id).fetch_one(&mut *transaction).await? {
        return Ok(Dropped::Owned);
    }
    for sql in FORGET {
        sqlx::query(sql).bind(id).execute(&mut *transaction).await?;
    }
    sqlx::query(MARKS).bind(name).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(Dropped::Done)
}

async fn number(conn: &mut PgConnection, name: &str) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar(NUMBER).bind(name.to_owned()).fetch_optional(conn).await
}
