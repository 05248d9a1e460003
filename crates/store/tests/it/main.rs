//! The store against real SQLite files and a real PostgreSQL: the same tests for both, and some for each alone.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::duplicate_mod, reason = "the tests that hold for both databases are compiled for each")]

mod files;
mod postgres;
mod shared;
mod sqlite;
mod world;
