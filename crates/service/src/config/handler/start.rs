//! `start`: where a new handler begins.

use jiff::Timestamp;

use crate::config::node::Node;
use crate::config::problem::Refused;
use crate::config::value;

/// Where a handler begins that has no progress yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// With the events that arrive from now on.
    #[default]
    New,
    /// With the oldest event that is stored.
    All,
    /// With the first event at or after this time, in milliseconds since the Unix epoch.
    At(u64),
}

pub(super) fn decode(node: &Node) -> Result<Start, Refused> {
    let text = value::text(node)?;
    match text.as_str() {
        "new" => return Ok(Start::New),
        "all" => return Ok(Start::All),
        _ => {}
    }
    text.parse::<Timestamp>().ok().and_then(|time| u64::try_from(time.as_millisecond()).ok()).map(Start::At).ok_or_else(
        || Refused::new(format!("is `{text}`"), "write `new`, `all`, or a time such as `2026-01-31T12:00:00Z`"),
    )
}
