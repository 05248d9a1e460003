//! The process shell that every Roomwire binary shares: configuration, NATS connection, admin endpoint, telemetry,
//! shutdown, readiness.

pub mod admin;
pub mod certificate;
pub mod changes;
pub mod config;
pub mod error;
pub mod exit;
pub mod keys;
pub mod listen;
pub mod lock;
pub mod nats;
pub mod open_files;
pub mod ready;
mod settled;
pub mod shutdown;
pub mod telemetry;
