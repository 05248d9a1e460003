//! Empties a spool whose receiver is gone.

use std::path::Path;
use std::sync::Arc;

use async_nats::jetstream;
use event::topology::{StreamsConfig, events_streams};
use futures_util::future::BoxFuture;
use prometheus_client::registry::Registry;
use service::nats::{Connection, StreamError, ensure_streams};
use tokio::sync::watch;

use super::drain::Drain;
use super::{OpenError, Spool};
use crate::metrics::{ReceiverMetrics, SpoolMetrics};
use crate::publish::Publisher;

/// Why a spool is not empty.
#[derive(Debug, thiserror::Error)]
pub enum DrainError {
    /// It cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The streams are not those of the configuration.
    #[error("the event streams cannot be used")]
    Streams(#[source] StreamError),
    /// The connection is gone.
    #[error("the connection to NATS was closed")]
    Client(#[from] async_nats::SubscribeError),
    /// Something did not take an event. What was sent is gone from the spool, the rest is in it.
    #[error("{left} events stay in the spool: {why}")]
    Stays {
        /// How many.
        left: u64,
        /// What the first of them met.
        why: String,
    },
}

/// Sends everything in the spool at `path` to JetStream under the same ids; returns how many events that were.
/// `progress` hears how many are sent and how many there are.
///
/// # Errors
/// When there is no spool, a receiver still has it, or JetStream does not take an event.
pub fn drain_orphan<'a>(
    path: &'a Path,
    connection: Connection,
    streams: StreamsConfig,
    progress: impl Fn(u64, u64) + Send + Sync + 'a,
) -> BoxFuture<'a, Result<u64, DrainError>> {
    Box::pin(drain(path, connection, streams, Box::new(progress)))
}

async fn drain(
    path: &Path,
    connection: Connection,
    streams: StreamsConfig,
    progress: Box<dyn Fn(u64, u64) + Send + Sync + '_>,
) -> Result<u64, DrainError> {
    if !path.is_file() {
        return Err(OpenError::Absent { path: path.to_owned() }.into());
    }
    let context = jetstream::new(connection.client.clone());
    ensure_streams(&context, &events_streams(&streams)).await.map_err(DrainError::Streams)?;
    // Counted and shown to nobody.
    let (metrics, counts) = (ReceiverMetrics::register(&mut Registry::default()), SpoolMetrics::default());
    let (spool, reader) = Spool::open(path, u64::MAX, counts.clone()).await?;
    let total = spool.depth().rows;
    let (_ready, ready) = watch::channel(true);
    let streams = Arc::new(streams);
    let publisher = Publisher::new(connection, streams.clone(), 1, (ready, Arc::default()), Arc::new(metrics)).await?;
    let mut drain = Drain::new(spool.clone(), reader, publisher, streams, counts);
    let emptied = drain.empty(|sent| progress(sent, total)).await;
    spool.close().await;
    emptied.map_err(|why| DrainError::Stays { left: spool.depth().rows, why })
}
