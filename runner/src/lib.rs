//! The runner: events out of JetStream, through plugins, into the state store, effects out of the outbox.
//!
//! The story of one event. The handler's consumer delivers it ([`handler`] and `handler/deliver.rs`); `on` and `when`
//! judge it ([`filter`]); the state machine of the `lanes` crate decides when it runs; [`invoke`] calls the plugin in a
//! fresh store; what came of it is committed with the progress in one transaction of the `store` crate; what the
//! plugin published leaves through the [`outbox`] afterwards. Nothing is acknowledged to JetStream: the stream is the
//! log, the store is the progress.

mod bindings;
mod board;
mod buckets;
mod config;
mod control;
mod crew;
mod engine;
#[cfg(debug_assertions)]
mod failpoint;
mod filter;
mod fleet;
mod handler;
mod host;
mod invoke;
mod live;
mod metrics;
mod outbox;
mod plan;
mod plugin;
pub mod pushed;
mod reconfigure;
pub mod registry;
mod remembered;
mod serve;
mod shared;
mod slot;
mod sweep;
mod trim;
pub mod when;
pub mod workbench;

pub use config::Config;
pub use control::subject as control_subject;
pub use engine::EngineError;
pub use plan::{Change, Plan, Step, What, diff};
pub use plugin::GranterError;
pub use serve::{RunError, run};

/// Arms the faults named in `FAILPOINTS`, for as long as the guard lives. For tests of what a dying process leaves.
#[cfg(debug_assertions)]
#[must_use]
pub fn arm_failpoints() -> impl Drop {
    fail::FailScenario::setup()
}
