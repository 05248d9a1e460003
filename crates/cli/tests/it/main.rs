//! The binary `roomwire` as its users call it.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod call;
mod config;
mod help;
mod plugin;
mod quarantine;
mod registry;
mod runner;
mod sim;
mod spool;
mod up;
mod up_fleet;
mod up_reload;
