//! Reading keys: what the last commits left.

use bytes::Bytes;
use lanes::Millis;

use super::{Bucket, Spot};
use crate::{
    Error, Store,
    fields::{Arg, Ask, Fields},
    scope::now,
};

// A guest waits for each of these reads: the handler is found in the same one.

macro_rules! get {
    ($handler:literal) => {
        concat!(
            "select value, version, expires_at from keyvalue where handler_id = ",
            $handler,
            " and run = $2 and bucket = $3 and space = $4 and key = $5"
        )
    };
}

macro_rules! changes {
    ($handler:literal) => {
        concat!(
            "select changes from buckets where handler_id = ",
            $handler,
            " and run = $2 and bucket = $3 and shard = -1"
        )
    };
}

/// A key that is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its value; none where its time is over and nobody has removed it yet.
    pub value: Option<Bytes>,
    /// Its version.
    pub version: i64,
}

/// What a bucket holds, over all shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Keys.
    pub keys: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
}

impl Store {
    /// What is stored under a key.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn kv_get(&self, handler: &str, run: &str, spot: &Spot) -> Result<Option<Found>, Error> {
        let ask =
            Ask { sql: get!("(select id from handlers where name = $1)"), args: of_spot(handler.into(), run, spot) };
        let rows = self.read("read a key", ask, found).await?;
        Ok(rows.into_iter().next().map(|found| found.at(now())))
    }

    /// Keys of a space after one of them (an empty text is before all), in order, at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn kv_keys(
        &self,
        (handler, run): (&str, &str),
        bucket: &str,
        space: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<String>, Error> {
        const KEYS: &str = "
            select key from keyvalue
            where handler_id = (select id from handlers where name = $1) and run = $2 and bucket = $3 and space = $4
                and key > $5
                and (expires_at is null or expires_at > $6)
            order by key limit $7";
        let args = vec![
            handler.into(),
            run.into(),
            bucket.into(),
            space.into(),
            after.into(),
            now().cast_signed().into(),
            i64::from(limit).into(),
        ];
        self.read("list keys", Ask { sql: KEYS, args }, |row| row.text("key")).await
    }

    /// How often the keys of a contended bucket were changed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn kv_changes(&self, handler: &str, run: &str, bucket: &Bucket) -> Result<i64, Error> {
        let args = vec![handler.into(), run.into(), (*bucket.name).into()];
        let ask = Ask { sql: changes!("(select id from handlers where name = $1)"), args };
        let rows = self.read("read a bucket", ask, changes).await?;
        Ok(rows.into_iter().next().unwrap_or_default())
    }

    /// What a bucket holds by the last commits.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn kv_usage(&self, handler: &str, run: &str, bucket: &str) -> Result<Usage, Error> {
        const USAGE: &str = "
            select cast(coalesce(sum(keys), 0) as bigint) as keys, cast(coalesce(sum(bytes), 0) as bigint) as bytes
            from buckets
            where handler_id = (select id from handlers where name = $1) and run = $2 and bucket = $3";
        let ask = Ask { sql: USAGE, args: vec![handler.into(), run.into(), bucket.into()] };
        let rows = self.read("read what a bucket holds", ask, usage).await?;
        Ok(rows.into_iter().next().unwrap_or_default())
    }
}

fn usage(row: &dyn Fields) -> Result<Usage, sqlx::Error> {
    let count = |column| Ok::<_, sqlx::Error>(u64::try_from(row.int(column)?).unwrap_or_default());
    Ok(Usage { keys: count("keys")?, bytes: count("bytes")? })
}

/// A row of [`ask_get`], expired or not.
pub(crate) struct Stored {
    value: Bytes,
    pub(crate) version: i64,
    expires_at: Option<Millis>,
}

impl Stored {
    fn at(self, now: Millis) -> Found {
        let lives = self.expires_at.is_none_or(|at| at > now);
        Found { value: lives.then_some(self.value), version: self.version }
    }
}

/// Asks for a key.
pub(crate) fn ask_get(handler_id: i64, run: &str, spot: &Spot) -> Ask {
    Ask { sql: get!("$1"), args: of_spot(handler_id.into(), run, spot) }
}

fn of_spot(handler: Arg, run: &str, spot: &Spot) -> Vec<Arg> {
    let Spot { bucket, space, key } = spot;
    vec![handler, run.into(), (*bucket.name).into(), (**space).into(), (**key).into()]
}

pub(crate) fn found(row: &dyn Fields) -> Result<Stored, sqlx::Error> {
    Ok(Stored {
        value: row.bytes("value")?.into(),
        version: row.int("version")?,
        expires_at: row.opt_nat("expires_at")?,
    })
}

/// Asks how often a contended bucket was changed.
pub(crate) fn ask_changes(handler_id: i64, run: &str, bucket: &Bucket) -> Ask {
    Ask { sql: changes!("$1"), args: vec![handler_id.into(), run.into(), (*bucket.name).into()] }
}

pub(crate) fn changes(row: &dyn Fields) -> Result<i64, sqlx::Error> {
    row.int("changes")
}
