//! `receiver.spool`: where events wait that JetStream does not take.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytesize::{GIB, MIB};

use super::defaults;
use super::node::Node;
use super::problem::{Problems, Refused};
use super::section::{Keys, Section};
use super::value;

const KEYS: Keys = Keys { of: "`spool`", known: &["path", "max_bytes", "after"], later: &[] };

/// Whether there is a spool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Spool {
    /// The file says nothing: `roomwire up` has one in its data folder, a receiver of its own has none, because it may
    /// have no disk that lasts.
    #[default]
    Unset,
    /// `off`: LiveKit is answered 503 when JetStream does not take an event.
    Off,
    /// There is one.
    On(SpoolSection),
}

/// A spool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolSection {
    /// Its file.
    pub path: PathBuf,
    /// The most that may wait in it.
    pub max_bytes: u64,
    /// For how long JetStream must have taken nothing before the spool takes it; until then LiveKit's own retries hold
    /// the room.
    pub after: Duration,
}

impl Default for SpoolSection {
    fn default() -> Self {
        Self { path: defaults::SPOOL_PATH.into(), max_bytes: defaults::SPOOL_MAX_BYTES, after: Duration::ZERO }
    }
}

impl SpoolSection {
    /// The same with a relative path put under `folder`.
    #[must_use]
    pub fn under(&self, folder: &Path) -> Self {
        Self { path: folder.join(&self.path), ..self.clone() }
    }
}

impl Spool {
    pub(crate) fn decode(node: &Node, problems: &mut Problems) -> Self {
        if value::text(node).is_ok_and(|text| text == "off" || text == "false") {
            return Self::Off;
        }
        let section = Section::open(node, KEYS, problems);
        let mut decoded = SpoolSection::default();
        section.set("path", &mut decoded.path, problems, |node| value::filled(node).map(PathBuf::from));
        section.set("max_bytes", &mut decoded.max_bytes, problems, |node| value::size(node, MIB..=1024 * GIB));
        section.set("after", &mut decoded.after, problems, after);
        Self::On(decoded)
    }

    /// The spool that is meant, with its path under `folder`; `default` is the one of a file that says nothing.
    #[must_use]
    pub fn resolve(&self, folder: &Path, default: Option<&SpoolSection>) -> Option<SpoolSection> {
        let section = match self {
            Self::Unset => default,
            Self::Off => None,
            Self::On(section) => Some(section),
        };
        section.map(|section| section.under(folder))
    }
}

/// LiveKit gives up 15 s after its first attempt.
fn after(node: &Node) -> Result<Duration, Refused> {
    value::duration(node, Duration::ZERO..=Duration::from_secs(14))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_says_nothing_gets_the_default_and_off_is_off() {
        let (folder, default) = (Path::new("data"), SpoolSection::default());
        let path = |spool: Spool, default| spool.resolve(folder, default).map(|section| section.path);
        assert_eq!(path(Spool::Unset, Some(&default)), Some("data/spool.db".into()));
        assert_eq!(path(Spool::Unset, None), None);
        assert_eq!(path(Spool::Off, Some(&default)), None);
        let on = |path: &str| Spool::On(SpoolSection { path: path.into(), ..default.clone() });
        assert_eq!(path(on("a.db"), None), Some("data/a.db".into()));
        assert_eq!(path(on("/var/a.db"), None), Some("/var/a.db".into()));
    }
}
