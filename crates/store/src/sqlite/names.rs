//! Numbers for names that stand in many rows: handlers and plugin digests.

use std::{collections::HashMap, sync::Arc};

use sqlx::SqliteConnection;

/// What the writer has looked up already.
#[derive(Debug, Default)]
pub(crate) struct Names {
    handlers: HashMap<Arc<str>, i64>,
    plugins: HashMap<Arc<str>, i64>,
}

impl Names {
    /// After a rollback: a number may have been given in what was taken back.
    pub(crate) fn forget(&mut self) {
        self.handlers.clear();
        self.plugins.clear();
    }

    /// The number of a handler that has one.
    pub(crate) async fn handler(
        &mut self,
        conn: &mut SqliteConnection,
        name: &Arc<str>,
    ) -> Result<Option<i64>, sqlx::Error> {
        if let Some(id) = self.handlers.get(name) {
            return Ok(Some(*id));
        }
        let id = handler(conn, name).await?;
        if let Some(id) = id {
            self.handlers.insert(Arc::clone(name), id);
        }
        Ok(id)
    }

    /// The number of a handler, which is given one if it is new.
    pub(crate) async fn handler_or_new(
        &mut self,
        conn: &mut SqliteConnection,
        name: &Arc<str>,
    ) -> Result<i64, sqlx::Error> {
        if let Some(id) = self.handler(conn, name).await? {
            return Ok(id);
        }
        let id = sqlx::query_scalar("insert into handlers (name) values (?1) returning id")
            .bind(Arc::clone(name))
            .fetch_one(conn)
            .await?;
        self.handlers.insert(Arc::clone(name), id);
        Ok(id)
    }

    /// The number of a plugin's digest, which is given one if it is new; none for the empty digest.
    pub(crate) async fn plugin(
        &mut self,
        conn: &mut SqliteConnection,
        digest: &Arc<str>,
    ) -> Result<Option<i64>, sqlx::Error> {
        if digest.is_empty() {
            return Ok(None);
        }
        if let Some(id) = self.plugins.get(digest) {
            return Ok(Some(*id));
        }
        let known = sqlx::query_scalar("select id from plugins where digest = ?1")
            .bind(Arc::clone(digest))
            .fetch_optional(&mut *conn)
            .await?;
        let id = match known {
            Some(id) => id,
            None => {
                sqlx::query_scalar("insert into plugins (digest) values (?1) returning id")
                    .bind(Arc::clone(digest))
                    .fetch_one(conn)
                    .await?
            }
        };
        self.plugins.insert(Arc::clone(digest), id);
        Ok(Some(id))
    }

    /// The number of a handler, if it is known without asking.
    pub(crate) fn known_handler(&self, name: &str) -> Option<i64> {
        self.handlers.get(name).copied()
    }

    /// Whether a plugin's number is known without asking.
    pub(crate) fn knows_plugin(&self, digest: &str) -> bool {
        digest.is_empty() || self.plugins.contains_key(digest)
    }

    /// A digest that [`Names::plugin`] was asked for in this transaction.
    pub(crate) fn known_plugin(&self, digest: &str) -> Option<i64> {
        self.plugins.get(digest).copied()
    }
}

/// The number of a handler, outside the writer.
pub(crate) async fn handler(conn: &mut SqliteConnection, name: &str) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar("select id from handlers where name = ?1").bind(name.to_owned()).fetch_optional(conn).await
}
