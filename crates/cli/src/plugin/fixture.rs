//! A fixture: an event in a file, and what must become of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use runner::workbench::Trial;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::recording;
use crate::failure::Usage;

/// One file of a folder with tests.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fixture {
    /// The webhook's body.
    event: Value,
    /// Which attempt it is.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    attempt: u32,
    /// Keys of the handler's config, beside those of the flags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) config: BTreeMap<String, String>,
    /// Attributes beside those that every event has.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<String, String>,
    /// Keys that are there before, by bucket.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    keys: BTreeMap<String, BTreeMap<String, String>>,
    /// What must become of it; absent until it was written by `--update`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expect: Option<Value>,
    #[serde(skip)]
    pub(super) path: PathBuf,
}

fn first() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_first(attempt: &u32) -> bool {
    *attempt == 1
}

impl Fixture {
    /// The fixtures of a folder, by name.
    pub(super) fn all(folder: &Path) -> anyhow::Result<Vec<Self>> {
        let entries = fs::read_dir(folder).map_err(|error| {
            Usage(format!("cannot read the tests in {}: {error}; name their folder with `--tests`", folder.display()))
        })?;
        let paths = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>();
        let mut paths = paths.with_context(|| format!("cannot list {}", folder.display()))?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "json") && !recording::is_one(path));
        paths.sort();
        if paths.is_empty() {
            let hint = "write one as `{\"event\": {…}}` and let `--update` add what becomes of it";
            return Err(Usage(format!("there is no test in {}; {hint}", folder.display())).into());
        }
        paths.into_iter().map(Self::read).collect()
    }

    fn read(path: PathBuf) -> anyhow::Result<Self> {
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let fixture: Self =
            serde_json::from_str(&text).map_err(|error| Usage(format!("{} is no test: {error}", path.display())))?;
        Ok(Self { path, ..fixture })
    }

    /// The name of the file without its ending.
    pub(super) fn name(&self) -> String {
        self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The event.
    pub(super) fn trial(&self) -> anyhow::Result<Trial> {
        let trial = Trial::new(self.event.to_string());
        let trial = trial.map_err(|error| Usage(format!("{}: `event`: {error}", self.path.display())))?;
        let attributes = self.attributes.iter();
        let trial = attributes.fold(trial.attempt(self.attempt), |trial, (name, value)| trial.attribute(name, value));
        let keys =
            self.keys.iter().flat_map(|(bucket, keys)| keys.iter().map(move |(key, value)| (bucket, key, value)));
        Ok(keys.fold(trial, |trial, (bucket, key, value)| trial.key(bucket, key, value.as_str())))
    }

    /// Writes the file anew, with what becomes of the event.
    pub(super) fn update(&mut self, expect: Value) -> anyhow::Result<()> {
        self.expect = Some(expect);
        let text = serde_json::to_string_pretty(self).context("a test cannot be written")? + "\n";
        fs::write(&self.path, text).with_context(|| format!("cannot write {}", self.path.display()))
    }
}
