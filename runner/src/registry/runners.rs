//! What runners report: which version of its plugin serves each handler, and why not the wanted one.

use std::collections::BTreeMap;

use async_nats::jetstream::kv;
use serde::{Deserialize, Serialize};
use service::config::PluginSource;

use super::{RegistryError, within};
use crate::buckets::{self, key_of};

/// As many digits of a digest as people compare.
const DIGITS: usize = 12;

/// How far a runner is with the wanted version of a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nothing was deployed yet; events wait in the stream.
    Waiting,
    /// It is being fetched, perhaps for a while.
    Fetching,
    /// It is judged, compiled and checked.
    Compiling,
    /// It serves.
    Serving,
    /// It was refused. What served before serves on.
    Refused,
}

impl State {
    /// In one word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Fetching => "fetching",
            Self::Compiling => "compiling",
            Self::Serving => "serving",
            Self::Refused => "refused",
        }
    }
}

/// How a handler's plugin stands on one runner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandlerReport {
    /// As the configuration has it.
    pub plugin: PluginSource,
    /// Its version is whatever is deployed: no file, and not pinned.
    pub deployable: bool,
    /// How far the runner is.
    pub state: State,
    /// SHA-256 of the version that serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serving: Option<String>,
    /// SHA-256 of the version that is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<String>,
    /// The deploy that wants it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// What is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Since when this is so, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

impl HandlerReport {
    /// Whether the newest version was refused or could not be fetched. One that serves already is no trouble.
    #[must_use]
    pub fn is_held_back(&self) -> bool {
        self.error.is_some() && self.state != State::Serving
    }

    /// What is wrong, in words, with what serves instead; none where all is as it was deployed.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        let what = match (self.state, &self.error) {
            (State::Waiting, _) => format!("nothing of plugin `{}` is deployed yet", self.plugin),
            (_, None) => return None,
            (State::Serving, Some(error)) => format!("what was deployed last is not known: {error}"),
            (State::Refused, Some(error)) => format!("{} is refused: {error}", self.newest()),
            (State::Fetching | State::Compiling, Some(error)) => {
                format!("{} cannot be fetched, trying again: {error}", self.newest())
            }
        };
        Some(match self.serving.as_deref() {
            Some(digest) => format!("{what}; sha256:{} serves", digest.get(..DIGITS).unwrap_or(digest)),
            None => format!("{what}; nothing serves, its events wait"),
        })
    }

    fn newest(&self) -> String {
        match self.wanted.as_deref() {
            Some(digest) => format!("the newest version, sha256:{},", digest.get(..DIGITS).unwrap_or(digest)),
            None => format!("plugin `{}`", self.plugin),
        }
    }
}

/// What one runner says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Name of this start of the runner.
    pub runner: String,
    /// Its version.
    pub version: String,
    /// Its handlers, by name.
    pub handlers: BTreeMap<String, HandlerReport>,
}

/// The bucket of reports.
#[derive(Debug, Clone)]
pub struct Runners {
    keys: kv::Store,
}

impl Runners {
    pub(super) fn new(keys: kv::Store) -> Self {
        Self { keys }
    }

    /// Replaces what a runner said before.
    pub(crate) async fn put(&self, report: &Report) -> Result<(), RegistryError> {
        const DOING: &str = "report";
        let value = serde_json::to_vec(report).map_err(|error| RegistryError::unreachable(DOING, error))?;
        within(DOING, self.keys.put(key_of(&report.runner), value.into())).await.map(drop)
    }

    /// The runner is gone.
    pub(crate) async fn remove(&self, runner: &str) -> Result<(), RegistryError> {
        within("take a report back", self.keys.purge(key_of(runner))).await
    }

    /// What the runners say that are alive, or were a few seconds ago; by name.
    ///
    /// # Errors
    /// When NATS does not answer.
    pub async fn all(&self) -> Result<Vec<Report>, RegistryError> {
        let mut reports: Vec<Report> = within("read the reports", buckets::values(&self.keys)).await?;
        reports.sort_by(|one, other| one.runner.cmp(&other.runner));
        Ok(reports)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_what_is_wrong_and_what_serves_instead() {
        let (old, new) = ("a".repeat(64), "b".repeat(64));
        for (state, serving, error, held_back, trouble) in [
            (State::Serving, true, None, false, None),
            (State::Compiling, true, None, false, None),
            (
                State::Refused,
                true,
                Some("too large"),
                true,
                Some("the newest version, sha256:bbbbbbbbbbbb, is refused: too large; sha256:aaaaaaaaaaaa serves"),
            ),
            (
                State::Fetching,
                false,
                Some("no answer"),
                true,
                Some(
                    "the newest version, sha256:bbbbbbbbbbbb, cannot be fetched, trying again: no answer; nothing serves, \
                     its events wait",
                ),
            ),
            (
                State::Serving,
                true,
                Some("no answer"),
                false,
                Some("what was deployed last is not known: no answer; sha256:aaaaaaaaaaaa serves"),
            ),
            (
                State::Waiting,
                false,
                None,
                false,
                Some("nothing of plugin `greet` is deployed yet; nothing serves, its events wait"),
            ),
        ] {
            let report = HandlerReport {
                plugin: "greet".parse().unwrap(),
                deployable: true,
                state,
                serving: serving.then(|| old.clone()),
                wanted: Some(new.clone()),
                revision: None,
                error: error.map(str::to_owned),
                at_ms: 0,
            };
            assert_eq!((report.is_held_back(), report.trouble().as_deref()), (held_back, trouble), "{report:?}");
        }
        let file = HandlerReport {
            plugin: "./greet.wasm".parse().unwrap(),
            deployable: false,
            state: State::Refused,
            serving: None,
            wanted: None,
            revision: None,
            error: Some("no such file".to_owned()),
            at_ms: 0,
        };
        let words = "plugin `./greet.wasm` is refused: no such file; nothing serves, its events wait";
        assert_eq!(file.trouble().as_deref(), Some(words));
    }
}
