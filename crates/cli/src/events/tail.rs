//! `roomwire events tail`.

use std::time::Duration;

use async_nats::jetstream::consumer::DeliverPolicy;
use futures_util::StreamExt;
use futures_util::stream::select_all;
use service::shutdown::Shutdown;

use super::filter::Filter;
use super::row;
use super::shards::Shard;
use crate::output::{self, Format};

/// The pause after an error, so that a server that is away is not asked without end.
const PAUSE: Duration = Duration::from_secs(1);

/// Shows events as they are stored. The order is that of arrival here: shards are streams of their own.
pub(super) async fn run(format: Format, shards: &[Shard], filter: &Filter) -> anyhow::Result<()> {
    let mut streams = Vec::with_capacity(shards.len());
    for shard in shards {
        let (messages, _) = shard.read(filter.from(DeliverPolicy::New), filter).await?;
        let number = shard.number;
        streams.push(messages.map(move |message| (number, message)));
    }
    let mut messages = select_all(streams);
    let shutdown = Shutdown::on_signals()?;
    loop {
        let next = tokio::select! {
            () = shutdown.draining() => return Ok(()),
            next = messages.next() => next,
        };
        match next {
            None => return Ok(()),
            Some((shard, Err(error))) => {
                tracing::warn!(shard, %error, "reading is interrupted and goes on");
                tokio::time::sleep(PAUSE).await;
            }
            Some((shard, Ok(message))) => {
                let Some(row) = row::of(&message, shard).filter(|row| filter.takes(row)) else { continue };
                match format {
                    Format::Json => output::json(&row)?,
                    Format::Text => output::line(&output::plain(&row.cells().join("  ")))?,
                }
            }
        }
    }
}
