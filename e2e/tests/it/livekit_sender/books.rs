//! What was handed over, held against what the notifier reported and what the streams have.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use anyhow::{Context as _, Result, ensure};
use testkit::Stored;

use super::notifier::{Outcome, Report};
use super::rooms::Event;
use crate::rig::{event_id, repeats};

/// The books of one run. Making them checks what always holds.
#[derive(Debug)]
pub(super) struct Books {
    /// Events of which no webhook was sent: the notifier gave them up, or dropped them.
    pub(super) lost: BTreeSet<String>,
    /// Of those, the ones that were never tried.
    pub(super) untried: BTreeSet<String>,
    /// Events that no stream has.
    pub(super) missing: BTreeSet<String>,
    /// From the first attempt of each event to the end of its last one, in Unix milliseconds.
    pub(super) tried: HashMap<String, (u64, u64)>,
}

impl Books {
    /// Fails unless each webhook has one report, nothing was refused, nothing is stored twice or came from elsewhere,
    /// whatever was sent is stored, and the events of a lane that were sent are stored in the order in which they were
    /// handed over.
    pub(super) fn new(events: &[Event], reports: &[Report], stored: &[Stored]) -> Result<Self> {
        let fates = fates(events, reports)?;
        let ids: Vec<String> = stored.iter().map(event_id).collect();
        let known: HashSet<&str> = events.iter().map(|event| event.id.as_str()).collect();
        let strangers: Vec<_> = ids.iter().filter(|id| !known.contains(id.as_str())).collect();
        ensure!(strangers.is_empty(), "stored and never handed over: {strangers:?}");
        let repeated = repeats(stored);
        ensure!(repeated.is_empty(), "stored twice: {repeated:?}");
        let have: HashSet<&str> = ids.iter().map(String::as_str).collect();
        let named = |wanted: &dyn Fn(&str, &Fate) -> bool| -> BTreeSet<String> {
            fates.iter().filter(|(id, fate)| wanted(id, fate)).map(|(id, _)| (*id).to_owned()).collect()
        };
        let vanished = named(&|id, fate| fate.sent > 0 && !have.contains(id));
        ensure!(vanished.is_empty(), "reported as sent, and not stored: {vanished:?}");
        in_order(events, &fates, &ids)?;
        Ok(Self {
            lost: named(&|_, fate| fate.sent == 0),
            untried: named(&|_, fate| fate.tried.is_none()),
            missing: named(&|id, _| !have.contains(id)),
            tried: fates.iter().filter_map(|(id, fate)| Some(((*id).to_owned(), fate.tried?))).collect(),
        })
    }
}

/// What became of the webhooks of one event.
#[derive(Debug, Default)]
struct Fate {
    webhooks: usize,
    sent: usize,
    tried: Option<(u64, u64)>,
}

fn fates<'a>(events: &'a [Event], reports: &[Report]) -> Result<HashMap<&'a str, Fate>> {
    let mut fates: HashMap<&str, Fate> = events.iter().map(|event| (event.id.as_str(), Fate::default())).collect();
    for report in reports {
        let fate = fates.get_mut(report.id.as_str()).with_context(|| format!("a report of a stranger: {report:?}"))?;
        ensure!(report.outcome != Outcome::Sent || report.status == 200, "refused: {report:?}");
        fate.webhooks += 1;
        fate.sent += usize::from(report.outcome == Outcome::Sent);
        if report.outcome != Outcome::Dropped {
            let (from, to) = fate.tried.unwrap_or((u64::MAX, 0));
            let end = report.sent_at_ms + report.send_duration_ms;
            fate.tried = Some((from.min(report.sent_at_ms), to.max(end)));
        }
    }
    for event in events {
        let Some(fate) = fates.get(event.id.as_str()) else { continue };
        // The rates here are far below those at which a queue is full, so that extra webhooks are always there.
        let wanted = 1 + usize::from(event.copied);
        ensure!(fate.webhooks == wanted, "{} of {wanted} webhooks of {event:?} were reported", fate.webhooks);
    }
    Ok(fates)
}

/// The next event of a lane is sent after the one before was answered. An event with one webhook that was sent and one
/// that was not may have been passed by its successor on the other way, so it counts only where both were sent.
fn in_order(events: &[Event], fates: &HashMap<&str, Fate>, stored: &[String]) -> Result<()> {
    let places: HashMap<&str, usize> = stored.iter().enumerate().map(|(place, id)| (id.as_str(), place)).collect();
    let mut lanes: BTreeMap<&str, Vec<(&str, usize)>> = BTreeMap::new();
    for event in events {
        let id = event.id.as_str();
        if let (Some(fate), Some(place)) = (fates.get(id), places.get(id))
            && fate.sent == fate.webhooks
        {
            lanes.entry(&event.lane).or_default().push((id, *place));
        }
    }
    for (lane, placed) in lanes {
        ensure!(placed.is_sorted_by_key(|(_, place)| *place), "the lane {lane} is stored in another order: {placed:?}");
    }
    Ok(())
}
