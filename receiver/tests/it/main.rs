//! The receiver against a real nats-server.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod attack;
mod binary;
mod http;
mod limits;
mod outages;
mod privacy;
mod quarantine;
mod recorded;
mod refusals;
mod reload;
mod rig;
mod spool;
mod stopping;
mod tls;
