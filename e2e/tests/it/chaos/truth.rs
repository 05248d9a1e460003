//! Reads every source of truth: the event streams, the messages of handlers, the feed of dead letters, the state store.

use std::collections::HashMap;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use testkit::each_stored;

use super::facts::{Book, Facts, Failed, Handled, Settled, State, Stored};
use super::site::Site;
use crate::rig::OUT;

/// Puts what is stored, settled and published into `facts`, which have handlers already.
pub(super) async fn read(site: &Site, facts: &mut Facts) -> Result<()> {
    let url = site.nats.url();
    let mut stored = Vec::new();
    each_stored(&url, "RW_EVENTS_", true, |message| {
        let shard = message.stream.rsplit('_').next().and_then(|shard| shard.parse().ok()).unwrap_or(u16::MAX);
        stored.push(Stored { shard, seq: message.sequence, id: message.header(event::header::CE_ID).to_owned() });
    })
    .await?;
    facts.stored = stored;
    let mut by_name: HashMap<String, &mut Handled> =
        facts.handlers.iter_mut().map(|handled| (handled.name.clone(), handled)).collect();
    each_stored(&url, OUT, true, |message| {
        let name = message.subject.trim_start_matches("out.");
        if let Some(handled) = by_name.get_mut(name) {
            handled.published.push(message.header("event-id").to_owned());
        }
    })
    .await?;
    each_stored(&url, "RW_DEAD", true, |message| {
        if let Some(handled) = by_name.get_mut(message.header(store::RW_HANDLER)) {
            handled.feed.push(message.header(event::header::CE_ID).to_owned());
        }
    })
    .await?;
    for row in site.books().await? {
        let (handled, progress) = (by_name.get_mut(&row.handler).context("books of a stranger")?, &row.progress);
        let books = progress.books;
        handled.books.push(Book {
            shard: row.shard,
            epoch: row.epoch,
            floor: progress.floor,
            unaccounted: row.unaccounted(),
            done: books.done,
            skipped: books.skipped,
            filtered: books.filtered,
            duplicate: books.duplicate,
            parked: books.parked,
            dead: books.dead,
        });
    }
    rows(site, "ledger", &mut by_name, |handled, row| {
        let state = match number(row, "state") {
            1 => State::Done,
            2 => State::Skipped,
            3 => State::Filtered,
            4 => State::Parked,
            _ => State::Dead,
        };
        let shard = u16::try_from(number(row, "shard")).unwrap_or(u16::MAX);
        handled.ledger.push(Settled { id: text(row, "event_id"), shard, seq: number(row, "seq"), state, cause: None });
    })
    .await?;
    let mut causes: HashMap<(String, String), String> = HashMap::new();
    rows(site, "dead", &mut by_name, |handled, row| {
        handled.letters.push(text(row, "event_id"));
        causes.insert((handled.name.clone(), text(row, "event_id")), text(row, "cause"));
    })
    .await?;
    rows(site, "attempts", &mut by_name, |handled, row| {
        let (started_at, attempt) = (number(row, "started_at"), number(row, "attempt"));
        handled.failed.push(Failed { id: text(row, "event_id"), started_at, attempt });
    })
    .await?;
    rows(site, "outbox", &mut by_name, |handled, _| handled.unsent += 1).await?;
    rows(site, "keyvalue", &mut by_name, |handled, row| {
        if let Some(counters) = &mut handled.counters {
            // The ordering key stands behind the name of its project.
            let space = text(row, "space");
            let room = space.split_once('/').map_or(space.as_str(), |(_, key)| key).to_owned();
            counters.insert(room, text(row, "value").parse().unwrap_or(u64::MAX));
        }
    })
    .await?;
    for handled in by_name.into_values() {
        for row in handled.ledger.iter_mut().filter(|row| row.state == State::Dead) {
            row.cause = causes.remove(&(handled.name.clone(), row.id.clone()));
        }
    }
    Ok(())
}

/// The rows of a table, without what is large in them.
async fn rows(
    site: &Site,
    table: &str,
    by_name: &mut HashMap<String, &mut Handled>,
    mut take: impl FnMut(&mut Handled, &Value) + Send,
) -> Result<()> {
    let columns = match table {
        "ledger" => "t.event_id, t.shard, t.seq, t.state",
        "dead" => "t.event_id, t.cause",
        "attempts" => "t.event_id, t.started_at, t.attempt",
        "outbox" => "t.id",
        "keyvalue" => "t.space, convert_from(t.value, 'UTF8') as value",
        _ => bail!("no table {table}"),
    };
    let query = format!("select h.name, {columns} from {table} as t join handlers as h on h.id = t.handler_id");
    site.postgres
        .each_row(&site.database, &query, |row| {
            if let Some(handled) = by_name.get_mut(row["name"].as_str().unwrap_or_default()) {
                take(handled, &row);
            }
        })
        .await
        .with_context(|| format!("cannot read {table}"))
}

fn text(row: &Value, column: &str) -> String {
    row[column].as_str().unwrap_or_default().to_owned()
}

fn number(row: &Value, column: &str) -> u64 {
    row[column].as_u64().unwrap_or_default()
}
