//! `roomwire up` with the greeter of one language, and what it left behind.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::http::Http;
use testkit::{Stored, stored, wait_for, wait_until, webhook, workspace};

use super::scenario::{Case, Scenario};
use crate::rig::{LONG, OUT, Rig, Service, make_out, wait_published};

/// The runner compiles two plugins of many megabytes first, and those of other languages are compiled beside them.
const COMPILED: Duration = LONG.saturating_mul(6);

/// A language with its greeter.
pub(super) struct Language {
    /// Its folder in `examples`.
    pub(super) folder: &'static str,
    /// The file there in which the greeter crashes.
    pub(super) source: &'static str,
    /// How a crash names that file; the line's number follows.
    pub(super) place: &'static str,
}

/// It runs.
pub(super) struct Greeter {
    language: Language,
    rig: Rig,
    up: Service,
    http: Http,
    client: async_nats::Client,
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
        let handlers = [handler("greeter", &scenario.config), handler("refused", &scenario.refused["config"])];
        let rig = Rig::new(json!({ "streams": { "shards": 2, "max_bytes": "64MiB" }, "handlers": handlers }))?;
        let data = rig.data().display().to_string();
        let flags = ["up", "--data", &data, "--listen", "127.0.0.1:0", "--log-format", "json"];
        let environment = [("ROOMWIRE_LOG", "info,runner=debug,plugin=trace")];
        let up = rig.start_within(COMPILED, "roomwire", &flags, &environment).await?;
        make_out(up.nats()).await?;
        let client = testkit::connect(up.nats()).await?;
        Ok(Self { language, rig, up, http: Http::new(), client })
    }

    /// Posts an event as LiveKit does. A busy machine may need a repeat.
    pub(super) async fn post(&self, case: &Case) -> Result<()> {
        let status = wait_for(LONG, "an answer that is no 503", || async {
            let answer = webhook::deliver(&self.http, self.up.webhook(), &case.body).await.ok()?;
            (answer.status != 503).then_some(answer.status)
        });
        let status = status.await.with_context(|| self.up.process.log())?;
        ensure!(status == 200, "{} was answered {status}", case.id);
        Ok(())
    }

    /// Waits until the event has come to its end.
    pub(super) async fn wait_end(&self, case: &Case) -> Result<()> {
        let request = json!({"command": "events_status", "ids": [case.id]}).to_string();
        let what = format!("{} to be {} for {}", case.id, case.end, self.language.folder);
        wait_until(LONG, &what, || async {
            let Ok(reply) = self.client.request("rw.ctl.runner", request.clone().into()).await else { return false };
            let answer: Value = serde_json::from_slice(&reply.payload).unwrap_or_default();
            answer["events"][&case.id]["greeter"] == case.end.as_str()
        })
        .await
        .with_context(|| format!("{}\n{}", case.rule, self.up.process.log()))
    }

    /// Stops it when the expected messages have left, and gives what is left behind.
    pub(super) async fn end(self, scenario: &Scenario) -> Result<Ended> {
        let mut dead = BTreeMap::new();
        for case in scenario.cases.iter().filter(|case| case.end == "dead") {
            let shown = self.rig.roomwire_json(&["dlq", "show", &case.id, "--nats", self.up.nats()]).await?;
            dead.insert(case.id.clone(), shown.into_iter().next().context("no dead letter")?);
        }
        let expected = scenario.cases.iter().map(|case| case.publishes.len()).sum();
        let stream = async_nats::jetstream::new(self.client.clone()).get_stream(OUT).await?;
        wait_published(&stream, expected).await?;
        let out = stored(self.up.nats(), OUT).await?;
        self.up.process.sigint()?;
        let status = self.up.process.wait_exit(LONG).await?;
        ensure!(status.success(), "{status}: {}", self.up.process.log());
        let log = self.up.process.log().lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        Ok(Ended { language: self.language, log, out, dead })
    }
}

