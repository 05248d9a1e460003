//! The admin endpoint: is the process alive, is it ready, what does it count.

mod health;
mod metrics;
mod server;

pub use health::{Component, Health};
pub use metrics::Metrics;
pub use server::serve;
