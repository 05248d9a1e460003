//! Consumers with nobody behind them: what the server does for many handlers, without what the handlers do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use async_nats::jetstream::consumer::{AckPolicy, pull};
use event::{Prefix, topology};
use futures_util::StreamExt as _;
use testkit::NatsServer;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::site::SHARDS;

/// Messages that one request asks for, how long it waits, and how often the server says that it still does, as the
/// runner has them.
const BATCH: usize = 500;
const EXPIRES: Duration = Duration::from_secs(30);
const HEARTBEAT: Duration = Duration::from_secs(5);

/// So many consumers of each shard, on a connection and a thread of their own.
pub(crate) struct Bare {
    had: Arc<AtomicU64>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Result<()>>,
}

impl Bare {
    /// Begins to throw away what they bring.
    pub(crate) async fn begin(nats: &NatsServer, count: usize) -> Result<Self> {
        let (url, had) = (nats.url(), Arc::new(AtomicU64::new(0)));
        let ((stop, stopped), (ready, began)) = (oneshot::channel(), oneshot::channel());
        let counted = had.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let _consuming = consume(&url, count, &counted).await?;
                let _ = ready.send(());
                let _ = stopped.await;
                Ok(())
            })
        });
        let bare = Self { had, stop, thread };
        if began.await.is_err() {
            bare.end()?;
            bail!("the bare consumers ended");
        }
        Ok(bare)
    }

    /// How many messages they had.
    pub(crate) fn had(&self) -> u64 {
        self.had.load(Ordering::Relaxed)
    }

    /// Ends them.
    pub(crate) fn end(self) -> Result<()> {
        let _ = self.stop.send(());
        let Ok(ended) = self.thread.join() else { bail!("the thread of the bare consumers panicked") };
        ended.context("cannot consume")
    }
}

async fn consume(url: &str, count: usize, had: &Arc<AtomicU64>) -> Result<JoinSet<()>> {
    let js = async_nats::jetstream::new(testkit::connect(url).await?);
    let mut consuming = JoinSet::new();
    for shard in 0..SHARDS {
        let stream = js.get_stream(topology::events_stream(&Prefix::default(), shard)).await?;
        for _ in 0..count {
            let config = pull::Config {
                ack_policy: AckPolicy::None,
                memory_storage: true,
                num_replicas: 1,
                ..pull::Config::default()
            };
            let consumer = stream.create_consumer(config).await.context("cannot make a consumer")?;
            let pulling = consumer.stream().max_messages_per_batch(BATCH).expires(EXPIRES).heartbeat(HEARTBEAT);
            let (mut messages, had) = (pulling.messages().await?, had.clone());
            consuming.spawn(async move {
                while let Some(Ok(_)) = messages.next().await {
                    had.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    }
    Ok(consuming)
}
