//! Handlers for LiveKit events, in Rust. A handler is a function from an [`Event`] to what became of it:
//!
//! ```ignore
//! use roomwire::{Event, Handled, Outcome, effects};
//!
//! fn handle(event: &Event) -> Handled {
//!     let Some(participant) = event.webhook()?.participant else {
//!         return Ok(Outcome::skipped("nobody to greet"));
//!     };
//!     log::info!("{} is here", participant.identity);
//!     effects::publish("greetings", format!("welcome, {}", participant.name))?;
//!     Ok(Outcome::Done)
//! }
//!
//! roomwire::export!(handle);
//! ```
//!
//! Each event runs in a fresh instance; nothing in memory stays. A panic is a crash: the event is tried again, then it is
//! a dead letter, and the panic's message with file and line is in its record. The imports exist inside of a component
//! only: code that is tested with `cargo test` must not call [`config`], [`effects`], [`http`],
//! [`keyvalue`], [`livekit`], [`secrets`] or a log macro's target.

#[doc(hidden)]
pub mod bindings {
    #![expect(clippy::pedantic, reason = "generated code")]

    wit_bindgen::generate!({
        path: "../../../wit",
        world: "plugin",
        generate_all,
        pub_export_macro: true,
        default_bindings_module: "roomwire::bindings",
    });
}

pub mod config;
pub mod effects;
mod event;
mod export;
pub mod http;
pub mod keyvalue;
pub mod livekit;
mod logger;
mod outcome;
pub mod secrets;
pub mod webhook;

pub use bindings::roomwire::plugin::event_types::{Event, Failure, Outcome};
pub use export::start;
pub use log;
pub use outcome::Handled;
