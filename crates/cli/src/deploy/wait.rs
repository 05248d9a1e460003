//! Waits until every runner that is alive has taken a deploy, or refused it.

use std::collections::BTreeMap;
use std::time::Duration;

use event::HandlerName;
use runner::registry::{HandlerReport, Registry, Report, Revision, State};
use tokio::time::Instant;

use crate::progress;

/// How often the reports are read.
const LOOK: Duration = Duration::from_millis(200);

/// What came of a deploy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It serves on every runner.
    Serving,
    /// A runner refused it.
    Refused,
    /// Another deploy came before every runner had taken this one.
    Replaced,
    /// Not every runner had said so when the time was over.
    TimedOut,
}

impl Outcome {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Refused => "refused",
            Self::Replaced => "replaced",
            Self::TimedOut => "timed_out",
        }
    }
}

/// How it ended, with the last word of each runner.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) outcome: Outcome,
    pub(super) runners: Vec<(String, HandlerReport)>,
}

impl Ended {
    /// Why it failed, in words.
    pub(super) fn failure(&self, handler: &str) -> Option<String> {
        let refused = self.runners.iter().filter(|(_, report)| report.state == State::Refused).count();
        match self.outcome {
            Outcome::Serving => None,
            Outcome::Refused => Some(format!(
                "{} of {} refused it, for the reasons above; what served before serves on there; correct it and deploy again, \
                 or take it back with `roomwire rollback {handler}`",
                refused,
                runners(self.runners.len())
            )),
            Outcome::Replaced => Some(
                "another deploy of the handler came before every runner had taken this one; `roomwire status` shows how far \
                 they are"
                    .to_owned(),
            ),
            Outcome::TimedOut if self.runners.is_empty() => Some(format!(
                "no runner that is alive has handler `{handler}`; it is deployed, and the first one that has will take it"
            )),
            Outcome::TimedOut => Some(
                "not every runner has taken it in time; it stays deployed, and they go on; `roomwire status` shows how far \
                 they are"
                    .to_owned(),
            ),
        }
    }
}

/// A number of runners in words.
pub(super) fn runners(count: usize) -> String {
    if count == 1 { "1 runner".to_owned() } else { format!("{count} runners") }
}

/// Waits, and says on stderr what changes.
pub(super) async fn wait(
    registry: &Registry,
    handler: &HandlerName,
    revision: &Revision,
    timeout: Duration,
) -> anyhow::Result<Ended> {
    let (bucket, deploys) = (registry.runners().await?, registry.deploys().await?);
    let until = Instant::now() + timeout;
    let mut said: BTreeMap<String, State> = BTreeMap::new();
    loop {
        let here = of_handler(bucket.all().await?, handler.as_str());
        for (runner, report) in here.iter().filter(|(_, report)| heard(report, revision)) {
            if said.insert(runner.clone(), report.state) != Some(report.state) {
                progress::note(&format!("{runner}: {}", report.state.word()));
            }
        }
        said.retain(|runner, _| {
            let alive = here.iter().any(|(name, _)| name == runner);
            if !alive {
                progress::note(&format!("{runner}: gone"));
            }
            alive
        });
        let mut outcome = outcome(&here, revision);
        if outcome.is_none() {
            let current = deploys.current(handler.as_str()).await?;
            let replaced = current.is_some_and(|current| current.number != revision.number);
            let late = Instant::now() >= until;
            outcome = replaced.then_some(Outcome::Replaced).or(late.then_some(Outcome::TimedOut));
        }
        if let Some(outcome) = outcome {
            return Ok(Ended { outcome, runners: here });
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn of_handler(reports: Vec<Report>, handler: &str) -> Vec<(String, HandlerReport)> {
    reports.into_iter().filter_map(|mut it| Some((it.runner, it.handlers.remove(handler)?))).collect()
}

/// Whether what a runner says is of this deploy. The number alone may be one of a bucket that is no more.
fn heard(report: &HandlerReport, revision: &Revision) -> bool {
    report.revision == Some(revision.number) && report.wanted.as_deref() == Some(revision.deploy.digest.as_str())
}

/// None while somebody has not come to an end.
fn outcome(here: &[(String, HandlerReport)], revision: &Revision) -> Option<Outcome> {
    let ended =
        |report: &HandlerReport| heard(report, revision) && matches!(report.state, State::Serving | State::Refused);
    if here.is_empty() || !here.iter().all(|(_, report)| ended(report)) {
        return None;
    }
    let refused = here.iter().any(|(_, report)| report.state == State::Refused);
    Some(if refused { Outcome::Refused } else { Outcome::Serving })
}

#[cfg(test)]
mod tests {
    use runner::registry::Deploy;

    use super::*;

    fn report(state: State, revision: u64, digest: &str) -> (String, HandlerReport) {
        let report = HandlerReport {
            plugin: "greeter".parse().unwrap(),
            deployable: true,
            state,
            serving: None,
            wanted: Some(digest.to_owned()),
            revision: Some(revision),
            error: None,
            at_ms: 0,
        };
        (String::new(), report)
    }

    #[test]
    fn a_deploy_has_ended_when_every_runner_has_an_end_of_it() {
        use State::{Compiling, Refused, Serving};
        let deploy = Deploy::now("greeter".parse().unwrap(), "b".to_owned(), String::new());
        let revision = Revision { number: 7, stored_ms: 0, deploy };
        for (reports, expected) in [
            (vec![], None),
            (vec![(Serving, 7, "b")], Some(Outcome::Serving)),
            // Of the deploy before it.
            (vec![(Serving, 6, "a")], None),
            (vec![(Serving, 6, "b")], None),
            // Of a bucket that was lost.
            (vec![(Serving, 7, "a")], None),
            (vec![(Serving, 9, "a")], None),
            (vec![(Serving, 7, "b"), (Compiling, 7, "b")], None),
            (vec![(Refused, 7, "b"), (Compiling, 7, "b")], None),
            (vec![(Refused, 7, "b"), (Serving, 7, "b")], Some(Outcome::Refused)),
        ] {
            let here: Vec<_> = reports.iter().map(|(state, of, digest)| report(*state, *of, digest)).collect();
            assert_eq!(outcome(&here, &revision), expected, "{reports:?}");
        }
    }
}
