//! The configuration of a fleet in NATS, and what the runners say of it: two key-value buckets.
//!
//! The configuration has a history, so that a runner which starts while the newest one is bad finds the one before it. The
//! reports are kept in memory and forget by themselves whoever says no more.

use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::kv::{self, Operation, Store, UpdateErrorKind, Watch};
use event::topology::{self, BucketSpec, StreamsConfig};
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};

use crate::buckets::{self, key_of};

/// The key of the configuration.
pub const KEY: &str = "roomwire.yaml";

/// How often a runner says how it stands.
pub(crate) const REPORT_EVERY: Duration = Duration::from_secs(4);

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why the buckets cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PushedError {
    /// A bucket could not be opened or made.
    #[error("failed to open the key-value bucket `{bucket}`")]
    Open {
        /// The bucket.
        bucket: String,
        /// What NATS said.
        source: Source,
    },
    /// It could not be read.
    #[error("failed to read the key-value bucket `{bucket}`")]
    Read {
        /// The bucket.
        bucket: String,
        /// What NATS said.
        source: Source,
    },
    /// It could not be written.
    #[error("failed to write to the key-value bucket `{bucket}`")]
    Write {
        /// The bucket.
        bucket: String,
        /// What NATS said.
        source: Source,
    },
    /// Somebody else has written meanwhile.
    #[error(
        "somebody else has pushed a configuration meanwhile: revision {expected} is not the newest any more; look at it \
         with `roomwire config diff`, then push again"
    )]
    Overtaken {
        /// The revision that was the newest one before.
        expected: u64,
    },
}

/// A configuration with its revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// The number.
    pub number: u64,
    /// The file's text.
    pub text: String,
}

/// What a runner says of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Its name.
    pub runner: String,
    /// The revision that holds; none before the first one.
    pub applied: Option<u64>,
    /// A newer one that it did not take.
    pub refused: Option<Refusal>,
}

/// A configuration that a runner did not take.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Its revision.
    pub revision: u64,
    /// Why, in words.
    pub reason: String,
}

impl Report {
    /// Whether it has judged a revision, or a later one.
    #[must_use]
    pub fn knows(&self, revision: u64) -> bool {
        self.applied.is_some_and(|applied| applied >= revision) || self.refused_at(revision).is_some()
    }

    /// Why it did not take a revision.
    #[must_use]
    pub fn refused_at(&self, revision: u64) -> Option<&str> {
        self.refused.as_ref().filter(|refused| refused.revision == revision).map(|refused| refused.reason.as_str())
    }
}

/// Both buckets.
#[derive(Clone, Debug)]
pub struct Pushed {
    configs: Store,
    reports: Store,
}

impl Pushed {
    /// Opens the buckets, and makes those that are not there.
    ///
    /// # Errors
    /// If NATS does not answer, or refuses.
    pub async fn open(js: &jetstream::Context, streams: &StreamsConfig) -> Result<Self, PushedError> {
        let open = async |spec: BucketSpec| {
            let opened = buckets::open(js, &spec).await;
            opened.map_err(|source| PushedError::Open { bucket: spec.name, source })
        };
        let (configs, reports) = (topology::config_bucket(streams), topology::config_reports_bucket(streams));
        Ok(Self { configs: open(configs).await?, reports: open(reports).await? })
    }

    /// The newest configuration, if there is one.
    ///
    /// # Errors
    /// If NATS does not answer.
    pub async fn newest(&self) -> Result<Option<Revision>, PushedError> {
        let entry = self.configs.entry(KEY).await.map_err(|source| read(&self.configs, source))?;
        Ok(entry.filter(|entry| entry.operation == Operation::Put).as_ref().map(revision))
    }

    /// All configurations that are kept, the newest first.
    ///
    /// # Errors
    /// If NATS does not answer.
    pub async fn history(&self) -> Result<Vec<Revision>, PushedError> {
        if self.newest().await?.is_none() {
            return Ok(Vec::new());
        }
        let mut history = self.configs.history(KEY).await.map_err(|source| read(&self.configs, source))?;
        let mut revisions = Vec::new();
        while let Some(entry) = history.next().await {
            let entry = entry.map_err(|source| read(&self.configs, source))?;
            if entry.operation == Operation::Put {
                revisions.push(revision(&entry));
            }
        }
        revisions.sort_by_key(|revision| std::cmp::Reverse(revision.number));
        Ok(revisions)
    }

    /// Puts a configuration after the one with the number `expected`; 0 where there was none.
    ///
    /// # Errors
    /// If another one came between, or NATS does not answer.
    pub async fn put(&self, text: &str, expected: u64) -> Result<u64, PushedError> {
        self.configs.update(KEY, text.to_owned().into(), expected).await.map_err(|error| match error.kind() {
            UpdateErrorKind::WrongLastRevision => PushedError::Overtaken { expected },
            _ => PushedError::Write { bucket: self.configs.name.clone(), source: error.into() },
        })
    }

    /// Tells of every configuration that comes from now on.
    pub(crate) async fn watch(&self) -> Result<Watch, PushedError> {
        self.configs.watch(KEY).await.map_err(|source| read(&self.configs, source))
    }

    /// Says how this runner stands.
    pub(crate) async fn report(&self, report: &Report) -> Result<(), PushedError> {
        let write = |source: Source| PushedError::Write { bucket: self.reports.name.clone(), source };
        let text = serde_json::to_vec(report).map_err(|source| write(source.into()))?;
        let put = self.reports.put(key_of(&report.runner), text.into()).await;
        put.map(drop).map_err(|source| write(source.into()))
    }

    /// This runner says no more.
    pub(crate) async fn leave(&self, runner: &str) -> Result<(), PushedError> {
        let left = self.reports.purge(key_of(runner)).await;
        left.map_err(|source| PushedError::Write { bucket: self.reports.name.clone(), source: source.into() })
    }

    /// What the runners say that take their configuration from here and live, by name.
    ///
    /// # Errors
    /// If NATS does not answer.
    pub async fn reports(&self) -> Result<Vec<Report>, PushedError> {
        let mut reports: Vec<Report> =
            buckets::values(&self.reports).await.map_err(|source| read(&self.reports, source))?;
        reports.sort_by(|one, other| one.runner.cmp(&other.runner));
        Ok(reports)
    }
}

fn read(store: &Store, source: impl Into<Source>) -> PushedError {
    PushedError::Read { bucket: store.name.clone(), source: source.into() }
}

fn revision(entry: &kv::Entry) -> Revision {
    Revision { number: entry.revision, text: String::from_utf8_lossy(&entry.value).into_owned() }
}
