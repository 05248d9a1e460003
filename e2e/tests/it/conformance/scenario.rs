//! The scenario: events, and what must become of each.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::workspace;

/// The whole file.
pub(super) struct Scenario {
    /// The greeter's `config`.
    pub(super) config: Value,
    /// Its `retry`.
    pub(super) retry: Value,
    /// A config that its `check` must refuse, and what it says.
    pub(super) refused: Value,
    pub(super) cases: Vec<Case>,
}

/// One event.
pub(super) struct Case {
    /// What it shows.
    pub(super) rule: String,
    pub(super) id: String,
    /// What is posted.
    pub(super) body: String,
    /// The state in which it ends: `done`, `skipped`, `dead`.
    pub(super) end: String,
    /// Why it was skipped.
    pub(super) why: String,
    /// The cause of its death.
    pub(super) cause: String,
    /// The attempts that fail, in order.
    pub(super) attempts: Vec<Value>,
    /// The guest's log lines in the runner's log, as `LEVEL context message`.
    pub(super) log: Vec<String>,
    /// Subject, data and headers of its messages.
    pub(super) publishes: Vec<(String, String, BTreeMap<String, String>)>,
}

impl Scenario {
    pub(super) fn read() -> Result<Self> {
        let path = workspace().join("e2e/conformance/greeter.json");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut file: Value = serde_json::from_str(&text).context("greeter.json is not JSON")?;
        let cases = file["cases"].as_array().context("no cases")?.iter().map(case).collect::<Result<Vec<_>>>()?;
        Ok(Self { config: file["config"].take(), retry: file["retry"].take(), refused: file["refused"].take(), cases })
    }
}

fn case(case: &Value) -> Result<Case> {
    let text = |key: &str| case[key].as_str().unwrap_or_default().to_owned();
    let list = |key: &str| case[key].as_array().cloned().unwrap_or_default();
    let publishes = list("publishes").into_iter().map(|message| {
        let word = |key: &str| message[key].as_str().map(str::to_owned).with_context(|| format!("no {key}"));
        Ok((word("subject")?, word("data")?, serde_json::from_value(message["headers"].clone())?))
    });
    let log = list("log").iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let case = Case {
        rule: text("rule"),
        id: text("id"),
        body: text("body"),
        end: text("end"),
        why: text("why"),
        cause: text("cause"),
        attempts: list("attempts"),
        log,
        publishes: publishes.collect::<Result<_>>()?,
    };
    // A slip in the file must not turn a case into one that demands nothing.
    anyhow::ensure!(["done", "skipped", "dead"].contains(&case.end.as_str()), "{}: `end` is {:?}", case.id, case.end);
    anyhow::ensure!((case.end == "skipped") != case.why.is_empty(), "{}: `why` goes with `skipped`", case.id);
    anyhow::ensure!((case.end == "dead") != case.cause.is_empty(), "{}: `cause` goes with `dead`", case.id);
    anyhow::ensure!((case.end == "done") != case.publishes.is_empty(), "{}: `publishes` goes with `done`", case.id);
    Ok(case)
}

impl Case {
    /// Each attempt of it as the runner's log must have it: number, outcome, and error or reason.
    pub(super) fn invocations(&self) -> Vec<Value> {
        let failed = self.attempts.iter().map(|attempt| (attempt["outcome"].clone(), attempt["error"].clone()));
        let last = (self.end != "dead").then(|| (json!(self.end), json!(self.why)));
        failed.chain(last).zip(1..).map(|((outcome, error), number)| json!([number, outcome, error])).collect()
    }
}
