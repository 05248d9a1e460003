//! `state`: where progress, ledger, dead letters and outbox are kept.

use std::path::Path;
use std::time::Duration;

use super::defaults;
use super::node::Node;
use super::problem::{Problems, Refused};
use super::section::{Keys, Section};
use super::value;

const KEYS: Keys = Keys { of: "`state`", known: &["url", "keep"], later: &["archive"] };
/// Twenty years, as durations are told.
const LONGEST: Duration = Duration::from_hours(20 * 8_766);
const SQLITE: &str = "sqlite:";

/// The state store.
#[derive(Debug, Clone)]
pub struct StateSection {
    /// `sqlite:` and a path, or the URL of a PostgreSQL database.
    pub url: String,
    /// For how long what became of an event is remembered after it was settled, so that a copy of it is known; none: twice
    /// as long as an event stays in its stream.
    pub keep: Option<Duration>,
}

impl Default for StateSection {
    fn default() -> Self {
        Self { url: defaults::STATE_URL.to_owned(), keep: None }
    }
}

impl StateSection {
    /// `streams_keep`: what is forgotten before its event leaves the stream would be handled again after a restore.
    pub(crate) fn decode(node: &Node, streams_keep: Duration, problems: &mut Problems) -> Self {
        let section = Section::open(node, KEYS, problems);
        let mut decoded = Self::default();
        section.set("url", &mut decoded.url, problems, url);
        section
            .set("keep", &mut decoded.keep, problems, |node| value::duration(node, streams_keep..=LONGEST).map(Some));
        decoded
    }

    /// The URL with a relative path put under `folder`.
    #[must_use]
    pub fn under(&self, folder: &Path) -> String {
        if is_postgres(&self.url) {
            return self.url.clone();
        }
        let path = self.url.strip_prefix(SQLITE).unwrap_or(&self.url);
        // `sqlite://state.db` and `sqlite:///var/state.db` are common spellings of the same.
        let path = path.strip_prefix("//").unwrap_or(path);
        format!("{SQLITE}{}", folder.join(path).display())
    }
}

fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

fn url(node: &Node) -> Result<String, Refused> {
    let text = value::filled(node)?;
    if is_postgres(&text) {
        return Ok(text);
    }
    match text.strip_prefix(SQLITE) {
        Some(path) if !path.trim_start_matches('/').is_empty() && !path.contains(['?', '#']) => Ok(text),
        _ => Err(Refused::new(
            format!("is `{text}`"),
            "write `sqlite:` and a path, such as `sqlite:state.db`, or `postgres://user@host/database`",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_path_is_put_under_the_data_folder_and_an_absolute_one_is_kept() {
        let under = |url: &str| StateSection { url: url.to_owned(), keep: None }.under(Path::new(".roomwire"));
        assert_eq!(under("sqlite:state.db"), "sqlite:.roomwire/state.db");
        assert_eq!(under("sqlite://state.db"), "sqlite:.roomwire/state.db");
        assert_eq!(under("sqlite:/var/lib/state.db"), "sqlite:/var/lib/state.db");
        assert_eq!(under("sqlite:///var/lib/state.db"), "sqlite:/var/lib/state.db");
        assert_eq!(under("postgres://me@db/rw"), "postgres://me@db/rw");
    }
}
