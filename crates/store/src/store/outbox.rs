//! The part of the handle for those who send what commits left.

use std::{collections::HashSet, sync::Arc};

use lanes::Millis;
use tokio::sync::Notify;

use super::{Backend, Store};
use crate::{
    Error, OutboxPage, OutboxRow, OutboxSpan, OutboxSummary, RequestHead, RequestRow, Sending, outbox,
    postgres::Postgres, sqlite::Sqlite,
};

impl Store {
    /// Messages of the outbox, by place: of a list that begins now after a place, or of one that goes on. In a shared store
    /// those that are this runner's to send, and a page looks at so many others at most that it takes no longer than one
    /// full of its own.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn outbox_waiting(&self, from: impl Into<OutboxSpan>, limit: u32) -> Result<OutboxPage, Error> {
        let from = from.into();
        let ask = match &self.inner.backend {
            Backend::Sqlite(_) => Sqlite::ask_waiting(from, limit),
            Backend::Postgres(db) => db.ask_waiting(from, limit),
        };
        let lines = self.read("read the outbox", ask, outbox::page_line).await?;
        Ok(outbox::page(lines, from.to, limit))
    }

    /// Messages by their places, those that still wait. In a shared store those that are this runner's to send.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn outbox_rows(&self, ids: &[i64]) -> Result<Vec<OutboxRow>, Error> {
        let ids = serde_json::Value::from(ids).to_string();
        let ask = match &self.inner.backend {
            Backend::Sqlite(_) => Sqlite::ask_rows(ids),
            Backend::Postgres(db) => db.ask_rows(ids),
        };
        self.read("read messages of the outbox", ask, outbox::waiting).await
    }

    /// The first waiting request of each lane after a place, by place; 0 is before all. In a shared store those that are
    /// this runner's to send.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn requests_waiting(&self, after_id: i64, limit: u32) -> Result<Vec<RequestHead>, Error> {
        let ask = match &self.inner.backend {
            Backend::Sqlite(_) => Sqlite::ask_heads(after_id, limit),
            Backend::Postgres(db) => db.ask_heads(after_id, limit),
        };
        self.read("look for requests in the outbox", ask, outbox::head).await
    }

    /// The first waiting request of each of these lanes, which are handler, key and origin, by place. In a shared store
    /// those that are this runner's to send.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn requests_first(&self, lanes: &[[&str; 3]]) -> Result<Vec<RequestHead>, Error> {
        let ask = match &self.inner.backend {
            Backend::Sqlite(_) => Sqlite::ask_first(lanes),
            Backend::Postgres(db) => db.ask_first(lanes),
        };
        self.read("look for the next requests in the outbox", ask, outbox::head).await
    }

    /// Requests by their places, those that still wait.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn requests(&self, ids: &[i64]) -> Result<Vec<RequestRow>, Error> {
        let ids = serde_json::Value::from(ids).to_string();
        let ask = match &self.inner.backend {
            Backend::Sqlite(_) => Sqlite::ask_requests(ids),
            Backend::Postgres(_) => Postgres::ask_requests(ids),
        };
        self.read("read requests of the outbox", ask, outbox::waiting_request).await
    }

    /// Notes that messages are about to be sent; durable when this returns. Says which of them may be: in a shared
    /// store some may be another runner's by now.
    ///
    /// # Errors
    /// When the database fails: then they must not be sent.
    pub async fn outbox_sending(&self, rows: &[Sending], now: Millis) -> Result<HashSet<i64>, Error> {
        match &self.inner.backend {
            Backend::Sqlite(db) => {
                db.sending(rows, now).await?;
                Ok(rows.iter().map(|row| row.id).collect())
            }
            Backend::Postgres(db) => db.sending(rows, now).await,
        }
    }

    /// Their targets have these messages: they leave the outbox.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn outbox_sent(&self, ids: &[i64]) -> Result<(), Error> {
        match &self.inner.backend {
            Backend::Sqlite(db) => db.sent(ids).await,
            Backend::Postgres(db) => db.sent(ids).await,
        }
    }

    /// Their targets do not have these messages, for the reasons given.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn outbox_failed(&self, rows: &[(i64, String)]) -> Result<(), Error> {
        self.not_sent(rows, true).await
    }

    /// Whether their targets have these messages is not known.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn outbox_unanswered(&self, rows: &[(i64, String)]) -> Result<(), Error> {
        self.not_sent(rows, false).await
    }

    async fn not_sent(&self, rows: &[(i64, String)], known: bool) -> Result<(), Error> {
        match &self.inner.backend {
            Backend::Sqlite(db) => db.failed(rows, known).await,
            Backend::Postgres(db) => db.failed(rows, known).await,
        }
    }

    /// What waits in the outbox after a place, of one handler or of all, by place: for operators.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn outbox_list(
        &self,
        handler: Option<&str>,
        after_id: i64,
        limit: u32,
    ) -> Result<Vec<OutboxSummary>, Error> {
        self.read("list the outbox", outbox::ask_list(handler, after_id, limit), outbox::summary).await
    }

    /// Is notified when messages came into the outbox, and once at the beginning if some wait there.
    #[must_use]
    pub fn outbox_notify(&self) -> Arc<Notify> {
        Arc::clone(&self.inner.posted.messages)
    }

    /// As [`Store::outbox_notify`], for whoever sends requests.
    #[must_use]
    pub fn requests_notify(&self) -> Arc<Notify> {
        Arc::clone(&self.inner.posted.requests)
    }
}
