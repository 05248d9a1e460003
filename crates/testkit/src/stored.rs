//! Everything that a server's streams hold, read the plain way.

use std::time::Duration;

use anyhow::{Context, Result};
use async_nats::HeaderMap;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::{self, stream};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};

/// One message of a stream.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The stream's name.
    pub stream: String,
    /// Its sequence there.
    pub sequence: u64,
    /// The subject it was published to.
    pub subject: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Stored {
    /// The value of a header, or an empty text.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(async_nats::HeaderValue::as_str).unwrap_or_default()
    }
}

/// All messages of all streams whose names start with `prefix`, stream by stream, in order.
///
/// # Errors
/// When the server cannot be asked.
pub async fn stored(url: &str, prefix: &str) -> Result<Vec<Stored>> {
    let mut all = Vec::new();
    each_stored(url, prefix, false, |message| all.push(message)).await?;
    Ok(all)
}

/// As `stored`, one message after another, for streams that are larger than memory. With `headers_only` the bodies stay
/// where they are.
///
/// # Errors
/// When the server cannot be asked.
pub async fn each_stored(
    url: &str,
    prefix: &str,
    headers_only: bool,
    mut visit: impl FnMut(Stored) + Send,
) -> Result<()> {
    let context = jetstream::new(crate::connect(url).await?);
    let mut names: Vec<String> = context.stream_names().try_collect().await.context("cannot list the streams")?;
    names.retain(|name| name.starts_with(prefix));
    names.sort();
    for name in names {
        let stream = context.get_stream(&name).await.with_context(|| format!("cannot look up {name}"))?;
        read(&stream, &name, headers_only, &mut visit).await.with_context(|| format!("cannot read {name}"))?;
    }
    Ok(())
}

async fn read(
    stream: &stream::Stream,
    name: &str,
    headers_only: bool,
    visit: &mut (impl FnMut(Stored) + Send),
) -> Result<()> {
    let config = pull::Config {
        headers_only,
        ack_policy: AckPolicy::None,
        deliver_policy: DeliverPolicy::All,
        memory_storage: true,
        num_replicas: 1,
        inactive_threshold: Duration::from_mins(1),
        ..Default::default()
    };
    let mut consumer = stream.create_consumer(config).await.context("cannot make a consumer")?;
    let mut waiting = consumer.cached_info().num_pending;
    while waiting > 0 {
        let mut nothing = true;
        let mut batch = consumer.fetch().max_messages(500).messages().await.context("cannot fetch")?;
        while let Some(message) = batch.next().await {
            let message = message.map_err(|error| anyhow::anyhow!("cannot fetch: {error}"))?;
            let info = message.info().map_err(|error| anyhow::anyhow!("not a message of a stream: {error}"))?;
            (nothing, waiting) = (false, info.pending);
            let sequence = info.stream_sequence;
            let (message, _) = message.split();
            visit(Stored {
                stream: name.to_owned(),
                sequence,
                subject: message.subject.to_string(),
                headers: message.headers.unwrap_or_default(),
                body: message.payload,
            });
        }
        // What waited may have been removed meanwhile.
        if nothing {
            waiting = consumer.info().await.context("cannot ask for the consumer")?.num_pending;
        }
    }
    Ok(())
}
