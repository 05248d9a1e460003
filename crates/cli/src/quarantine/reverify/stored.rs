//! Which of the events are in the streams already: LiveKit sent them to a key that was known, or an earlier run was killed
//! between storing and removing. JetStream itself recognises a repeated id for its duplicate window only.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context as _, bail};
use event::header;
use futures_util::StreamExt;
use jiff::{SignedDuration, Timestamp};

use crate::events::shards::Shard;
use crate::progress;

/// An event may be stored before its refused twin arrives, and by other clocks.
const BEFORE: SignedDuration = SignedDuration::from_hours(1);
/// The longest wait for the next message of a stream that has more.
const NEXT_WITHIN: Duration = Duration::from_secs(10);

/// Those of the message ids, each with its time of arrival, that the event streams have.
pub(super) async fn find(shards: &[Shard], wanted: &[(&str, u64)]) -> anyhow::Result<BTreeSet<String>> {
    let ids: BTreeMap<&str, u64> = wanted.iter().copied().collect();
    let mut found = BTreeSet::new();
    let Some(first) = ids.values().min() else { return Ok(found) };
    let since = Timestamp::from_millisecond(i64::try_from(*first)?)?.checked_sub(BEFORE)?;
    let length = shards.len() as u64;
    let bar = progress::bar("looking for events that are stored already", length);
    for shard in shards {
        look(shard, since, |id| {
            if ids.contains_key(id) {
                found.insert(id.to_owned());
            }
        })
        .await?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(found)
}

async fn look(shard: &Shard, since: Timestamp, mut take: impl FnMut(&str)) -> anyhow::Result<()> {
    let (mut messages, mut waiting) = shard.headers_since(since).await?;
    while waiting > 0 {
        let Ok(next) = tokio::time::timeout(NEXT_WITHIN, messages.next()).await else {
            bail!("shard {} gives no message although it has {waiting} more; try again", shard.number)
        };
        let Some(message) = next else { break };
        let message = message.context("cannot read the event streams")?;
        let pending = message.info().map_err(|error| anyhow::anyhow!("not a message of a stream: {error}"))?.pending;
        waiting = pending.min(waiting - 1);
        if let Some(id) = message.headers.as_ref().and_then(|headers| headers.get(header::NATS_MSG_ID)) {
            take(id.as_str());
        }
    }
    Ok(())
}
