//! Publishes each event to a NATS subject made from a template.

mod escape;
#[cfg(target_family = "wasm")]
mod guest;
mod headers;
mod template;

pub use headers::cloud_event;
pub use template::{Facts, Template, TemplateError, token};
