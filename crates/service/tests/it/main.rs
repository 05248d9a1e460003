//! Against a real nats-server and over real HTTP.

#![expect(clippy::unwrap_used, reason = "helpers of tests may unwrap")]

mod admin;
mod nats;
mod streams;
