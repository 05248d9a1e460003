//! Reading rows: the questions that both databases understand, and the answers by column.

use lanes::Shard;
use sqlx::{Row as _, postgres::PgRow, sqlite::SqliteRow};

use crate::postgres::text;

/// A question in the SQL that both databases understand: parameters are `$1`, `$2`, …
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) sql: &'static str,
    pub(crate) args: Vec<Arg>,
}

/// A parameter.
#[derive(Debug)]
pub(crate) enum Arg {
    Int(i64),
    Flag(bool),
    OptInt(Option<i64>),
    Text(String),
    OptText(Option<String>),
}

impl From<i64> for Arg {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<Shard> for Arg {
    fn from(value: Shard) -> Self {
        Self::Int(value.into())
    }
}

impl From<&str> for Arg {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

/// A row that was read, by the names of its columns.
pub(crate) trait Fields {
    fn int(&self, column: &str) -> Result<i64, sqlx::Error>;
    fn opt_int(&self, column: &str) -> Result<Option<i64>, sqlx::Error>;
    fn text(&self, column: &str) -> Result<String, sqlx::Error>;
    fn opt_text(&self, column: &str) -> Result<Option<String>, sqlx::Error>;
    fn bytes(&self, column: &str) -> Result<Vec<u8>, sqlx::Error>;
    /// A number that is not 0, or a truth.
    fn flag(&self, column: &str) -> Result<bool, sqlx::Error>;

    fn nat(&self, column: &str) -> Result<u64, sqlx::Error> {
        Ok(self.int(column)?.cast_unsigned())
    }

    fn opt_nat(&self, column: &str) -> Result<Option<u64>, sqlx::Error> {
        Ok(self.opt_int(column)?.map(i64::cast_unsigned))
    }

    fn small(&self, column: &str) -> Result<u32, sqlx::Error> {
        narrow(column, self.int(column)?)
    }

    fn shard(&self, column: &str) -> Result<Shard, sqlx::Error> {
        narrow(column, self.int(column)?)
    }
}

fn narrow<T: TryFrom<i64, Error: std::error::Error + Send + Sync + 'static>>(
    column: &str,
    value: i64,
) -> Result<T, sqlx::Error> {
    T::try_from(value).map_err(|source| sqlx::Error::ColumnDecode { index: column.to_owned(), source: source.into() })
}

impl Fields for SqliteRow {
    fn int(&self, column: &str) -> Result<i64, sqlx::Error> {
        self.try_get(column)
    }

    fn opt_int(&self, column: &str) -> Result<Option<i64>, sqlx::Error> {
        self.try_get(column)
    }

    fn text(&self, column: &str) -> Result<String, sqlx::Error> {
        self.try_get(column)
    }

    fn opt_text(&self, column: &str) -> Result<Option<String>, sqlx::Error> {
        self.try_get(column)
    }

    fn bytes(&self, column: &str) -> Result<Vec<u8>, sqlx::Error> {
        self.try_get(column)
    }

    fn flag(&self, column: &str) -> Result<bool, sqlx::Error> {
        self.try_get(column)
    }
}

impl Fields for PgRow {
    fn int(&self, column: &str) -> Result<i64, sqlx::Error> {
        self.try_get(column)
    }

    fn opt_int(&self, column: &str) -> Result<Option<i64>, sqlx::Error> {
        self.try_get(column)
    }

    fn text(&self, column: &str) -> Result<String, sqlx::Error> {
        self.try_get(column).map(text::read)
    }

    fn opt_text(&self, column: &str) -> Result<Option<String>, sqlx::Error> {
        self.try_get::<Option<String>, _>(column).map(|text| text.map(text::read))
    }

    fn bytes(&self, column: &str) -> Result<Vec<u8>, sqlx::Error> {
        self.try_get(column)
    }

    fn flag(&self, column: &str) -> Result<bool, sqlx::Error> {
        self.try_get(column).or_else(|_| Ok(self.int(column)? != 0))
    }
}
