//! `roomwire up` with the greeter of one language, and what it left behind.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::workspace;

use super::place;
use super::scenario::{Case, Scenario};
use super::system::{Left, System};

/// A language with its greeter.
pub(super) struct Language {
    /// Its folder in `examples`.
    pub(super) folder: &'static str,
    /// The file there in which the greeter crashes.
    pub(super) source: &'static str,
}

/// It runs.
pub(super) struct Greeter {
    language: Language,
    system: System,
}

impl Greeter {
    pub(super) async fn start(language: Language, scenario: &Scenario) -> Result<Self> {
        let plugin = workspace().join("examples").join(language.folder).join("greeter.wasm");
        ensure!(plugin.is_file(), "{} is not built: run `scripts/languages`", plugin.display());
        let handler = |name: &str, config: &Value| {
            json!({
                "name": name, "plugin": plugin, "on": ["*"], "start": "all", "config": config, "retry": scenario.retry,
                "allow": { "publish": ["out.>"] },
            })
        };
        let handlers = [handler(GREETER, &scenario.config), handler("refused", &scenario.refused["config"])];
        let config = json!({ "streams": { "shards": 2, "max_bytes": "64MiB" }, "handlers": handlers });
        Ok(Self { language, system: System::start(config).await? })
    }

    /// Posts the event of a case.
    pub(super) async fn post(&self, case: &Case) -> Result<()> {
        self.system.post(&case.id, &case.body).await
    }

    /// Waits until the event has come to its end.
    pub(super) async fn wait_end(&self, case: &Case) -> Result<()> {
        self.system.wait_end(GREETER, &case.id, &case.end).await.with_context(|| case.rule.clone())
    }

    /// Stops it when the expected messages have left, and gives what is left behind.
    pub(super) async fn end(self, scenario: &Scenario) -> Result<Ended> {
        let mut dead = BTreeMap::new();
        for case in scenario.cases.iter().filter(|case| case.end == "dead") {
            dead.insert(case.id.clone(), self.system.dead(GREETER, &case.id).await?);
        }
        let expected = scenario.cases.iter().map(|case| case.publishes.len()).sum();
        Ok(Ended { language: self.language, left: self.system.end(expected).await?, dead })
    }
}

/// The name of the handler.
const GREETER: &str = "greeter";

/// What an `up` that has ended left behind.
pub(super) struct Ended {
    language: Language,
    left: Left,
    dead: BTreeMap<String, Value>,
}

impl Ended {
    /// The config that `check` must refuse was refused, in the greeter's words.
    pub(super) fn check_refused(&self, scenario: &Scenario) {
        let reason = scenario.refused["reason"].as_str().unwrap_or("no reason in the scenario");
        let errors = self.left.refusals("refused");
        assert!(
            errors.iter().any(|error| error.ends_with(&format!("refused its configuration: {reason}"))),
            "{errors:?}"
        );
    }

    /// The guest's lines, and each attempt with its outcome and error.
    pub(super) fn check_log(&self, case: &Case) {
        let lines: Vec<String> = self
            .left
            .lines(GREETER, &case.id)
            .map(|line| {
                let word = |key: &str| line[key].as_str().unwrap_or_default();
                format!("{} {} {}", word("level"), word("context"), word("message"))
            })
            .collect();
        let kept = case.attempts.iter().filter_map(|attempt| attempt["logs"].as_str());
        let of_dead = kept.flat_map(str::lines).map(|line| line.replacen("Info", "INFO", 1));
        let expected: Vec<String> = case.log.iter().cloned().chain(of_dead).collect();
        assert_eq!(lines, expected, "{}", self.told(case));
        let invocations: Vec<Value> = self
            .left
            .attempts(GREETER, &case.id)
            .into_iter()
            .map(|(attempt, outcome, error)| {
                let of_guest = if outcome == "trap" { Value::Null } else { error };
                json!([attempt, outcome, of_guest])
            })
            .collect();
        assert_eq!(invocations, case.invocations(), "{}", self.told(case));
    }

    /// Subject, data and headers of what it published.
    pub(super) fn check_published(&self, case: &Case) {
        let of_case = self.left.out.iter().filter(|message| message.header("event-id") == case.id);
        let messages: Vec<_> = of_case
            .map(|message| {
                let headers = message.headers.iter().filter_map(|(name, values)| {
                    let (name, value) = (name.to_string(), values.first()?.to_string());
                    // The host's own.
                    (!name.starts_with("Nats-")).then_some((name, value))
                });
                let data = String::from_utf8_lossy(&message.body).into_owned();
                (message.subject.clone(), data, headers.collect::<BTreeMap<_, _>>())
            })
            .collect();
        assert_eq!(messages, case.publishes, "{}", self.told(case));
    }

    /// The history of a dead letter: errors, log lines, and of a crash the author's file and line.
    pub(super) fn check_dead(&self, case: &Case) -> Result<()> {
        let Some(letter) = self.dead.get(&case.id) else { return Ok(()) };
        let history = letter["history"].as_array().context("a history")?;
        assert_eq!(letter["cause"], case.cause.as_str(), "{letter:#}");
        assert_eq!(history.len(), case.attempts.len(), "{letter:#}");
        for (attempt, expected) in history.iter().zip(&case.attempts) {
            for key in ["outcome", "error"].into_iter().filter(|key| !expected[key].is_null()) {
                assert_eq!(attempt[key], expected[key], "{letter:#}");
            }
            let logs = attempt["logs"].as_str().unwrap_or_default().replace("Level::", "");
            assert_eq!(logs, expected["logs"].as_str().unwrap_or_default(), "{letter:#}");
            if let Some(words) = expected["stderr"].as_str() {
                assert!(attempt["stderr"].as_str().is_some_and(|stderr| stderr.contains(words)), "{letter:#}");
                let folder = workspace().join("examples").join(self.language.folder);
                place::check(attempt["error"].as_str().unwrap_or_default(), words, &folder, self.language.source)?;
            }
        }
        Ok(())
    }

    /// Nothing was published but what the cases say.
    pub(super) fn check_nothing_else(&self, scenario: &Scenario) {
        let expected: usize = scenario.cases.iter().map(|case| case.publishes.len()).sum();
        assert_eq!(self.left.out.len(), expected);
    }

    fn told(&self, case: &Case) -> String {
        format!("{} in {}: {}\n{}", case.id, self.language.folder, case.rule, self.left.told(GREETER, &case.id))
    }
}
