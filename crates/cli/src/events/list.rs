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
    let mut streams = Vec::new();
    for shard in shards {
        streams.push(newest(shard, filter, limit).await?);
    }
    let mut rows = merged(streams, |row| row.received_at_ms);
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

/// Streams as one list, by time as far as their own order allows. That order is the one in which handlers get the events
/// of a room, so it stands: of two requests that come at once, or when the clock is put back, the one that is stored first
/// may say the later time. What follows such an event in its stream is put after it.
fn merged<T>(streams: Vec<VecDeque<T>>, at: impl Fn(&T) -> u64) -> Vec<T> {
    let mut all = Vec::new();
    for stream in streams {
        let mut latest = 0;
        for item in stream {
            latest = at(&item).max(latest);
            all.push((latest, item));
        }
    }
    // It is stable: what has the same time stays in the order of its stream.
    all.sort_by_key(|(latest, _)| *latest);
    all.into_iter().map(|(_, item)| item).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_by_time_and_no_event_stands_before_one_that_is_before_it_in_its_stream() {
        type Stream = &'static [(u64, &'static str)];
        let cases: [(&[Stream], &[&str]); 6] = [
            (&[], &[]),
            (&[&[(1, "a"), (5, "b")], &[(2, "c"), (9, "d")]], &["a", "c", "b", "d"]),
            (&[&[(7, "a"), (7, "b")], &[(7, "c")]], &["a", "b", "c"]),
            // `b` was received first, and `a` was stored first.
            (&[&[(5, "a"), (4, "b"), (6, "c")]], &["a", "b", "c"]),
            (&[&[(5, "a"), (4, "b"), (8, "c")], &[(4, "d"), (6, "e")]], &["d", "a", "b", "e", "c"]),
            // An outage ends: what waited in the spool is stored after what came later.
            (&[&[(50, "a"), (10, "b"), (11, "c")], &[(20, "d"), (51, "e")]], &["d", "a", "b", "c", "e"]),
        ];
        for (streams, expected) in cases {
            let queues = streams.iter().map(|stream| stream.iter().copied().collect()).collect();
            let names: Vec<&str> = merged(queues, |(at, _)| *at).into_iter().map(|(_, name)| name).collect();
            assert_eq!(names, expected, "{streams:?}");
        }
    }
}
