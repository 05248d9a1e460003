//! The event streams of an installation.

use anyhow::{Context as _, bail};
use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::pull::{Ordered, OrderedConfig};
use async_nats::jetstream::consumer::{DeliverPolicy, ReplayPolicy};
use async_nats::jetstream::stream::Stream;
use event::topology::{METADATA_SHARDS, events_stream};
use event::{Prefix, subject};
use jiff::Timestamp;

use super::filter::Filter;

/// One event stream.
#[derive(Debug)]
pub(crate) struct Shard {
    pub(crate) number: u16,
    prefix: Prefix,
    stream: Stream,
}

/// Opens all event streams. Their number is read from the first one, not from the configuration: what is stored counts.
pub(crate) async fn open(context: &Context, prefix: &Prefix) -> anyhow::Result<Vec<Shard>> {
    let mut shards = vec![one(context, prefix, 0).await?];
    let metadata = shards.first().and_then(|shard| shard.stream.cached_info().config.metadata.get(METADATA_SHARDS));
    let Some(number) = metadata.and_then(|text| text.parse::<u16>().ok()) else {
        bail!("the stream {} is not Roomwire's; is `nats.prefix` right?", events_stream(prefix, 0));
    };
    for shard in 1..number {
        shards.push(one(context, prefix, shard).await?);
    }
    Ok(shards)
}

async fn one(context: &Context, prefix: &Prefix, number: u16) -> anyhow::Result<Shard> {
    let name = events_stream(prefix, number);
    let stream = context
        .get_stream(&name)
        .await
        .with_context(|| format!("cannot open the stream {name}; has a receiver or `roomwire up` ever run here?"))?;
    Ok(Shard { number, prefix: prefix.clone(), stream })
}

impl Shard {
    /// The sequence of the newest message.
    pub(super) fn last_sequence(&self) -> u64 {
        self.stream.cached_info().state.last_sequence
    }

    /// The sequence of the oldest message.
    pub(super) fn first_sequence(&self) -> u64 {
        self.stream.cached_info().state.first_sequence
    }

    /// The headers of every message from `since` on, and how many of them there are now.
    pub(crate) async fn headers_since(&self, since: Timestamp) -> anyhow::Result<(Ordered, u64)> {
        let filter = Filter { kind: None, room: None, key: None, since: Some(since) };
        self.read(filter.from(DeliverPolicy::All), &filter).await
    }

    /// Whole messages, from now on.
    pub(crate) async fn bodies_from_now(&self) -> anyhow::Result<Ordered> {
        let (messages, _) = self.messages(DeliverPolicy::New, None, false).await?;
        Ok(messages)
    }

    /// Messages from `from` on, for as long as they are read, and how many of them there are now.
    pub(super) async fn read(&self, from: DeliverPolicy, filter: &Filter) -> anyhow::Result<(Ordered, u64)> {
        self.messages(from, filter.kind.as_deref(), !filter.needs_body()).await
    }

    async fn messages(
        &self,
        from: DeliverPolicy,
        kind: Option<&str>,
        headers_only: bool,
    ) -> anyhow::Result<(Ordered, u64)> {
        let config = OrderedConfig {
            filter_subject: match kind {
                Some(kind) => subject::of_type(&self.prefix, self.number, kind),
                None => subject::events_of_shard(&self.prefix, self.number),
            },
            deliver_policy: from,
            replay_policy: ReplayPolicy::Instant,
            headers_only,
            ..OrderedConfig::default()
        };
        let unreadable = || format!("cannot read the stream {}", events_stream(&self.prefix, self.number));
        let consumer = self.stream.create_consumer(config).await.with_context(unreadable)?;
        let waiting = consumer.cached_info().num_pending;
        Ok((consumer.messages().await.with_context(unreadable)?, waiting))
    }
}
