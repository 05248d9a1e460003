//! The receiver or NATS is away for a while: what the sender then loses is what it gave up or dropped itself, no more.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use event::header::RW_SPOOLED;
use rustix::process::Signal;
use testkit::{Stored, wait_until};
use tokio::time::sleep;

use super::books::Books;
use super::notifier::{Feed, Report};
use super::rooms::{Event, events};
use super::site::{Site, Spool, counted};
use crate::rig::{LONG, events_stored};

/// The sender tries an event for 15 s: it gets over this.
const SHORT: Duration = Duration::from_secs(8);
/// It does not get over this: what waited 30 s behind others is dropped.
const OVERLONG: Duration = Duration::from_secs(40);
/// Before and after an outage.
const MARGIN: Duration = Duration::from_secs(3);
/// An attempt that was under way when an outage began or ended may have been taken without an answer.
const EDGE_MS: u64 = 2000;

const ROOMS: usize = 12;
const PACE: Duration = Duration::from_millis(100);

const NONE: BTreeSet<String> = BTreeSet::new();

/// A load that goes on while something is away.
struct Outage {
    site: Site,
    events: Vec<Event>,
    feed: Feed,
    began_ms: u64,
    ended_ms: u64,
}

/// What is left of it.
struct Aftermath {
    books: Books,
    stored: Vec<Stored>,
}

impl Outage {
    /// Starts the load; returns when some of it is stored.
    async fn approach(name: &str, spool: Spool, length: Duration) -> Result<Self> {
        let site = Site::start(spool).await?;
        let count = (MARGIN + length + MARGIN).as_millis() / PACE.as_millis();
        let events = events(name, ROOMS, usize::try_from(count)?)?;
        let feed = site.notifier()?.feed(events.clone(), PACE);
        feed.wait_reports(2 * ROOMS).await?;
        Ok(Self { site, events, feed, began_ms: 0, ended_ms: 0 })
    }

    /// Something is away since a moment ago, and stays away for so long.
    async fn last(&mut self, length: Duration) -> Result<()> {
        self.began_ms = now_ms()?;
        sleep(length).await;
        self.ended_ms = now_ms()?;
        Ok(())
    }

    /// Waits until everything has ended.
    async fn end(self) -> Result<Aftermath> {
        let Self { site, events, feed, .. } = self;
        let reports = feed.finish().await?;
        let drained = || async { matches!(counted(&site.receiver, "roomwire_receiver_spool_events", "").await, Ok(0)) };
        wait_until(LONG, "an empty spool", drained).await?;
        let stored = events_stored(&site.nats.url()).await?;
        Ok(Aftermath { books: Books::new(&events, &reports, &stored)?, stored })
    }
}

fn now_ms() -> Result<u64> {
    Ok(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?)
}

#[tokio::test]
async fn a_receiver_that_is_gone_for_8_s_costs_no_event() -> Result<()> {
    let mut outage = Outage::approach("gone", Spool::Off, SHORT).await?;
    outage.site.stop().await?;
    outage.last(SHORT).await?;
    outage.site.start_again().await?;
    let Aftermath { books, .. } = outage.end().await?;
    assert_eq!((books.lost, books.missing), (NONE, NONE));
    Ok(())
}

#[tokio::test]
async fn a_receiver_that_is_gone_for_40_s_misses_what_was_given_up_or_dropped_and_nothing_else() -> Result<()> {
    let mut outage = Outage::approach("gone-long", Spool::Off, OVERLONG).await?;
    outage.site.stop().await?;
    outage.last(OVERLONG).await?;
    outage.site.start_again().await?;
    let Aftermath { books, .. } = outage.end().await?;
    assert!(!books.untried.is_empty() && books.untried.len() < books.lost.len(), "there was no such outage: {books:?}");
    assert_eq!(books.missing, books.lost);
    Ok(())
}

