//! `roomwire quarantine list`.

use std::cmp::Reverse;
use std::collections::VecDeque;

use super::entry::Entry;
use super::filter::Filter;
use super::streams::ClassStream;
use crate::output::{self, Format, Table};

pub(super) async fn run(format: Format, streams: &[ClassStream], filter: &Filter, limit: usize) -> anyhow::Result<()> {
    let mut entries = Vec::new();
    for stream in streams.iter().filter(|stream| filter.takes_class(stream.class)) {
        entries.extend(newest(stream, filter, limit).await?);
    }
    entries.sort_by_key(|entry| Reverse((entry.record.received_at_ms, entry.seq)));
    entries.truncate(limit);
    if format == Format::Json {
        return Ok(entries.iter().try_for_each(|entry| output::json(&entry.to_json()))?);
    }
    if entries.is_empty() {
        return Ok(output::line("no refused requests")?);
    }
    let mut table = Table::new(["received", "seq", "reason", "key", "id", "type", "from", "why"]);
    for entry in entries {
        let claimed = entry.record.claimed.clone();
        table.row([
            output::time(entry.record.received_at_ms),
            entry.name(),
            entry.record.reason,
            claimed.api_key.unwrap_or_default(),
            claimed.id.unwrap_or_default(),
            claimed.kind.unwrap_or_default(),
            entry.record.peer,
            entry.record.words,
        ]);
    }
    Ok(table.write()?)
}

/// The newest of a class that the filter takes.
async fn newest(stream: &ClassStream, filter: &Filter, limit: usize) -> anyhow::Result<VecDeque<Entry>> {
    let mut entries = VecDeque::new();
    if limit == 0 || stream.messages() == 0 {
        return Ok(entries);
    }
    let from = filter.from(stream.last_sequence(), limit);
    stream
        .each(from, true, |entry| {
            if filter.takes(&entry) {
                if entries.len() == limit {
                    entries.pop_front();
                }
                entries.push_back(entry);
            }
        })
        .await?;
    Ok(entries)
}
