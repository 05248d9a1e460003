//! The connection to NATS: made, watched, checked; and the streams on it.

mod address;
mod connection;
mod health;
mod server;
mod streams;

pub use connection::{ConnectError, Connection, FirstConnect, State, client_name, connect, inbox_of};
pub use health::watch_health;
pub use server::{ServerError, check_server};
pub use streams::{StreamError, apply_streams, ensure_stream, ensure_streams};
