//! Counts participant minutes per room and plan, into keys and onto a NATS subject.

#[cfg(target_family = "wasm")]
mod guest;
mod settings;
mod stay;

pub use settings::{Settings, SettingsError};
pub use stay::{Here, Stay, bill};
