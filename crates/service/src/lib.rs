//! The process shell that every Roomwire binary shares: configuration, NATS connection, admin endpoint, telemetry,
//! shutdown, readiness.

pub mod admin;
pub mod config;
pub mod error;
pub mod exit;
pub mod keys;
pub mod listen;
pub mod lock;
pub mod nats;
pub mod ready;
pub mod shutdown;
pub mod telemetry;
