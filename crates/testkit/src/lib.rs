//! What the tests of several crates need: a real nats-server, a real PostgreSQL, a TCP proxy with faults, processes,
//! recorded requests, built plugins, and waiting on conditions.
//!
//! Nothing here sleeps for a guessed time, needs the internet, or shares a port or a folder with another test.

mod connect;
pub mod fixtures;
pub mod http;
pub mod https;
mod nats_server;
mod place;
mod postgres;
mod process;
mod proxy;
mod stored;
mod wait;
pub mod webhook;

pub use connect::connect;
pub use nats_server::{NatsServer, NatsSettings};
pub use place::{nats_server_binary, postgres_folder, release_binary, workspace};
pub use postgres::PostgresServer;
pub use process::Process;
pub use proxy::{Fault, FaultProxy};
pub use stored::{Stored, each_stored, stored};
pub use wait::{wait_for, wait_until};
