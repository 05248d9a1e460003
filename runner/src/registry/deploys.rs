//! What is deployed: for each handler the version that is wanted, with those before it.

use async_nats::jetstream::kv::{self, Operation};
use event::PluginName;
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};

use super::{RegistryError, within};
use crate::invoke::unix_ms;

/// A version that is to serve a handler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deploy {
    /// Name of the plugin.
    pub plugin: PluginName,
    /// Its SHA-256, in hex.
    pub digest: String,
    /// When it was deployed, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// By whom, as far as is known.
    pub by: String,
    /// It was put in place by taking back the one before it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rollback: bool,
}

impl Deploy {
    /// A deploy that happens now.
    #[must_use]
    pub fn now(plugin: PluginName, digest: String, by: String) -> Self {
        Self { plugin, digest, at_ms: unix_ms(), by, rollback: false }
    }

    /// As commands name it.
    #[must_use]
    pub fn reference(&self) -> String {
        format!("{}@sha256:{}", self.plugin, self.digest)
    }
}

/// A deploy and its place in the history of all handlers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// Grows with every deploy of any handler, for as long as the bucket lives.
    pub number: u64,
    /// When the server took it, in milliseconds since the Unix epoch.
    #[serde(default)]
    pub stored_ms: u64,
    /// What was deployed.
    pub deploy: Deploy,
}

/// The deploys of one handler, oldest first, as far back as the bucket remembers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History(pub Vec<Revision>);

impl History {
    /// The one that is wanted now.
    #[must_use]
    pub fn current(&self) -> Option<&Revision> {
        self.0.last()
    }

    /// Those that a rollback after another would bring back, the nearest first.
    #[must_use]
    pub fn earlier(&self) -> Vec<&Revision> {
        let mut stack: Vec<&Revision> = Vec::new();
        for revision in &self.0 {
            let same = |other: &&Revision| other.deploy.digest == revision.deploy.digest;
            // A rollback takes away what is above the version that it brings back.
            match stack.iter().rposition(same) {
                Some(place) if revision.deploy.rollback => stack.truncate(place),
                _ => {
                    if stack.last().is_some_and(same) {
                        stack.pop();
                    }
                }
            }
            stack.push(revision);
        }
        stack.pop();
        stack.reverse();
        stack
    }
}

/// The bucket of deploys.
#[derive(Debug, Clone)]
pub struct Deploys {
    keys: kv::Store,
}

impl Deploys {
    pub(super) fn new(keys: kv::Store) -> Self {
        Self { keys }
    }

    /// What is wanted of a handler now.
    ///
    /// # Errors
    /// When NATS does not answer.
    pub async fn current(&self, handler: &str) -> Result<Option<Revision>, RegistryError> {
        let entry = within("read what is deployed", self.keys.entry(handler)).await?;
        Ok(entry.as_ref().and_then(revision))
    }

    /// All that is remembered of a handler.
    ///
    /// # Errors
    /// When NATS does not answer.
    pub async fn history(&self, handler: &str) -> Result<History, RegistryError> {
        let reading = async {
            let mut history = self.keys.history(handler).await?;
            let mut revisions = Vec::new();
            while let Some(entry) = history.next().await {
                revisions.extend(revision(&entry?));
            }
            Ok::<_, async_nats::Error>(History(revisions))
        };
        within("read the history of deploys", reading).await
    }

    /// The handlers for which something was ever deployed.
    ///
    /// # Errors
    /// When NATS does not answer.
    pub async fn handlers(&self) -> Result<Vec<String>, RegistryError> {
        let reading = async {
            let mut keys = self.keys.keys().await?;
            let mut names = Vec::new();
            while let Some(name) = keys.next().await {
                names.push(name?);
            }
            Ok::<_, async_nats::Error>(names)
        };
        within("list what is deployed", reading).await
    }

