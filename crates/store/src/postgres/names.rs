//! Numbers for names that stand in many rows: handlers and plugin digests. Given once, they never change.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use sqlx::PgConnection;

use super::text::stored;

/// The numbers of digests.
pub(crate) type Plugins = HashMap<Arc<str>, i64>;

/// What was looked up already.
#[derive(Debug, Default)]
pub(crate) struct Names {
    handlers: Mutex<HashMap<Arc<str>, i64>>,
    plugins: Mutex<Plugins>,
}

impl Names {
    pub(crate) fn known_handler(&self, name: &str) -> Option<i64> {
        self.handlers.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied()
    }

    /// A name may stand for another number than before.
    pub(crate) fn forget_handlers(&self) {
        self.handlers.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The number of a handler that has one.
    pub(crate) async fn handler(&self, conn: &mut PgConnection, name: &str) -> Result<Option<i64>, sqlx::Error> {
        if let Some(id) = self.known_handler(name) {
            return Ok(Some(id));
        }
        let id: Option<i64> = sqlx::query_scalar("select id from handlers where name = $1")
            .bind(stored(name).into_owned())
            .fetch_optional(conn)
            .await?;
        if let Some(id) = id {
            self.handlers.lock().unwrap_or_else(PoisonError::into_inner).insert(name.into(), id);
        }
        Ok(id)
    }

    /// The number of a handler, which is given one if it is new.
    pub(crate) async fn handler_or_new(&self, conn: &mut PgConnection, name: &str) -> Result<i64, sqlx::Error> {
        const GIVE: &str = "insert into handlers (name) values ($1) on conflict (name) do nothing";
        loop {
            if let Some(id) = self.handler(conn, name).await? {
                return Ok(id);
            }
            sqlx::query(GIVE).bind(stored(name).into_owned()).execute(&mut *conn).await?;
        }
    }

    /// Those of the digests that have a number already, if all of them do; the empty digest has none.
    pub(crate) fn known_plugins<'a>(&self, digests: impl Iterator<Item = &'a Arc<str>>) -> Option<Plugins> {
        let known = self.plugins.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = Plugins::new();
        for digest in digests.filter(|digest| !digest.is_empty()) {
            if !found.contains_key(digest) {
                found.insert(Arc::clone(digest), *known.get(digest)?);
            }
        }
        Some(found)
    }

    /// Gives numbers to the digests that have none.
    pub(crate) async fn give_plugins(
        &self,
        conn: &mut PgConnection,
        digests: Vec<Arc<str>>,
    ) -> Result<(), sqlx::Error> {
        const GIVE: &str = "
            insert into plugins (digest) select distinct d from unnest($1::text[]) as d order by d
            on conflict (digest) do nothing";
        const READ: &str = "select digest, id from plugins where digest = any($1)";
        let texts: Vec<String> = digests.iter().map(|digest| stored(digest).into_owned()).collect();
        sqlx::query(GIVE).bind(texts.clone()).execute(&mut *conn).await?;
        let rows: Vec<(String, i64)> = sqlx::query_as(READ).bind(texts).fetch_all(conn).await?;
        let mut known = self.plugins.lock().unwrap_or_else(PoisonError::into_inner);
        for (digest, id) in rows {
            known.insert(super::text::read(digest).into(), id);
        }
        Ok(())
    }
}
