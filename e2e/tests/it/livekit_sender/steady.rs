//! Nothing fails: each event is stored once, in order, over connections that are kept.

use std::collections::BTreeSet;

use anyhow::Result;
use livekit::generate::KINDS;

use super::books::Books;
use super::rooms::{MEETING, events};
use super::site::{Site, Spool, counted};
use crate::rig::events_stored;

const ROOMS: usize = 50;

/// Webhooks under way at a time: as many connections as LiveKit keeps open when it has nothing to send.
const WINDOW: usize = 8;

#[tokio::test]
async fn every_event_of_fifty_meetings_is_stored_once_and_in_order_over_connections_that_are_kept() -> Result<()> {
    let site = Site::start(Spool::Off).await?;
    let events = events("meeting", ROOMS, ROOMS * MEETING)?;
    let kinds: BTreeSet<&str> = events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, BTreeSet::from(KINDS));

    let mut notifier = site.notifier()?;
    notifier.notify_within(&events, WINDOW).await?;
    let reports = notifier.finish().await?;

    let stored = events_stored(&site.nats.url()).await?;
    let books = Books::new(&events, &reports, &stored)?;
    assert_eq!((books.lost, books.missing, stored.len()), (BTreeSet::new(), BTreeSet::new(), events.len()));
    let copies = events.iter().filter(|event| event.copied).count();
    assert_eq!((copies, reports.iter().filter(|report| report.extra).count()), (3 * ROOMS, 3 * ROOMS));
    let duplicates = counted(&site.receiver, "roomwire_receiver_duplicates_total", "").await?;
    assert_eq!(duplicates, copies, "each copy is a duplicate of its event");
    let requests = counted(&site.receiver, "roomwire_receiver_requests_total", "status=\"200\"").await?;
    assert_eq!(requests, reports.len());
    // The notifier has a pool of connections for its own webhooks and one for extra ones.
    let connections = counted(&site.receiver, "roomwire_receiver_connections_accepted_total", "").await?;
    assert!(connections <= 4 * WINDOW, "{connections} connections for {requests} requests");
    Ok(())
}
