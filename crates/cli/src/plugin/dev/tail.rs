//! A copy of the events that are stored meanwhile. Nothing of it is acknowledged, and nobody else sees that it is read.

use std::future::pending;
use std::time::Duration;

use async_nats::jetstream::consumer::pull::Ordered;
use futures_util::StreamExt as _;
use futures_util::stream::{SelectAll, select_all};
use runner::workbench::Trial;

use crate::args::Globals;
use crate::events::shards;
use crate::target;

/// The pause after an error, so that a server that is away is not asked without end.
const PAUSE: Duration = Duration::from_secs(1);

/// Events from now on.
pub(super) struct Tail(SelectAll<Ordered>);

impl Tail {
    pub(super) async fn open(globals: &Globals, url: &str) -> anyhow::Result<Self> {
        let mut config = target::config(globals)?;
        config.nats.url = Some(url.to_owned());
        let connection = target::connection(globals, &config).await?;
        let context = async_nats::jetstream::new(connection.client);
        let mut streams = Vec::new();
        for shard in shards::open(&context, &config.nats.prefix).await? {
            streams.push(shard.bodies_from_now().await?);
        }
        Ok(Self(select_all(streams)))
    }
}

/// The next event; never, where there is none to come. What is no event is passed over.
pub(super) async fn next(tail: &mut Option<Tail>) -> Trial {
    if let Some(Tail(messages)) = tail {
        while let Some(message) = messages.next().await {
            match message {
                Ok(message) => match Trial::new(String::from_utf8_lossy(&message.payload)) {
                    Ok(trial) => return trial,
                    Err(error) => tracing::warn!(%error, "a message in the event streams is no event"),
                },
                Err(error) => {
                    tracing::warn!(%error, "reading is interrupted and goes on");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
    *tail = None;
    pending().await
}
