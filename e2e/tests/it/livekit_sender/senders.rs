//! Both senders, LiveKit's and the simulated one, with the same events and the same answers.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use anyhow::{Context as _, Result};
use livekit::notifier::{Fate, Notifier as Simulator, Rules};
use livekit::sender::Sender;
use livekit::token::Secret;
use testkit::wait_until;
use testkit::webhook::{KEY, SECRET};
use tokio::time::sleep;

use super::notifier::{Notifier, Outcome};
use super::rooms::Event;
use crate::rig::{Attempt, LONG, Recorder, Script};

/// What a test does, one step after the other.
pub(super) enum Step {
    /// Hands an event over.
    Hand(Event),
    /// Waits until so many attempts came.
    Attempts(usize),
    /// Lets time pass.
    Pause(Duration),
}

/// How an event ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    Sent(u16),
    GaveUp,
    Dropped,
}

/// What a sender did.
pub(super) struct Run {
    /// As the receiver saw them, in order.
    pub(super) attempts: Vec<Attempt>,
    /// By id.
    pub(super) ends: BTreeMap<String, End>,
}

/// Lets both do the same at the same time: the simulated one, and LiveKit's.
pub(super) async fn both(script: &Script, steps: &[Step]) -> Result<[Run; 2]> {
    let (simulated, real) = tokio::join!(simulated(script.clone(), steps), real(script.clone(), steps));
    Ok([simulated.context("the simulated sender")?, real.context("LiveKit's sender")?])
}

async fn simulated(script: Script, steps: &[Step]) -> Result<Run> {
    let recorder = Recorder::start(script)?;
    let sender = Sender::new(&recorder.url(), KEY, Secret::new(SECRET)?)?;
    let simulator = Simulator::new(sender, Rules::protocol_1_54());
    let mut waiting = Vec::new();
    for step in steps {
        match step {
            Step::Hand(event) => waiting.push(simulator.notify(event.body.clone())),
            step => step.pass(&recorder).await?,
        }
    }
    let mut ends = BTreeMap::new();
    for end in waiting {
        let delivery = end.await.context("it ended")?;
        let end = match delivery.fate {
            Fate::Sent { status } => End::Sent(status),
            Fate::GaveUp => End::GaveUp,
            Fate::DroppedFull | Fate::DroppedOld => End::Dropped,
        };
        ends.insert(delivery.id, end);
    }
    Ok(Run { attempts: recorder.attempts(), ends })
}

async fn real(script: Script, steps: &[Step]) -> Result<Run> {
    let recorder = Recorder::start(script)?;
    let mut notifier = Notifier::start(&recorder.url())?;
    for step in steps {
        match step {
            Step::Hand(event) => notifier.notify(event).await?,
            step => step.pass(&recorder).await?,
        }
    }
    let reports = notifier.finish().await?;
    let end = |outcome, status| match outcome {
        Outcome::Sent => End::Sent(status),
        Outcome::Failed => End::GaveUp,
        Outcome::Dropped => End::Dropped,
    };
    let ends = reports.into_iter().map(|report| (report.id, end(report.outcome, report.status))).collect();
    Ok(Run { attempts: recorder.attempts(), ends })
}

impl Step {
    async fn pass(&self, recorder: &Recorder) -> Result<()> {
        match self {
            Step::Hand(_) => Ok(()),
            Step::Attempts(count) => {
                let came = || async { recorder.attempts().len() >= *count };
                wait_until(LONG, &format!("{count} attempts"), came).await
            }
            Step::Pause(time) => {
                sleep(*time).await;
                Ok(())
            }
        }
    }
}

impl Run {
    /// The ids of each room's attempts, in order.
    pub(super) fn by_room(&self) -> BTreeMap<String, Vec<String>> {
        let mut rooms: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for attempt in &self.attempts {
            rooms.entry(attempt.room.clone()).or_default().push(attempt.id.clone());
        }
        rooms
    }

    /// The attempts of each event, in order.
    pub(super) fn by_event(&self) -> HashMap<&str, Vec<&Attempt>> {
        let mut events: HashMap<&str, Vec<&Attempt>> = HashMap::new();
        for attempt in &self.attempts {
            events.entry(&attempt.id).or_default().push(attempt);
        }
        events
    }

    /// How long the sender waited after each attempt of an event, in seconds.
    pub(super) fn waits(&self, id: &str) -> Vec<f64> {
        let attempts: Vec<&Attempt> = self.attempts.iter().filter(|attempt| attempt.id == id).collect();
        let between = |pair: &[&Attempt]| match pair {
            [before, after] => after.began.saturating_duration_since(before.ended).as_secs_f64(),
            _ => f64::NAN,
        };
        attempts.windows(2).map(between).collect()
    }
}
