//! Writes one structured line to the runner's log for each event.

#[cfg(target_family = "wasm")]
mod guest;
mod line;

pub use line::{Level, Seen, UnknownLevel, line};
