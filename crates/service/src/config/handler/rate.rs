//! `rate`: the most invocations in a time.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::config::node::Node;
use crate::config::problem::Refused;
use crate::config::value;

/// The most invocations in a time, spread evenly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// So many …
    pub events: NonZeroU32,
    /// … in so long: a second, a minute or an hour.
    pub per: Duration,
}

pub(super) fn decode(node: &Node) -> Result<Rate, Refused> {
    let text = value::text(node)?;
    let refused = || {
        Refused::new(
            format!("is `{text}`, which is not a rate"),
            "write a whole number and a time, such as `100/s`, `30/m` or `5/h`",
        )
    };
    let (number, unit) = text.split_once('/').ok_or_else(refused)?;
    let per = match unit.trim() {
        "s" => Duration::from_secs(1),
        "m" => Duration::from_mins(1),
        "h" => Duration::from_hours(1),
        _ => return Err(refused()),
    };
    let events = number.trim().parse().map_err(|_| refused())?;
    Ok(Rate { events, per })
}
