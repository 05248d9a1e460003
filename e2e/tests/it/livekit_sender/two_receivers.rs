//! Two receivers behind the shipped proxy, one of them without NATS for a while: the order of every room holds.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, ensure};
use event::header::RW_SPOOLED;
use testkit::http::Http;
use testkit::{Fault, FaultProxy, NatsServer, wait_until};
use tokio::time::sleep;

use super::books::Books;
use super::haproxy::Haproxy;
use super::notifier::{Feed, Notifier};
use super::rooms::{Event, events};
use super::site::{Spool, counted, rig};
use super::source::Source;
use crate::rig::{LONG, Service, events_stored};

/// How long one receiver has no NATS.
const CUT: Duration = Duration::from_secs(20);
/// Before and after.
const MARGIN: Duration = Duration::from_secs(3);

/// LiveKit nodes in front of each receiver.
const NODES: usize = 2;
/// Rooms of each node.
const ROOMS: usize = 6;
const PACE: Duration = Duration::from_millis(60);

/// Addresses that are tried until each receiver has its nodes.
const NUMBERS: std::ops::RangeInclusive<u8> = 2..=64;

const REQUESTS: &str = "roomwire_receiver_requests_total";

/// One LiveKit node: its address, and what it sends.
struct Node {
    _source: Source,
    events: Vec<Event>,
    feed: Feed,
}

/// Finds `NODES` addresses whose requests reach each of the receivers.
async fn sources(proxy: &Haproxy, receivers: [&Service; 2]) -> Result<[Vec<Source>; 2]> {
    let mut found = [Vec::new(), Vec::new()];
    for number in NUMBERS {
        let source = Source::start(number, proxy.address).await?;
        let before = counted(receivers[0], REQUESTS, "status=\"405\"").await?;
        let status = Http::new().get(&source.url()).await?.status;
        ensure!(status == 405, "through the proxy GET was answered {status}");
        let first = counted(receivers[0], REQUESTS, "status=\"405\"").await? > before;
        let of_receiver = &mut found[usize::from(!first)];
        if of_receiver.len() < NODES {
            of_receiver.push(source);
        }
        if found.iter().all(|sources| sources.len() == NODES) {
            return Ok(found);
        }
    }
    anyhow::bail!("the proxy sends every address to the same receiver")
}

fn node(source: Source, name: &str) -> Result<Node> {
    let count = (MARGIN + CUT + MARGIN).as_millis() / PACE.as_millis();
    let events = events(name, ROOMS, usize::try_from(count)?)?;
    let feed = Notifier::start(&source.url())?.feed(events.clone(), PACE);
    Ok(Node { _source: source, events, feed })
}

#[tokio::test]
async fn behind_the_shipped_proxy_the_order_of_every_room_holds_while_one_of_two_receivers_has_no_nats() -> Result<()> {
    let nats = NatsServer::start().await?;
    let wire = FaultProxy::start(nats.port()).await?;
    let (first_rig, second_rig) = (rig(Spool::On)?, rig(Spool::On)?);
    let first = first_rig.receiver(&wire.nats_url(), "127.0.0.1:0").await?;
    let second = second_rig.receiver(&nats.url(), "127.0.0.1:0").await?;
    let proxy = Haproxy::start([&first, &second]).await?;

    let [of_first, of_second] = sources(&proxy, [&first, &second]).await?;
    let mut nodes = Vec::new();
    for (number, source) in of_first.into_iter().chain(of_second).enumerate() {
        nodes.push(node(source, &format!("node-{number}"))?);
    }
    for node in &nodes {
        node.feed.wait_reports(2 * ROOMS).await?;
    }

    wire.set(Fault::Refuse);
    wire.cut();
    sleep(CUT).await;
    wire.set(Fault::None);

    let (mut all, mut reports, mut of_each) = (Vec::new(), Vec::new(), Vec::new());
    for node in nodes {
        let ended = node.feed.finish().await?;
        of_each.push(ended.len());
        reports.extend(ended);
        all.extend(node.events);
    }
    let drained = || async { matches!(counted(&first, "roomwire_receiver_spool_events", "").await, Ok(0)) };
    wait_until(LONG, "an empty spool", drained).await?;
    let stored = events_stored(&nats.url()).await?;
    let books = Books::new(&all, &reports, &stored)?;
    assert_eq!((books.lost, books.missing), (BTreeSet::new(), BTreeSet::new()));

    let spooled = stored.iter().filter(|message| !message.header(RW_SPOOLED).is_empty()).count();
    assert!(spooled > 100, "{spooled} events were in the spool of the receiver that had no NATS");
    // Each address stayed with its receiver, also while that one was not ready.
    for (receiver, webhooks) in [&first, &second].into_iter().zip(of_each.chunks(NODES)) {
        let taken = counted(receiver, REQUESTS, "status=\"200\"").await?;
        let handed: usize = webhooks.iter().sum();
        assert_eq!(taken, handed);
    }
    Ok(())
}
