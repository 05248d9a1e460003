//! `roomwire events list`.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::{Context, bail};
use async_nats::jetstream::consumer::DeliverPolicy;
use futures_util::StreamExt;

use super::filter::Filter;
use super::row::{self, HEADINGS, Row};
use super::shards::Shard;
use crate::output::{self, Format, Table};

/// The longest wait for the next message of a stream that has more.
const NEXT_WITHIN: Duration = Duration::from_secs(10);

pub(super) async fn run(format: Format, shards: &[Shard], filter: &Filter, limit: usize) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for shard in shards {
        rows.extend(newest(shard, filter, limit).await?);
    }
    rows.sort_by_key(|row| (row.received_at_ms, row.shard, row.seq));
    let rows = rows.split_off(rows.len().saturating_sub(limit));
    if format == Format::Json {
        return Ok(rows.iter().try_for_each(output::json)?);
    }
    if rows.is_empty() {
        return Ok(output::line("no events")?);
    }
    let mut table = Table::new(HEADINGS);
    for row in &rows {
        table.row(row.cells());
    }
    Ok(table.write()?)
}

/// The newest events of a shard that the filter takes.
async fn newest(shard: &Shard, filter: &Filter, limit: usize) -> anyhow::Result<VecDeque<Row>> {
    let mut rows = VecDeque::new();
    let last = shard.last_sequence();
    if limit == 0 || last == 0 || last < shard.first_sequence() {
        return Ok(rows);
    }
    let from = if filter.takes_all() {
        let wanted = u64::try_from(limit).unwrap_or(u64::MAX);
        DeliverPolicy::ByStartSequence { start_sequence: last.saturating_sub(wanted).saturating_add(1).max(1) }
    } else {
        filter.from(DeliverPolicy::All)
    };
    let (mut messages, mut waiting) = shard.read(from, filter).await?;
    while waiting > 0 {
        let message = match tokio::time::timeout(NEXT_WITHIN, messages.next()).await {
            Err(_) => bail!("shard {} gives no message although it has {waiting} more; try again", shard.number),
            Ok(None) => break,
            Ok(Some(message)) => message.context("cannot read the stream")?,
        };
        waiting -= 1;
        if let Some(row) = row::of(&message, shard.number).filter(|row| filter.takes(row)) {
            if rows.len() == limit {
                rows.pop_front();
            }
            rows.push_back(row);
        }
    }
    Ok(rows)
}
