//! The scenario `e2e/conformance/roll-call.json`: events, what the others answer, and what must come of each event.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::{Value, json};
use testkit::workspace;

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scenario {
    /// The bucket that is granted.
    pub(super) bucket: String,
    /// What `TOKEN` holds.
    pub(super) secret: String,
    /// The handlers' `retry`.
    pub(super) retry: Value,
    /// What upstream answers, by method and path: one after the other, and the last one from then on.
    pub(super) upstream: BTreeMap<String, Vec<Reply>>,
    /// The names of the rooms that LiveKit lists.
    pub(super) rooms: Vec<String>,
    pub(super) cases: Vec<Case>,
}

/// An answer.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: String,
}

/// One event.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    /// What it shows.
    pub(super) rule: String,
    /// The capabilities that a guest must have for it.
    pub(super) needs: Vec<Capability>,
    pub(super) id: String,
    /// What is posted.
    pub(super) body: String,
    pub(super) end: End,
    /// Why it was skipped.
    #[serde(default)]
    pub(super) why: String,
    /// The attempts that fail, in order.
    #[serde(default)]
    pub(super) attempts: Vec<Failed>,
    /// The guest's log lines, as `LEVEL message`.
    #[serde(default)]
    pub(super) log: Vec<String>,
    /// What it publishes.
    #[serde(default)]
    pub(super) publishes: Vec<String>,
    /// What upstream is asked.
    #[serde(default)]
    pub(super) requests: Vec<Expected>,
}

/// What a guest can do with the host.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Capability {
    /// Buckets of keys.
    KeyValue,
    /// Requests that are answered while it runs.
    Http,
    /// Requests that leave after the commit.
    Send,
    /// Secrets.
    Secrets,
    /// LiveKit's API.
    LiveKit,
    /// Exceptions or panics.
    Crash,
}

/// How an event ends.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum End {
    Done,
    Skipped,
    Dead,
}

/// An attempt that fails.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Failed {
    pub(super) outcome: String,
    /// The whole error.
    pub(super) error: Option<String>,
    /// Words of the host that must reach the author.
    pub(super) denied: Option<String>,
    /// Words of a crash, with the author's file and line.
    pub(super) stderr: Option<String>,
}

/// A request that upstream gets.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expected {
    /// Method and path.
    pub(super) line: String,
    /// Headers that it has, with any value where that is `*`.
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: String,
}

impl Scenario {
    pub(super) fn read() -> Result<Self> {
        let path = workspace().join("e2e/conformance/roll-call.json");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let scenario: Self = serde_json::from_str(&text).context("roll-call.json is not what it should be")?;
        for case in &scenario.cases {
            // A slip in the file must not turn a case into one that demands nothing.
            let Case { id, end, .. } = case;
            anyhow::ensure!((*end == End::Skipped) != case.why.is_empty(), "{id}: `why` goes with `skipped`");
            anyhow::ensure!(*end != End::Dead || !case.attempts.is_empty(), "{id}: `attempts` goes with `dead`");
            let seen = !case.publishes.is_empty() || !case.requests.is_empty();
            anyhow::ensure!(*end != End::Done || seen, "{id}: what comes of it?");
        }
        Ok(scenario)
    }
}

impl Capability {
    /// Its name in the scenario.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::KeyValue => "keyvalue",
            Self::Http => "http",
            Self::Send => "send",
            Self::Secrets => "secrets",
            Self::LiveKit => "livekit",
            Self::Crash => "crash",
        }
    }
}

impl End {
    /// The runner's word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Skipped => "skipped",
            Self::Dead => "dead",
        }
    }
}

impl Case {
    /// Each attempt as the runner's log must have it: number, outcome, and error or reason where the whole of it is known.
    pub(super) fn attempts(&self) -> Vec<(Value, Value, Option<Value>)> {
        let failed = self
            .attempts
            .iter()
            .map(|attempt| (json!(attempt.outcome), attempt.error.as_ref().map(|error| json!(error))));
        let last = (self.end != End::Dead).then(|| (json!(self.end.word()), Some(json!(self.why))));
        failed.chain(last).zip(1..).map(|((outcome, error), number)| (json!(number), outcome, error)).collect()
    }
}
