//! Sends each event on to an HTTP endpoint, after the commit: the body as LiveKit sent it, signed by the host.

#[cfg(target_family = "wasm")]
mod guest;
mod settings;

pub use settings::{Settings, SettingsError};
