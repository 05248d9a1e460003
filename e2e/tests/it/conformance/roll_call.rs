//! Each capability of the host, used once by guests in several languages that run side by side.

mod scenario;
mod upstream;

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use testkit::{wait_until, workspace};

use super::place;
use super::system::{Left, System};
use crate::rig::LONG;
pub(super) use scenario::Capability;
use scenario::{Case, End, Expected, Scenario};
use upstream::{Asked, Upstream};

/// A guest.
pub(super) struct Guest {
    /// Its folder in `plugins/conformance`, and the name of its handler.
    pub(super) folder: &'static str,
    /// The file there in which it crashes.
    pub(super) source: &'static str,
    /// The capabilities that its contract does not have. Of their events it must say so: what it could do is no lack.
    pub(super) lacks: &'static [Capability],
    /// The keys that stand in a command's document.
    pub(super) stdin_keys: &'static [&'static str],
}

impl Guest {
    /// A component, which has all capabilities.
    pub(super) const fn component(folder: &'static str, source: &'static str) -> Self {
        Self { folder, source, lacks: &[], stdin_keys: &[] }
    }

    /// A command, which asks nobody while it runs: what it wants to know is in its document.
    pub(super) const fn command(folder: &'static str, source: &'static str) -> Self {
        let lacks = &[Capability::Http, Capability::LiveKit];
        Self { folder, source, lacks, stdin_keys: &["joined", "last"] }
    }

    fn is_command(&self) -> bool {
        !self.stdin_keys.is_empty()
    }

    /// The cases that it can answer.
    fn cases<'a>(&self, scenario: &'a Scenario) -> Vec<&'a Case> {
        let able = |case: &&Case| !case.needs.iter().any(|need| self.lacks.contains(need));
        scenario.cases.iter().filter(able).collect()
    }

    /// The cases that it cannot answer, and what it lacks for each.
    fn refusals<'a>(&self, scenario: &'a Scenario) -> Vec<(&'a Case, Capability)> {
        let lacking = |case: &'a Case| Some((case, *case.needs.iter().find(|need| self.lacks.contains(need))?));
        scenario.cases.iter().filter_map(lacking).collect()
    }

    /// Where it publishes.
    fn subject(&self) -> String {
        format!("out.{}", self.folder)
    }

    fn handler(&self, scenario: &Scenario, upstream: &Upstream) -> Result<Value> {
        let plugin = workspace().join("plugins/conformance").join(self.folder).join("roll-call.wasm");
        ensure!(plugin.is_file(), "{} is not built: run `scripts/languages`", plugin.display());
        let can = |capability| !self.lacks.contains(&capability);
        let mut allow =
            json!({ "publish": [self.subject()], "http": [upstream.origin()], "keyvalue": [scenario.bucket] });
        if can(Capability::LiveKit) {
            allow["livekit"] = json!(["RoomService/ListRooms"]);
        }
        let config =
            json!({ "bucket": scenario.bucket, "endpoint": upstream.endpoint(self.folder), "subject": self.subject() });
        let mut handler = json!({
            "name": self.folder, "plugin": plugin, "on": ["*"], "start": "all", "config": config, "retry": scenario.retry,
            "secrets": ["TOKEN"], "allow": allow,
        });
        if self.is_command() {
            handler["stdin_keys"] = json!({ scenario.bucket.as_str(): self.stdin_keys });
        }
        Ok(handler)
    }
}

/// Runs the scenario with these guests, all of them handlers of one runner.
pub(super) async fn answer(guests: &[Guest]) -> Result<()> {
    let scenario = Scenario::read()?;
    let names: Vec<&str> = guests.iter().map(|guest| guest.folder).collect();
    let upstream = Upstream::start(&scenario, &names)?;
    let handlers = guests.iter().map(|guest| guest.handler(&scenario, &upstream)).collect::<Result<Vec<_>>>()?;
    let system = System::start(json!({
        "livekit": { "url": upstream.origin(), "keys": { testkit::webhook::KEY: testkit::webhook::SECRET } },
        "secrets": { "TOKEN": scenario.secret },
        "streams": { "shards": 2, "max_bytes": "64MiB" },
        "handlers": handlers,
    }))
    .await?;
    for case in &scenario.cases {
        system.post(&case.id, &case.body).await?;
    }
    let mut letters = BTreeMap::new();
    for guest in guests {
        for case in guest.cases(&scenario) {
            system.wait_end(guest.folder, &case.id, case.end.word()).await.with_context(|| case.rule.clone())?;
            if case.end == End::Dead {
                letters.insert((guest.folder, case.id.as_str()), system.dead(guest.folder, &case.id).await?);
            }
        }
        for (case, _) in guest.refusals(&scenario) {
            let end = End::Dead.word();
            system.wait_end(guest.folder, &case.id, end).await.with_context(|| format!("lacking: {}", case.rule))?;
        }
    }
    let all = |of: fn(&Case) -> usize| guests.iter().flat_map(|guest| guest.cases(&scenario)).map(of).sum::<usize>();
    let requests = all(|case| case.requests.len());
    wait_until(LONG, &format!("{requests} requests"), || async { upstream.asked().len() >= requests }).await?;
    let left = system.end(all(|case| case.publishes.len())).await?;
    let asked = upstream.asked();
    for guest in guests {
        let answers = Answers { guest, left: &left, asked: &asked };
        for case in guest.cases(&scenario) {
            answers.check_attempts(case);
            answers.check_requests(case);
            if let Some(letter) = letters.get(&(guest.folder, case.id.as_str())) {
                answers.check_letter(case, letter)?;
            }
        }
        for (case, capability) in guest.refusals(&scenario) {
            answers.check_lack(case, capability);
        }
        answers.check_published(&guest.cases(&scenario));
    }
    assert_eq!(asked.len(), requests, "nobody asks for more: {asked:#?}");
    Ok(())
}