#[tokio::test]
async fn a_receiver_that_hangs_for_8_s_costs_no_event() -> Result<()> {
    let mut outage = Outage::approach("hung", Spool::Off, SHORT).await?;
    outage.site.receiver.process.signal(Signal::STOP)?;
    outage.last(SHORT).await?;
    outage.site.receiver.process.signal(Signal::CONT)?;
    let Aftermath { books, .. } = outage.end().await?;
    assert_eq!((books.lost, books.missing), (NONE, NONE));
    Ok(())
}

#[tokio::test]
async fn a_receiver_that_hangs_for_40_s_misses_what_was_dropped_unsent_and_nothing_else() -> Result<()> {
    let mut outage = Outage::approach("hung-long", Spool::Off, OVERLONG).await?;
    outage.site.receiver.process.signal(Signal::STOP)?;
    outage.last(OVERLONG).await?;
    outage.site.receiver.process.signal(Signal::CONT)?;
    let Aftermath { books, .. } = outage.end().await?;
    assert!(!books.untried.is_empty(), "there was no such outage: {books:?}");
    // An attempt has ten seconds: the fourth one of what was tried is still waiting when the receiver goes on.
    assert_eq!(books.missing, books.untried);
    assert_eq!(books.missing, books.lost);
    Ok(())
}

#[tokio::test]
async fn a_receiver_that_is_killed_under_load_and_started_again_costs_no_event() -> Result<()> {
    let (rooms, pace) = (30, Duration::from_millis(4));
    let mut site = Site::start(Spool::On).await?;
    let events = events("killed", rooms, 50 * rooms)?;
    let feed = site.notifier()?.feed(events.clone(), pace);
    for reports in [300, 800, 1300] {
        feed.wait_reports(reports).await?;
        site.receiver.process.kill9()?;
        site.start_again().await?;
    }
    let reports: Vec<Report> = feed.finish().await?;
    let books = Books::new(&events, &reports, &events_stored(&site.nats.url()).await?)?;
    assert!(books.tried.values().any(|(from, to)| to - from >= 1000), "nothing was under way when it was killed");
    assert_eq!((books.lost, books.missing), (NONE, NONE));
    Ok(())
}

#[tokio::test]
async fn without_nats_for_40_s_a_receiver_with_a_spool_misses_nothing() -> Result<()> {
    let mut outage = Outage::approach("spooled", Spool::On, OVERLONG).await?;
    outage.site.nats.kill()?;
    outage.last(OVERLONG).await?;
    outage.site.nats.restart().await?;
    let Aftermath { books, stored } = outage.end().await?;
    assert!(stored.iter().any(|message| !message.header(RW_SPOOLED).is_empty()), "nothing was in the spool");
    assert_eq!((books.lost, books.missing), (NONE, NONE));
    Ok(())
}

#[tokio::test]
async fn without_nats_for_40_s_a_receiver_without_a_spool_misses_what_was_given_up_or_dropped_and_nothing_else()
-> Result<()> {
    let mut outage = Outage::approach("unspooled", Spool::Off, OVERLONG).await?;
    outage.site.nats.kill()?;
    outage.last(OVERLONG).await?;
    outage.site.nats.restart().await?;
    let (began_ms, ended_ms) = (outage.began_ms, outage.ended_ms);
    let Aftermath { books, .. } = outage.end().await?;
    assert!(!books.untried.is_empty() && books.untried.len() < books.lost.len(), "there was no such outage: {books:?}");
    assert!(books.missing.is_subset(&books.lost), "sent and missing");
    assert!(books.untried.is_subset(&books.missing), "never sent and stored");
    for id in books.lost.difference(&books.missing) {
        let (from, to) = books.tried.get(id).copied().unwrap_or_default();
        let at_the_start = from <= began_ms + EDGE_MS;
        let at_the_end = to + EDGE_MS >= ended_ms;
        assert!(at_the_start || at_the_end, "{id} was given up, and is stored all the same");
    }
    Ok(())
}
