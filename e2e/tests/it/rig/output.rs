//! What came out: the stream that guests publish to, and the streams of events.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use anyhow::{Context as _, Result};
use async_nats::jetstream::{self, stream};
use testkit::{Stored, stored, wait_for, wait_until};

use super::{LONG, Webhook};

/// The stream of `out.>`.
pub(crate) const OUT: &str = "OUT";

/// Makes the stream that takes `out.>` and forgets ids as fast as a stream can: a message sent twice is there twice.
pub(crate) async fn make_out(nats: &str) -> Result<stream::Stream> {
    let config = stream::Config {
        name: OUT.to_owned(),
        subjects: vec!["out.>".to_owned()],
        storage: stream::StorageType::File,
        duplicate_window: Duration::from_millis(100),
        ..stream::Config::default()
    };
    jetstream::new(testkit::connect(nats).await?).create_stream(config).await.context("cannot make the test stream")
}

/// Waits until the test stream has so many messages. The server may be gone for a while.
pub(crate) async fn wait_published(out: &stream::Stream, count: usize) -> Result<()> {
    wait_until(LONG, &format!("{count} published events"), || async {
        out.get_info().await.is_ok_and(|info| info.state.messages >= count as u64)
    })
    .await
}

/// Waits until messages of so many events are in the test stream, and returns all in order.
pub(crate) async fn published(nats: &str, count: usize) -> Result<Vec<Stored>> {
    wait_for(LONG, &format!("{count} published events"), || async {
        let found = stored(nats, OUT).await.ok()?;
        (found.iter().map(event_id).collect::<HashSet<_>>().len() >= count).then_some(found)
    })
    .await
}

/// The events that the receiver stored, shard by shard.
pub(crate) async fn events_stored(nats: &str) -> Result<Vec<Stored>> {
    stored(nats, "RW_EVENTS_").await
}

/// The event's id of a message of the test stream or of an event stream.
pub(crate) fn event_id(message: &Stored) -> String {
    let name = if message.stream == OUT { "event-id" } else { event::header::CE_ID };
    message.header(name).to_owned()
}

/// The event ids of messages, room by room in order, as lists that compare with those that were posted. Of an id that is
/// there more than once, the first counts; ids that were not posted stand in a list of their own at the end.
pub(crate) fn ids_by_room(messages: &[Stored], posted: &[Vec<Webhook>]) -> Vec<Vec<String>> {
    let rooms: HashMap<&str, usize> = posted
        .iter()
        .enumerate()
        .flat_map(|(room, webhooks)| webhooks.iter().map(move |webhook| (webhook.id.as_str(), room)))
        .collect();
    let (mut lists, mut strangers, mut seen) = (vec![Vec::new(); posted.len()], Vec::new(), HashSet::new());
    for id in messages.iter().map(event_id).filter(|id| seen.insert(id.clone())) {
        match rooms.get(id.as_str()).and_then(|room| lists.get_mut(*room)) {
            Some(list) => list.push(id),
            None => strangers.push(id),
        }
    }
    lists.extend((!strangers.is_empty()).then_some(strangers));
    lists
}

/// The posted ids, room by room in order.
pub(crate) fn ids(posted: &[Vec<Webhook>]) -> Vec<Vec<String>> {
    posted.iter().map(|room| room.iter().map(|webhook| webhook.id.clone()).collect()).collect()
}

/// The event ids that are there more than once.
pub(crate) fn repeats(messages: &[Stored]) -> Vec<String> {
    let mut seen = HashSet::new();
    messages.iter().map(event_id).filter(|id| !seen.insert(id.clone())).collect()
}
