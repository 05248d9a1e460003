//! Several runners on one PostgreSQL: they share the shards, and take over from each other.

mod config;
mod deploys;
mod handover;
mod keys;
mod requests;
mod spread;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use async_nats::jetstream::{self, stream};
use serde_json::{Value, json};
use store::{BooksRow, Store};
use testkit::{NatsServer, NatsSettings, PostgresServer, wait_until};

use crate::rig::{
    LONG, Load, OUT, Rig, Service, Webhook, event_id, events_stored, handler, ids, ids_by_room, published, repeats,
    webhooks,
};

/// Shards of the streams.
const SHARDS: usize = 4;

/// A receiver, its NATS, and a database for runners that are started one by one.
struct Fleet {
    rig: Rig,
    nats: NatsServer,
    database: String,
    receiver: Service,
}

impl Fleet {
    async fn start(handlers: &[Value]) -> Result<Self> {
        let database = PostgresServer::shared().await?.database().await?;
        let rig = Rig::new(json!({
            "state": { "url": database }, "streams": { "shards": SHARDS, "max_bytes": "64MiB" }, "handlers": handlers,
        }))?;
        // Nobody pulls the plug here, so the server need not wait for the disk.
        let settings = NatsSettings { sync_interval: "2m".to_owned(), ..NatsSettings::default() };
        let nats = NatsServer::start_with(settings).await?;
        let config = stream::Config {
            name: OUT.to_owned(),
            subjects: vec!["out.>".to_owned()],
            // A runner that was paused may send once more what it was about to: that is for the stream to know.
            duplicate_window: Duration::from_mins(10),
            ..stream::Config::default()
        };
        jetstream::new(nats.client().await?).create_stream(config).await?;
        let receiver = rig.receiver(&nats.url(), "127.0.0.1:0").await?;
        Ok(Self { rig, nats, database, receiver })
    }

    async fn runner(&self) -> Result<Service> {
        self.rig.runner(&self.nats.url()).await
    }

    fn load(&self, rooms: &[Vec<Webhook>]) -> Load {
        Load::start(&self.receiver.poster(), rooms.to_vec())
    }

    async fn books(&self) -> Result<Vec<BooksRow>> {
        let store = Store::open(&self.database, &event::Prefix::default()).await?;
        let books = store.books().await?;
        store.close().await;
        Ok(books)
    }

    /// Waits until every event was handled; then each was once, the rooms are in order, and the books say the same.
    async fn all_is_well(&self, rooms: &[Vec<Webhook>]) -> Result<()> {
        let events: usize = rooms.iter().map(Vec::len).sum();
        let stored = events_stored(&self.nats.url()).await?;
        ensure!(ids_by_room(&stored, rooms) == ids(rooms), "events of a room are stored in another order");
        let out = published(&self.nats.url(), events).await?;
        ensure!(repeats(&out).is_empty(), "published twice: {:?}", repeats(&out));
        ensure!(out.iter().map(event_id).count() == events, "published what was never posted");
        for (handled, accepted) in ids_by_room(&out, rooms).iter().zip(&ids(rooms)) {
            ensure!(handled == accepted, "a room was handled in the order {handled:?}, and not {accepted:?}: {out:#?}");
        }
        wait_until(LONG, "books that add up", || async {
            let Ok(books) = Box::pin(self.books()).await else { return false };
            let done: u64 = books.iter().map(|row| row.progress.books.done).sum();
            done == events as u64 && books.iter().all(|row| row.unaccounted() == 0)
        })
        .await
    }

    /// Waits until each of these handlers, and nobody else, has so many events in its books, and all add up.
    async fn wait_books(&self, events: u64, handlers: &[&str]) -> Result<()> {
        wait_until(LONG, "the books of each handler to add up", || async {
            let Ok(books) = Box::pin(self.books()).await else { return false };
            let mut done: BTreeMap<&str, u64> = BTreeMap::new();
            for row in &books {
                *done.entry(&row.handler).or_default() += row.progress.books.done;
            }
            done == handlers.iter().map(|handler| (*handler, events)).collect()
                && books.iter().all(|row| row.unaccounted() == 0)
        })
        .await
    }
}

/// A handler that takes a while for each event, so that some are in flight whenever something happens.
fn busy(name: &str) -> Result<Value> {
    let config = json!({ "publish_to": format!("out.{name}"), "default": "sleep:20" });
    handler(name, "behave", config, json!({}))
}

/// So many rooms with so many events each.
fn rooms(rooms: usize, events: usize) -> Result<Vec<Vec<Webhook>>> {
    (0..rooms).map(|room| webhooks(&format!("room-{room}"), events)).collect()
}

/// How many shards the runner owns, handler by handler.
async fn shards(runner: &Service) -> Vec<usize> {
    let counts = runner.metric("roomwire_runner_shards").await.unwrap_or_default();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
    counts.into_iter().map(|(_, value)| value as usize).collect()
}

/// Waits until each runner owns so many shards in all, evenly over its handlers.
async fn wait_spread(runners: &[(&Service, usize)], handlers: usize) -> Result<()> {
    let what = format!("shards to be spread {:?}", runners.iter().map(|(_, sum)| *sum).collect::<Vec<_>>());
    wait_until(LONG, &what, || async {
        for (runner, sum) in runners {
            let shards = shards(runner).await;
            let even = shards.iter().all(|count| (sum / handlers..=sum.div_ceil(handlers)).contains(count));
            if shards.len() != handlers || shards.iter().sum::<usize>() != *sum || !even {
                return false;
            }
        }
        true
    })
    .await
}
