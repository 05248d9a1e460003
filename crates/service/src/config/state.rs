//! `state`: where progress, ledger, dead letters and outbox are kept.

use std::path::Path;

use super::defaults;
use super::node::Node;
use super::problem::{Problems, Refused};
use super::section::{Keys, Section};
use super::value;

const KEYS: Keys = Keys { of: "`state`", known: &["url"], later: &["archive"] };
const SQLITE: &str = "sqlite:";

/// The state store.
#[derive(Debug, Clone)]
pub struct StateSection {
    /// `sqlite:` and a path.
    pub url: String,
}

impl Default for StateSection {
    fn default() -> Self {
        Self { url: defaults::STATE_URL.to_owned() }
    }
}

impl StateSection {
    pub(crate) fn decode(node: &Node, problems: &mut Problems) -> Self {
        let section = Section::open(node, KEYS, problems);
        let mut decoded = Self::default();
        section.set("url", &mut decoded.url, problems, url);
        decoded
    }

    /// The URL with a relative path put under `folder`.
    #[must_use]
    pub fn under(&self, folder: &Path) -> String {
        let path = self.url.strip_prefix(SQLITE).unwrap_or(&self.url);
        // `sqlite://state.db` and `sqlite:///var/state.db` are common spellings of the same.
        let path = path.strip_prefix("//").unwrap_or(path);
        format!("{SQLITE}{}", folder.join(path).display())
    }
}

fn url(node: &Node) -> Result<String, Refused> {
    let text = value::filled(node)?;
    if text.starts_with("postgres:") || text.starts_with("postgresql:") {
        return Err(Refused::new("is a PostgreSQL URL, which is not supported yet", "write `sqlite:state.db`"));
    }
    match text.strip_prefix(SQLITE) {
        Some(path) if !path.trim_start_matches('/').is_empty() && !path.contains(['?', '#']) => Ok(text),
        _ => Err(Refused::new(format!("is `{text}`"), "write `sqlite:` and a path, such as `sqlite:state.db`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_path_is_put_under_the_data_folder_and_an_absolute_one_is_kept() {
        let under = |url: &str| StateSection { url: url.to_owned() }.under(Path::new(".roomwire"));
        assert_eq!(under("sqlite:state.db"), "sqlite:.roomwire/state.db");
        assert_eq!(under("sqlite://state.db"), "sqlite:.roomwire/state.db");
        assert_eq!(under("sqlite:/var/lib/state.db"), "sqlite:/var/lib/state.db");
        assert_eq!(under("sqlite:///var/lib/state.db"), "sqlite:/var/lib/state.db");
    }
}
