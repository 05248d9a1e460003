//! Webhooks in great number: the rooms side by side, those of one room one after the other, as LiveKit sends them.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use livekit::generate::{self, Names};
use testkit::http::Http;
use testkit::webhook::deliver;
use testkit::{wait_for, wait_until};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::LONG;

/// One event to post.
#[derive(Clone, Debug)]
pub(crate) struct Webhook {
    /// Its id.
    pub(crate) id: String,
    /// Its room, which is its ordering key.
    pub(crate) room: String,
    /// What is posted.
    pub(crate) body: String,
}

impl Webhook {
    /// An event of a type with a fresh id.
    pub(crate) fn new(kind: &str, room: &str) -> Result<Self> {
        let body = generate::event(kind, &Names::new(room, "somebody"));
        let facts = livekit::body::inspect(body.as_bytes()).context("not an event")?;
        Ok(Self { id: facts.id.to_string(), room: room.to_owned(), body })
    }
}

/// So many events of one room, of several types.
pub(crate) fn webhooks(room: &str, count: usize) -> Result<Vec<Webhook>> {
    let kinds = ["participant_joined", "track_published", "track_unpublished", "participant_left"];
    kinds.iter().cycle().take(count).map(|kind| Webhook::new(kind, room)).collect()
}

/// Posts, signed with the keys of `testkit::webhook`.
#[derive(Clone, Debug)]
pub(crate) struct Poster {
    http: Http,
    url: String,
}

impl Poster {
    pub(crate) fn new(url: &str) -> Self {
        Self { http: Http::new(), url: url.to_owned() }
    }

    /// Posts once and returns the status.
    pub(crate) async fn post(&self, webhook: &Webhook) -> Result<u16> {
        Ok(deliver(&self.http, &self.url, &webhook.body).await?.status)
    }

    /// Posts until it is accepted: again where there is no answer, 429 or 5xx.
    pub(crate) async fn deliver(&self, webhook: &Webhook) -> Result<()> {
        let status = wait_for(LONG, "a webhook to be accepted", || async {
            self.post(webhook).await.ok().filter(|status| *status != 429 && *status < 500)
        })
        .await?;
        anyhow::ensure!(status == 200, "{} of {} was answered {status}", webhook.id, webhook.room);
        Ok(())
    }

    /// Posts one after the other, each until it is accepted.
    pub(crate) async fn deliver_all(&self, webhooks: &[Webhook]) -> Result<()> {
        for webhook in webhooks {
            self.deliver(webhook).await?;
        }
        Ok(())
    }
}

/// Rooms that are being posted. Only as many events go out as were let out: so a test has work under way when it kills.
pub(crate) struct Load {
    gate: Arc<Semaphore>,
    accepted: Arc<Mutex<Vec<String>>>,
    rooms: JoinSet<Result<()>>,
}

impl Load {
    /// Each list is one room's, in order.
    pub(crate) fn start(poster: &Poster, rooms: Vec<Vec<Webhook>>) -> Self {
        let (gate, accepted) = (Arc::new(Semaphore::new(0)), Arc::new(Mutex::new(Vec::new())));
        let mut tasks = JoinSet::new();
        for room in rooms {
            let (poster, gate, accepted) = (poster.clone(), gate.clone(), accepted.clone());
            tasks.spawn(async move {
                for webhook in room {
                    gate.acquire().await.context("the load ended")?.forget();
                    poster.deliver(&webhook).await?;
                    accepted.lock().unwrap_or_else(PoisonError::into_inner).push(webhook.id);
                }
                Ok(())
            });
        }
        Self { gate, accepted, rooms: tasks }
    }

    /// Lets so many more events out.
    pub(crate) fn let_out(&self, count: usize) {
        self.gate.add_permits(count);
    }

    /// The ids that were answered 200 so far.
    pub(crate) fn accepted(&self) -> Vec<String> {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until so many were answered 200.
    pub(crate) async fn wait_accepted(&self, count: usize) -> Result<()> {
        wait_until(LONG, &format!("{count} accepted events"), || async { self.accepted().len() >= count }).await
    }

    /// Waits until every event was let out and accepted, and returns their ids.
    pub(crate) async fn finish(mut self) -> Result<Vec<String>> {
        while let Some(room) = self.rooms.join_next().await {
            room.context("a room's task ended badly")??;
        }
        Ok(self.accepted())
    }
}
