//! A handler's name changes, or all that is stored of it goes.

use std::sync::Arc;

use super::writer::{Desk, Verdict, Work};
use crate::{
    Dropped, Renamed,
    error::Failure,
    handlers::{FORGET, FREE, HAS_BEGUN, RENAME},
};

/// The work of another name.
pub(crate) struct Renames {
    pub(crate) from: Arc<str>,
    pub(crate) to: Arc<str>,
}

impl Work for Renames {
    type Output = Renamed;
    const OPERATION: &'static str = "give a handler's progress another name";

    async fn carry_out(&mut self, desk: &mut Desk) -> Result<Verdict<Renamed>, Failure> {
        desk.names.forget();
        let Some(from) = desk.names.handler(&mut desk.conn, &self.from).await? else {
            return Ok(Verdict::Keep(Renamed::Nothing));
        };
        if let Some(to) = desk.names.handler(&mut desk.conn, &self.to).await? {
            if sqlx::query_scalar(HAS_BEGUN).bind(to).fetch_one(&mut desk.conn).await? {
                return Ok(Verdict::Keep(Renamed::Both));
            }
            for sql in FREE {
                sqlx::query(sql).bind(to).execute(&mut desk.conn).await?;
            }
        }
        sqlx::query(RENAME).bind(from).bind(Arc::clone(&self.to)).execute(&mut desk.conn).await?;
        desk.names.forget();
        Ok(Verdict::Keep(Renamed::Done))
    }
}

/// The work of forgetting a handler.
pub(crate) struct Drops {
    pub(crate) handler: Arc<str>,
}

impl Work for Drops {
    type Output = Dropped;
    const OPERATION: &'static str = "forget a handler";

    async fn carry_out(&mut self, desk: &mut Desk) -> Result<Verdict<Dropped>, Failure> {
        let Some(id) = desk.names.handler(&mut desk.conn, &self.handler).await? else {
            return Ok(Verdict::Keep(Dropped::Unknown));
        };
        for sql in FORGET {
            sqlx::query(sql).bind(id).execute(&mut desk.conn).await?;
        }
        Ok(Verdict::Keep(Dropped::Done))
    }
}
