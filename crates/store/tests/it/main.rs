//! The store against real SQLite files.

mod claims;
mod commits;
mod dead;
mod deaths;
mod group;
mod opening;
mod outbox;
mod resets;
mod world;
