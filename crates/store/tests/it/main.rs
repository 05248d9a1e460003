//! The store against real SQLite files and a real PostgreSQL: the same tests for both, and some for each alone.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod files;
mod postgres;
mod shared;
mod sqlite;
mod world;
