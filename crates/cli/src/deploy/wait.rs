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
    /// Not every runner had said so when the time was over.
    TimedOut,
}

impl Outcome {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Refused => "refused",
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
    let (bucket, until) = (registry.runners().await?, Instant::now() + timeout);
    let mut said: BTreeMap<String, State> = BTreeMap::new();
    loop {
        let here = of_handler(bucket.all().await?, handler.as_str());
        for (runner, report) in here.iter().filter(|(_, report)| heard(report, revision.number)) {
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
        let outcome = outcome(&here, revision.number).or((Instant::now() >= until).then_some(Outcome::TimedOut));
        if let Some(outcome) = outcome {
            return Ok(Ended { outcome, runners: here });
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn of_handler(reports: Vec<Report>, handler: &str) -> Vec<(String, HandlerReport)> {
    reports.into_iter().filter_map(|mut it| Some((it.runner, it.handlers.remove(handler)?))).collect()
}

/// Whether what a runner says is of this deploy, or of a later one.
fn heard(report: &HandlerReport, revision: u64) -> bool {
    report.revision.is_some_and(|of| of >= revision)
}

/// None while somebody has not come to an end.
fn outcome(here: &[(String, HandlerReport)], revision: u64) -> Option<Outcome> {
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
    use super::*;

    fn report(state: State, revision: Option<u64>) -> (String, HandlerReport) {
        let report = HandlerReport {
            plugin: "greeter".to_owned(),
            deployable: true,
            state,
            serving: None,
            wanted: None,
            revision,
            error: None,
            at_ms: 0,
        };
        (String::new(), report)
    }

    #[test]
    fn a_deploy_has_ended_when_every_runner_has_an_end_of_it() {
        use State::{Compiling, Refused, Serving, Waiting};
        for (reports, expected) in [
            (vec![], None),
            (vec![(Serving, Some(7))], Some(Outcome::Serving)),
            // Of the deploy before it.
            (vec![(Serving, Some(6))], None),
            (vec![(Serving, None)], None),
            (vec![(Waiting, None), (Serving, Some(7))], None),
            (vec![(Serving, Some(7)), (Compiling, Some(7))], None),
            (vec![(Refused, Some(7)), (Compiling, Some(7))], None),
            (vec![(Refused, Some(7)), (Serving, Some(7))], Some(Outcome::Refused)),
            // Somebody deployed again meanwhile.
            (vec![(Serving, Some(8)), (Serving, Some(7))], Some(Outcome::Serving)),
        ] {
            let here: Vec<_> = reports.iter().map(|(state, revision)| report(*state, *revision)).collect();
            assert_eq!(outcome(&here, 7), expected, "{reports:?}");
        }
    }
}
