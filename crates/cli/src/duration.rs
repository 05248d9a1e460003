//! Times on the command line: a number and a unit.

use std::time::Duration;

use jiff::SignedDuration;

/// Takes `30s`, `2m` and the like.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    parsed.ok_or_else(|| "write a number and a unit, such as `30s` or `2m`".to_owned())
}