    /// Wants this version from now on, if `after` is still the newest revision of the handler.
    ///
    /// # Errors
    /// When NATS does not answer, or somebody else was quicker.
    pub async fn put(&self, handler: &str, deploy: &Deploy, after: Option<u64>) -> Result<u64, RegistryError> {
        const DOING: &str = "write what is deployed";
        let value = serde_json::to_vec(deploy).map_err(|error| RegistryError::unreachable(DOING, error))?;
        match self.keys.update(handler, value.into(), after.unwrap_or(0)).await {
            Ok(number) => Ok(number),
            Err(error) if error.kind() == kv::UpdateErrorKind::WrongLastRevision => {
                Err(RegistryError::Raced(handler.to_owned()))
            }
            Err(error) => Err(RegistryError::unreachable(DOING, error)),
        }
    }

    /// Wants again what was wanted before what is wanted now.
    ///
    /// # Errors
    /// When there is nothing to go back to, NATS does not answer, or somebody else was quicker.
    pub async fn rollback(&self, handler: &str, by: String) -> Result<Revision, RegistryError> {
        let history = self.history(handler).await?;
        let none = || RegistryError::NoEarlier(handler.to_owned());
        let (current, earlier) = (history.current().ok_or_else(none)?, history.earlier());
        let target = &earlier.first().ok_or_else(none)?.deploy;
        let deploy = Deploy { at_ms: unix_ms(), by, rollback: true, ..target.clone() };
        let number = self.put(handler, &deploy, Some(current.number)).await?;
        Ok(Revision { number, stored_ms: 0, deploy })
    }

    /// What is deployed for one name is deployed for another one, too, unless something is: its handler is called so now.
    /// Whether there was anything to do.
    ///
    /// # Errors
    /// When NATS does not answer, or somebody else was quicker.
    pub async fn take_over(&self, from: &str, to: &str) -> Result<bool, RegistryError> {
        if self.current(to).await?.is_some() {
            return Ok(false);
        }
        let Some(revision) = self.current(from).await? else { return Ok(false) };
        // Where another one was quicker, it has put the same.
        self.put(to, &revision.deploy, None).await.map(|_| true)
    }

    /// Every deploy from now on, with its handler.
    pub(crate) async fn watch(&self) -> Result<kv::Watch, RegistryError> {
        within("follow what is deployed", self.keys.watch_all()).await
    }
}

/// What an entry says; nothing if it is a deletion, or written by a version that has other words.
pub(crate) fn revision(entry: &kv::Entry) -> Option<Revision> {
    if entry.operation != Operation::Put {
        return None;
    }
    let deploy: Deploy = match serde_json::from_slice(&entry.value) {
        Ok(deploy) => deploy,
        Err(error) => {
            tracing::warn!(handler = entry.key, %error, "a deploy in the registry is not understood");
            return None;
        }
    };
    let stored_ms = u64::try_from(entry.created.unix_timestamp_nanos() / 1_000_000).unwrap_or_default();
    Some(Revision { number: entry.revision, stored_ms, deploy })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a b <a` is: a deployed, b deployed, rolled back to a.
    fn history(words: &str) -> History {
        let revision = |(number, word): (usize, &str)| {
            let digest = word.trim_start_matches('<').to_owned();
            let deploy =
                Deploy { rollback: word.starts_with('<'), ..Deploy::now("p".parse().unwrap(), digest, String::new()) };
            Revision { number: number as u64 + 1, stored_ms: 0, deploy }
        };
        History(words.split_whitespace().enumerate().map(revision).collect())
    }

    #[test]
    fn a_rollback_goes_to_the_version_before_and_the_next_one_further_back() {
        for (words, earlier) in [
            ("", ""),
            ("a", ""),
            ("a b", "a"),
            ("a b c", "b a"),
            // What was taken back does not come back by itself.
            ("a b <a", ""),
            ("a b c <b", "a"),
            ("a b c <b <a", ""),
            ("a b <a c", "a"),
            // The same version again is no earlier one.
            ("a a", ""),
            ("a b b", "a"),
            ("a b a", "b a"),
            ("a b a <b", "a"),
            // What it went back to is forgotten already.
            ("c <b", "c"),
        ] {
            let history = history(words);
            let found: Vec<&str> = history.earlier().iter().map(|it| it.deploy.digest.as_str()).collect();
            assert_eq!(found.join(" "), earlier, "{words:?}");
        }
    }
}