/// What an `up` that has ended left behind.
pub(super) struct Ended {
    language: Language,
    log: Vec<Value>,
    out: Vec<Stored>,
    dead: BTreeMap<String, Value>,
}

impl Ended {
    /// What the log has of the greeter's work on an event.
    fn logged<'a>(&'a self, case: &'a Case) -> impl Iterator<Item = &'a Value> {
        self.log.iter().filter(|line| line["handler"] == "greeter" && line["id"] == case.id.as_str())
    }

    /// The config that `check` must refuse was refused, in the greeter's words.
    pub(super) fn check_refused(&self, scenario: &Scenario) {
        let reason = scenario.refused["reason"].as_str().unwrap_or("no reason in the scenario");
        let of_it = self.log.iter().filter(|line| line["handler"] == "refused" && line["level"] == "ERROR");
        let errors: Vec<_> = of_it.filter_map(|line| line["error"].as_str()).collect();
        assert!(
            errors.iter().any(|error| error.ends_with(&format!("refused its configuration: {reason}"))),
            "{errors:?}"
        );
    }

    /// The guest's lines, and each attempt with its outcome and error.
    pub(super) fn check_log(&self, case: &Case) {
        let of_guest = self.logged(case).filter(|line| line["target"] == "plugin");
        let lines: Vec<String> = of_guest
            .map(|line| {
                let word = |key: &str| line[key].as_str().unwrap_or_default();
                format!("{} {} {}", word("level"), word("context"), word("message"))
            })
            .collect();
        let kept = case.attempts.iter().filter_map(|attempt| attempt["logs"].as_str());
        let of_dead = kept.flat_map(str::lines).map(|line| line.replacen("Info", "INFO", 1));
        let expected: Vec<String> = case.log.iter().cloned().chain(of_dead).collect();
        assert_eq!(lines, expected, "{}", self.told(case));
        let attempts = self.logged(case).filter(|line| !line["attempt"].is_null());
        let invocations: Vec<Value> = attempts
            .map(|line| {
                let of_guest =
                    if line["outcome"] == "trap" { &Value::Null } else { line.get("why").unwrap_or(&line["error"]) };
                json!([line["attempt"], line["outcome"], of_guest])
            })
            .collect();
        assert_eq!(invocations, case.invocations(), "{}", self.told(case));
    }

    /// Subject, data and headers of what it published.
    pub(super) fn check_published(&self, case: &Case) {
        let of_case = self.out.iter().filter(|message| message.header("event-id") == case.id);
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
                let stderr = attempt["stderr"].as_str().unwrap_or_default();
                assert!(stderr.contains(words), "{letter:#}");
                self.check_place(stderr, words)?;
            }
        }
        Ok(())
    }

    /// The crash names a line of the author's file in which its words stand.
    fn check_place(&self, stderr: &str, words: &str) -> Result<()> {
        let source = workspace().join("examples").join(self.language.folder).join(self.language.source);
        let source = fs::read_to_string(source).context("cannot read the greeter's source")?;
        let places = stderr.match_indices(self.language.place).filter_map(|(at, place)| stderr.get(at + place.len()..));
        let numbers = places.filter_map(|rest| rest.split(|end: char| !end.is_ascii_digit()).next()?.parse().ok());
        let named: Vec<&str> = numbers.filter_map(|number: usize| source.lines().nth(number.checked_sub(1)?)).collect();
        assert!(named.iter().any(|line| line.contains(words)), "{stderr}\nnames {named:#?}");
        Ok(())
    }

    /// Nothing was published but what the cases say.
    pub(super) fn check_nothing_else(&self, scenario: &Scenario) {
        let expected: usize = scenario.cases.iter().map(|case| case.publishes.len()).sum();
        assert_eq!(self.out.len(), expected);
    }

    fn told(&self, case: &Case) -> String {
        let lines: Vec<String> = self.logged(case).map(ToString::to_string).collect();
        format!("{} in {}: {}\n{}", case.id, self.language.folder, case.rule, lines.join("\n"))
    }
}
