//! Tells a Slack channel of dead letters, by an incoming webhook.

#[cfg(target_family = "wasm")]
mod guest;
mod message;

pub use message::{Letter, message};
