//! What becomes of all that is stored of a handler when its name changes or when it is given up.
//!
//! Everything hangs on the number of a handler's name, so that another name is one row.

/// What a handler's new name found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renamed {
    /// It has now all that stood under the old name.
    Done,
    /// Nothing stands under the old name: it may have been done before.
    Nothing,
    /// Both names have progress; nothing was changed.
    Both,
}

/// What became of an order to forget a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// Everything of it is gone; it may have been before, where several runners are told at once.
    Done,
    /// Nobody has ever heard of it.
    Unknown,
    /// A runner that lives runs it.
    Owned,
}

/// The number of a name.
pub(crate) const NUMBER: &str = "select id from handlers where name = $1";

/// Whether a handler has begun.
pub(crate) const HAS_BEGUN: &str = "select exists (select 1 from progress where handler_id = $1)";

/// Makes a name free that has no progress.
pub(crate) const FREE: [&str; 2] = ["delete from stops where handler_id = $1", "delete from handlers where id = $1"];

/// Gives a handler another name.
pub(crate) const RENAME: &str = "update handlers set name = $2 where id = $1";

/// Forgets all but the name: other runners may know its number.
pub(crate) const FORGET: [&str; 12] = [
    "delete from ledger where handler_id = $1",
    "delete from lanes where handler_id = $1",
    "delete from parked where handler_id = $1",
    "delete from retrying where handler_id = $1",
    "delete from suspects where handler_id = $1",
    "delete from attempts where handler_id = $1",
    "delete from dead where handler_id = $1",
    "delete from outbox where handler_id = $1",
    "delete from stops where handler_id = $1",
    "delete from keyvalue where handler_id = $1",
    "delete from buckets where handler_id = $1",
    "delete from progress where handler_id = $1",
];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_table_that_knows_handlers_by_number_is_forgotten() {
        for database in ["sqlite", "postgres"] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(database);
            let mut tables = Vec::new();
            for file in std::fs::read_dir(folder).unwrap() {
                let sql = std::fs::read_to_string(file.unwrap().path()).unwrap();
                let made = sql
                    .split("create table ")
                    .skip(1)
                    .filter(|made| made.split(';').next().is_some_and(|columns| columns.contains("handler_id ")));
                tables.extend(made.filter_map(|made| made.split_whitespace().next().map(str::to_owned)));
            }
            assert!(tables.len() > 5, "{tables:?}");
            for table in tables {
                let sql = format!("delete from {table} where handler_id = $1");
                assert!(FORGET.contains(&sql.as_str()), "{database}: {table}");
            }
        }
    }
}
