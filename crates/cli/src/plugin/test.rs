//! `roomwire plugin test`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use runner::workbench::{Bench, Workbench};
use serde_json::{Value, json};
use service::exit;

use super::fixture::Fixture;
use super::handling::{Handling, HandlingFlags, granted};
use super::{recording, shown};
use crate::args::Globals;
use crate::output::{self, Format};

/// A folder of events.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    #[command(flatten)]
    handling: HandlingFlags,
    /// Folder of the tests: files like `{"event": {…}, "config": {…}, "keys": {"bucket": {…}}, "attempt": 1, "expect": {…}}`
    #[arg(long, value_name = "DIR", default_value = "tests")]
    tests: PathBuf,
    /// Write what becomes of each event into its file, as what is expected from now on
    #[arg(long)]
    update: bool,
    /// Write what each calls outside, and what came of it, into `NAME.calls.json` beside its file; secrets are left out
    #[arg(long, conflicts_with = "replay")]
    record: bool,
    /// Let nothing out: answer calls with what is in `NAME.calls.json`, and fail where the handler calls anything else
    #[arg(long)]
    replay: bool,
}

/// Fails where anything else became of an event than is expected.
pub(super) async fn run(globals: &Globals, flags: Flags) -> anyhow::Result<ExitCode> {
    let fixtures = Fixture::all(&flags.tests)?;
    let mut benches =
        Benches { handling: flags.handling.handling(globals)?, workbench: Workbench::new()?, open: Vec::new() };
    let (mut passed, mut failed) = (0, 0);
    for mut fixture in fixtures {
        let (bench, trial) = (benches.of(&fixture.config).await?, fixture.trial()?);
        granted(bench, &trial)?;
        let (run, calls) = match (flags.record, flags.replay) {
            (true, _) => {
                let (run, calls) = bench.record(&trial).await;
                recording::write(&recording::beside(&fixture.path), &calls)?;
                (run, Vec::new())
            }
            (_, true) => {
                let recorded = recording::read(&recording::beside(&fixture.path), false)?;
                bench.replay(&trial, recorded).await
            }
            _ => (bench.run(&trial).await, Vec::new()),
        };
        let actual = Value::Object(shown::essence(&run));
        let verdict = match &fixture.expect {
            // What is expected says nothing of calls: their file does, which `--record` writes.
            _ if !calls.is_empty() => Verdict::Differs(calls),
            Some(expected) if *expected == actual => Verdict::Passed,
            _ if flags.update => {
                fixture.update(actual.clone())?;
                Verdict::Updated
            }
            Some(expected) => Verdict::Differs(differences(expected, &actual)),
            None => Verdict::Differs(vec![format!("there is no `expect` yet; `--update` would write {actual}")]),
        };
        *(if matches!(verdict, Verdict::Differs(_)) { &mut failed } else { &mut passed }) += 1;
        verdict.show(globals.output, &fixture.name(), &actual)?;
    }
    if globals.output == Format::Text {
        output::line(&format!("{passed} passed, {failed} failed"))?;
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(exit::FAILURE) })
}

/// The plugin, activated once for each config that the tests have.
struct Benches {
    handling: Handling,
    workbench: Workbench,
    open: Vec<(BTreeMap<String, String>, Bench)>,
}

impl Benches {
    async fn of(&mut self, config: &BTreeMap<String, String>) -> anyhow::Result<&Bench> {
        let at = self.open.iter().position(|(of, _)| of == config);
        if at.is_none() {
            self.open.push((config.clone(), self.handling.open(&self.workbench, config).await?));
        }
        let at = at.unwrap_or(self.open.len().saturating_sub(1));
        self.open.get(at).map(|(_, bench)| bench).ok_or_else(|| anyhow::anyhow!("the plugin was not activated"))
    }
}

enum Verdict {
    Passed,
    Updated,
    Differs(Vec<String>),
}

impl Verdict {
    fn show(&self, format: Format, name: &str, actual: &Value) -> std::io::Result<()> {
        let (word, differences): (_, &[String]) = match self {
            Self::Passed => ("passed", &[]),
            Self::Updated => ("updated", &[]),
            Self::Differs(differences) => ("failed", differences),
        };
        if format == Format::Json {
            return output::json(
                &json!({ "test": name, "result": word, "differences": differences, "actual": actual }),
            );
        }
        output::line(&format!("{word:8} {name}"))?;
        differences.iter().try_for_each(|line| output::line(&format!("  {line}")))
    }
}

/// Key by key what was expected and what came.
fn differences(expected: &Value, actual: &Value) -> Vec<String> {
    let (Value::Object(expected), Value::Object(actual)) = (expected, actual) else {
        return vec![format!("`expect` is {expected}, which is no object")];
    };
    let keys: std::collections::BTreeSet<&String> = expected.keys().chain(actual.keys()).collect();
    let differing = keys.into_iter().filter(|key| expected.get(*key) != actual.get(*key));
    differing
        .map(|key| match (expected.get(key), actual.get(key)) {
            (Some(expected), Some(actual)) => format!("{key}: expected {expected}, got {actual}"),
            (Some(expected), None) => format!("{key}: expected {expected}, got none"),
            (None, actual) => format!("{key}: expected none, got {}", actual.unwrap_or(&Value::Null)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_told_key_by_key() {
        let expected = json!({"outcome": "done", "logs": ["a"], "error": "x"});
        let actual = json!({"outcome": "retry", "logs": ["a"], "after_ms": 5});
        assert_eq!(
            differences(&expected, &actual),
            [
                "after_ms: expected none, got 5",
                "error: expected \"x\", got none",
                "outcome: expected \"done\", got \"retry\"",
            ]
        );
        assert_eq!(differences(&expected, &expected), [""; 0]);
    }
}
