//! The store against real SQLite files.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod claims;
mod commits;
mod dead;
mod deaths;
mod group;
mod opening;
mod outbox;
mod resets;
mod stops;
mod world;
