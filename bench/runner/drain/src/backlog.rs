//! The backlog: recorded bodies as a receiver would have stored them.

use std::num::NonZeroU16;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use async_nats::jetstream::{self, stream};
use async_nats::{HeaderMap, HeaderName};
use bench_receiver::bodies::Bodies;
use bytes::Bytes;
use event::topology::{self, StreamSpec, StreamsConfig};
use event::{Envelope, Project, shard};
use futures_util::StreamExt as _;
use testkit::NatsServer;

use crate::contestant::Contestant;
use crate::site::SHARDS;

/// Messages that wait for their acknowledgement.
const IN_FLIGHT: usize = 1024;

/// Events, ready to be published.
pub(crate) struct Backlog {
    events: Vec<(Envelope, Bytes)>,
    streams: StreamsConfig,
}

impl Backlog {
    /// So many, as if many meetings took place at a time.
    pub(crate) fn make(count: usize) -> Result<Self> {
        Self::of(Bodies::recorded()?.copies(count))
    }

    /// So many, of exactly so many rooms.
    pub(crate) fn in_rooms(count: usize, rooms: usize) -> Result<Self> {
        Self::of(Bodies::recorded()?.in_rooms(count, rooms))
    }

    fn of(bodies: impl Iterator<Item = String>) -> Result<Self> {
        let received_at_ms = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
        let events = bodies.map(|body| {
            let facts = livekit::body::inspect(body.as_bytes()).context("a body is refused")?;
            let envelope = Envelope {
                id: facts.id,
                kind: facts.kind,
                project: Project::default(),
                key: facts.key,
                created_at: facts.created_at,
                received_at_ms,
                api_key: "benchkey".to_owned(),
                content_type: Some("application/webhook+json".to_owned()),
                user_agent: Some("Go-http-client/1.1".to_owned()),
                traceparent: None,
                spooled: false,
                body_sha256: None,
            };
            Ok((envelope, Bytes::from(body)))
        });
        let shards = NonZeroU16::new(SHARDS).context("no shards")?;
        Ok(Self {
            events: events.collect::<Result<_>>()?,
            streams: StreamsConfig { shards, ..StreamsConfig::default() },
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    /// Makes the streams where the contestant looks for them.
    pub(crate) async fn make_streams(&self, contestant: Contestant, nats: &NatsServer) -> Result<()> {
        let context = jetstream::new(nats.client().await?);
        if contestant.is_ours() {
            for spec in topology::events_streams(&self.streams) {
                context.create_stream(config(spec)).await.context("cannot make a stream")?;
            }
            let (name, subjects) = ("BENCH_OUT".to_owned(), vec!["out.>".to_owned()]);
            let out = stream::Config { name, subjects, ..stream::Config::default() };
            context.create_stream(out).await.context("cannot make a stream")?;
        } else {
            let (name, subjects) = ("BENCH_0".to_owned(), vec!["bench.ev.>".to_owned()]);
            let stream = stream::Config { name, subjects, ..stream::Config::default() };
            context.create_stream(stream).await.context("cannot make a stream")?;
        }
        Ok(())
    }

    /// Publishes all of them.
    pub(crate) async fn publish(&self, contestant: Contestant, nats: &NatsServer) -> Result<()> {
        let context = jetstream::new(nats.client().await?);
        let publishing = self.events.iter().map(|(envelope, body)| {
            let mut headers = HeaderMap::new();
            envelope.each_header(|name, value| headers.insert(HeaderName::from_static(name), value.into_owned()));
            let subject = if contestant.is_ours() {
                let shard = shard::shard_of(&envelope.project, &envelope.key, self.streams.shards);
                envelope.subject(&self.streams.prefix, shard)
            } else {
                format!("bench.ev.{}", event::subject::token_of(&envelope.kind))
            };
            let (context, body) = (&context, body.clone());
            async move { Ok::<_, anyhow::Error>(context.publish_with_headers(subject, headers, body).await?.await?) }
        });
        let mut acks = futures_util::stream::iter(publishing).buffer_unordered(IN_FLIGHT);
        while let Some(ack) = acks.next().await {
            let ack = ack.context("cannot publish the backlog")?;
            ensure!(!ack.duplicate, "an id came twice");
        }
        Ok(())
    }
}

fn config(spec: StreamSpec) -> stream::Config {
    stream::Config {
        name: spec.name,
        subjects: spec.subjects,
        max_bytes: spec.max_bytes,
        max_age: spec.max_age,
        duplicate_window: spec.duplicate_window.max(Duration::from_millis(100)),
        num_replicas: spec.replicas,
        discard: if spec.discard_new { stream::DiscardPolicy::New } else { stream::DiscardPolicy::Old },
        storage: stream::StorageType::File,
        metadata: spec.metadata.into_iter().collect(),
        ..stream::Config::default()
    }
}

#[test]
fn no_two_events_have_an_id_and_rooms_spread_over_all_shards() {
    let backlog = Backlog::make(500).unwrap();
    let ids: std::collections::HashSet<_> = backlog.events.iter().map(|(envelope, _)| &envelope.id).collect();
    let shards: std::collections::HashSet<u16> = backlog
        .events
        .iter()
        .map(|(envelope, _)| shard::shard_of(&envelope.project, &envelope.key, backlog.streams.shards))
        .collect();
    assert_eq!((backlog.len(), ids.len(), shards.len()), (500, 500, usize::from(SHARDS)));
}
