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

/// The books would not be worth keeping if they did not notice.
mod tests {
    use async_nats::HeaderMap;
    use event::header::CE_ID;

    use super::*;

    fn event(id: &str, lane: &str, copied: bool) -> Event {
        let [id, kind, lane, body] = [id, "", lane, ""].map(str::to_owned);
        Event { id, kind, lane, body, copied }
    }

    fn report(id: &str, extra: bool, outcome: Outcome) -> Report {
        Report { id: id.to_owned(), extra, outcome, status: 200, sent_at_ms: 5, send_duration_ms: 2 }
    }

    fn stored(id: &str) -> Stored {
        let mut headers = HeaderMap::new();
        headers.insert(CE_ID, id);
        let (stream, subject, body) = (String::new(), String::new(), Vec::new().into());
        Stored { stream, sequence: 0, subject, headers, body }
    }

    /// What the books of these reports and these stored events say is wrong.
    fn wrong(events: &[Event], reports: &[Report], ids: &[&str]) -> String {
        let stored: Vec<Stored> = ids.iter().map(|id| stored(id)).collect();
        Books::new(events, reports, &stored).map_or_else(|error| error.to_string(), |_| String::new())
    }

    #[test]
    fn what_is_not_as_it_must_be_is_noticed() {
        let events = [event("a", "lane", false), event("b", "lane", false)];
        let sent = ["a", "b"].map(|id| report(id, false, Outcome::Sent));
        let refused = [sent[0].clone(), Report { status: 401, ..sent[1].clone() }];
        for (reports, ids, expected) in [
            (&sent[..], &["a", "b"][..], ""),
            (&sent, &["b", "a"], "the lane lane is stored in another order"),
            (&sent, &["a"], "reported as sent, and not stored"),
            (&sent, &["a", "b", "a"], "stored twice"),
            (&sent, &["a", "b", "c"], "stored and never handed over"),
            (&sent[..1], &["a", "b"], "0 of 1 webhooks"),
            (&refused, &["a", "b"], "refused"),
        ] {
            let found = wrong(&events, reports, ids);
            assert!(found.starts_with(expected) && found.is_empty() == expected.is_empty(), "{ids:?}: {found}");
        }
    }

    #[test]
    fn an_event_may_be_passed_only_where_one_of_its_webhooks_was_not_sent() {
        let events = [event("a", "lane", true), event("b", "lane", true)];
        let all = |second: Outcome| {
            let sent = |id, extra| report(id, extra, Outcome::Sent);
            [sent("a", false), report("a", true, second), sent("b", false), sent("b", true)]
        };
        assert_ne!(wrong(&events, &all(Outcome::Sent), &["b", "a"]), "");
        assert_eq!(wrong(&events, &all(Outcome::Failed), &["b", "a"]), "");
    }

    #[test]
    fn lost_untried_and_missing_are_told_apart() -> Result<()> {
        let events = ["a", "b", "c"].map(|id| event(id, id, false));
        let outcomes = [("a", Outcome::Sent), ("b", Outcome::Failed), ("c", Outcome::Dropped)];
        let reports = outcomes.map(|(id, outcome)| report(id, false, outcome));
        let books = Books::new(&events, &reports, &[stored("a"), stored("b")])?;
        let set = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!((books.lost, books.untried, books.missing), (set(&["b", "c"]), set(&["c"]), set(&["c"])));
        assert_eq!(books.tried.get("b"), Some(&(5, 7)));
        Ok(())
    }
}