/// What a guest did.
struct Answers<'a> {
    guest: &'a Guest,
    left: &'a Left,
    asked: &'a [Asked],
}

impl Answers<'_> {
    /// The guest's log lines, and each attempt with its outcome and error.
    fn check_attempts(&self, case: &Case) {
        let lines = self.left.lines(self.guest.folder, &case.id).map(|line| {
            let word = |key: &str| line[key].as_str().unwrap_or_default();
            format!("{} {}", word("level"), word("message"))
        });
        let lines: Vec<String> = lines.collect();
        assert_eq!(lines, case.log, "{}", self.told(case));
        let attempts = self.left.attempts(self.guest.folder, &case.id);
        let expected = case.attempts();
        assert_eq!(attempts.len(), expected.len(), "{}", self.told(case));
        for ((number, outcome, error), expected) in attempts.into_iter().zip(expected) {
            // Where the whole text is not in the scenario, the letter is looked into.
            let error = expected.2.as_ref().map(|_| error);
            assert_eq!((number, outcome, error), expected, "{}", self.told(case));
        }
    }

    /// It says what it lacks, and does nothing else.
    fn check_lack(&self, case: &Case, capability: Capability) {
        let error = format!("it lacks {}", capability.word());
        let attempts = self.left.attempts(self.guest.folder, &case.id);
        assert_eq!(attempts, [(json!(1), json!("permanent"), json!(error))], "{}", self.told(case));
    }

    /// What it asked of upstream: method, path, headers, body.
    fn check_requests(&self, case: &Case) {
        let lines: Vec<&str> = case.requests.iter().map(|request| request.line.as_str()).collect();
        let of_case = |asked: &&Asked| asked.guest == self.guest.folder && lines.contains(&asked.line.as_str());
        let asked: Vec<&Asked> = self.asked.iter().filter(of_case).collect();
        assert_eq!(asked.len(), case.requests.len(), "{asked:#?}\n{}", self.told(case));
        for (asked, Expected { line, headers, body }) in asked.into_iter().zip(&case.requests) {
            assert_eq!((&asked.line, &asked.body), (line, body), "{}", self.told(case));
            for (name, value) in headers {
                let found = asked.headers.get(name).map(String::as_str).unwrap_or_default();
                let fits = if value == "*" { !found.is_empty() } else { found == value };
                assert!(fits, "`{name}` is `{found}` and not `{value}` in {asked:#?}\n{}", self.told(case));
            }
        }
    }

    /// The dead letter: errors in the guest's or the host's words, and of a crash the author's file and line.
    fn check_letter(&self, case: &Case, letter: &Value) -> Result<()> {
        let history = letter["history"].as_array().context("a history")?;
        assert_eq!(history.len(), case.attempts.len(), "{letter:#}");
        for (attempt, expected) in history.iter().zip(&case.attempts) {
            let text = |key: &str| attempt[key].as_str().unwrap_or_default();
            if let Some(words) = &expected.denied {
                // The host notes it for a guest that may keep it to itself, which a command cannot.
                let is_noted = self.guest.is_command() || text("logs").contains(words.as_str());
                assert!(is_noted, "{letter:#}");
                assert!(text("error").contains(words.as_str()), "{letter:#}");
            }
            if let Some(words) = &expected.stderr {
                assert!(text("stderr").contains(words.as_str()), "{letter:#}");
                let folder = workspace().join("plugins/conformance").join(self.guest.folder);
                place::check(text("error"), words, &folder, self.guest.source)?;
            }
        }
        Ok(())
    }

    /// All that it published, in whatever order its rooms came to it.
    fn check_published(&self, cases: &[&Case]) {
        let of_guest = self.left.out.iter().filter(|message| message.subject == self.guest.subject());
        let mut published: Vec<String> =
            of_guest.map(|message| String::from_utf8_lossy(&message.body).into_owned()).collect();
        let mut expected: Vec<String> = cases.iter().flat_map(|case| case.publishes.iter().cloned()).collect();
        published.sort_unstable();
        expected.sort_unstable();
        assert_eq!(published, expected, "{}", self.guest.folder);
    }

    fn told(&self, case: &Case) -> String {
        let Case { id, rule, .. } = case;
        format!("{id} in {}: {rule}\n{}", self.guest.folder, self.left.told(self.guest.folder, id))
    }
}
