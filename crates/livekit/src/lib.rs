//! What LiveKit speaks: the token of a webhook and its verification, the fields of an event's body, the server's API,
//! and a sender that behaves as LiveKit's own.

pub mod api;
pub mod body;
pub mod drop_fields;
pub mod generate;
pub mod notifier;
pub mod recording;
mod refusal;
pub mod sender;
pub mod token;

pub use refusal::Refusal;
