//! An event as it goes to JetStream or into the spool.

use async_nats::{HeaderMap, HeaderName};
use bytes::Bytes;
use event::topology::{self, StreamsConfig};
use event::{Envelope, shard};

/// An event as it goes to JetStream or into the spool.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) envelope: Envelope,
    /// The raw signed body.
    pub(crate) body: Bytes,
    /// The shard that the ordering key belongs to.
    pub(crate) shard: u16,
}

impl Outgoing {
    pub(crate) fn new(envelope: Envelope, body: Bytes, streams: &StreamsConfig) -> Outgoing {
        let shard = shard::shard_of(&envelope.project, &envelope.key, streams.shards);
        Outgoing { envelope, body, shard }
    }

    /// The stream of its shard.
    pub(crate) fn stream(&self, streams: &StreamsConfig) -> String {
        topology::events_stream(&streams.prefix, self.shard)
    }

    /// Its subject in the shard.
    pub(crate) fn subject(&self, streams: &StreamsConfig) -> String {
        self.envelope.subject(&streams.prefix, self.shard)
    }

    /// Its headers.
    pub(crate) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        self.envelope.each_header(|name, value| headers.insert(HeaderName::from_static(name), value.into_owned()));
        headers
    }
}
