//! What came out: the stream that guests publish to, and the streams of events.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use anyhow::{Context as _, Result};
use async_nats::jetstream::{self, stream};
use testkit::{Stored, stored, wait_until};

use super::LONG;

/// The stream of `out.>`.
pub(crate) const OUT: &str = "OUT";

/// Makes the stream that takes `out.>` and forgets ids as fast as a stream can: a message sent twice is there twice.
pub(crate) async fn make_out(nats: &str) -> Result<stream::Stream> {
    let client = async_nats::connect(nats).await.with_context(|| format!("cannot connect to {nats}"))?;
    let config = stream::Config {
        name: OUT.to_owned(),
        subjects: vec!["out.>".to_owned()],
        storage: stream::StorageType::File,
        duplicate_window: Duration::from_millis(100),
        ..stream::Config::default()
    };
    jetstream::new(client).create_stream(config).await.context("cannot make the test stream")
}

/// Waits until the test stream has so many messages of different ids, and returns all in order.
pub(crate) async fn published(nats: &str, count: usize) -> Result<Vec<Stored>> {
    let found = async || stored(nats, OUT).await.unwrap_or_default();
    let distinct = |found: &[Stored]| found.iter().map(event_id).collect::<HashSet<_>>().len();
    wait_until(LONG, &format!("{count} published events"), || async { distinct(&found().await) >= count }).await?;
    stored(nats, OUT).await
}

/// The events that the receiver stored, shard by shard.
pub(crate) async fn events_stored(nats: &str) -> Result<Vec<Stored>> {
    stored(nats, "RW_EVENTS_").await
}

/// The event's id of a message of the test stream or of an event stream.
fn event_id(message: &Stored) -> String {
    let name = if message.stream == OUT { "event-id" } else { event::header::CE_ID };
    message.header(name).to_owned()
}

/// The event ids of messages by the room that `room_of` says an id has; of an id that is there twice, the first.
pub(crate) fn ids_by_key(
    messages: &[Stored],
    room_of: impl Fn(&str) -> Option<String>,
) -> BTreeMap<String, Vec<String>> {
    let mut seen = HashSet::new();
    let mut by_room: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for id in messages.iter().map(event_id) {
        if seen.insert(id.clone()) {
            by_room.entry(room_of(&id).unwrap_or_default()).or_default().push(id);
        }
    }
    by_room
}

/// The event ids that are there more than once.
pub(crate) fn repeats(messages: &[Stored]) -> Vec<String> {
    let mut seen = HashSet::new();
    messages.iter().map(event_id).filter(|id| !seen.insert(id.clone())).collect()
}

/// Event ids in order of the alphabet, each as often as it is there.
pub(crate) fn sorted(messages: &[Stored]) -> Vec<String> {
    let mut ids: Vec<String> = messages.iter().map(event_id).collect();
    ids.sort();
    ids
}
