//! What operators ask a running runner, over NATS request-reply: only the runner reads and writes its state store.
//!
//! Requests are JSON on `<prefix>.ctl.runner`; each answer has `"ok": true`, or `"ok": false` and an `error` in words.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use lanes::Input;
use serde::Deserialize;
use serde_json::{Value, json};
use service::error::Chain;
use store::{DeadFilter, DeadSummary};
use tokio_util::sync::CancellationToken;

use crate::config::Handler;
use crate::fleet::Handlers;
use crate::handler::Message;
use crate::shared::Shared;

/// How long a redrive may take to be committed before the answer is given without it.
const REDRIVEN_WITHIN: Duration = Duration::from_secs(10);

/// How often the store is asked meanwhile.
const REDRIVE_LOOK: Duration = Duration::from_millis(20);

/// Dead letters that one request may redrive or list.
const MAX_LETTERS: u32 = 10_000;

/// The subject on which a runner answers.
#[must_use]
pub fn subject(prefix: &event::Prefix) -> String {
    format!("{prefix}.ctl.runner")
}

#[derive(Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
enum Request {
    Ping,
    EventsStatus {
        ids: Vec<String>,
    },
    DlqList {
        handler: Option<String>,
        limit: Option<u32>,
    },
    DlqShow {
        handler: Option<String>,
        id: String,
    },
    DlqRedrive {
        handler: Option<String>,
        id: Option<String>,
        #[serde(default)]
        all: bool,
    },
}

#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("the request is not understood: {0}")]
    Malformed(String),
    #[error("failed to read the state store")]
    Store(#[source] store::Error),
    #[error("no handler `{0}` on this runner; `dlq list` names the handlers that have dead letters")]
    NoHandler(String),
    #[error("no dead letter with id `{0}`; it may have been redriven already")]
    NotDead(String),
    #[error("give an event id, or a handler and `all`")]
    NothingNamed,
}

/// Answers requests.
pub(crate) struct Control {
    pub(crate) shared: Arc<Shared>,
    pub(crate) configs: Arc<[Arc<Handler>]>,
    pub(crate) handlers: Handlers,
}

impl Control {
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let subject = subject(&self.shared.prefix);
        let mut requests = loop {
            match self.shared.connection.client.subscribe(subject.clone()).await {
                Ok(requests) => break requests,
                Err(error) => tracing::warn!(subject, %error, "failed to listen for requests; trying again"),
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        };
        let this = Arc::new(self);
        loop {
            let message = tokio::select! {
                message = requests.next() => message,
                () = shutdown.cancelled() => return,
            };
            let Some(message) = message else { return };
            let Some(reply) = message.reply else { continue };
            let answer = this
                .answer(&message.payload)
                .await
                .unwrap_or_else(|error| json!({"ok": false, "error": Chain(&error).to_string()}));
            if let Err(error) = this.shared.connection.client.publish(reply, answer.to_string().into()).await {
                tracing::warn!(%error, "failed to answer a request");
            }
        }
    }

    async fn answer(&self, request: &[u8]) -> Result<Value, Refused> {
        match serde_json::from_slice(request).map_err(|error| Refused::Malformed(error.to_string()))? {
            Request::Ping => {
                let names: Vec<_> = self.configs.iter().map(|handler| handler.name.as_str()).collect();
                Ok(json!({"ok": true, "handlers": names}))
            }
            Request::EventsStatus { ids } => self.status(&ids).await,
            Request::DlqList { handler, limit } => {
                let dead = self.list(handler, limit.unwrap_or(100)).await?;
                Ok(json!({"ok": true, "dead": dead.iter().map(summary).collect::<Vec<_>>()}))
            }
            Request::DlqShow { handler, id } => self.show(handler, &id).await,
            Request::DlqRedrive { handler, id, all } => self.redrive(handler, id, all).await,
        }
    }

    async fn list(&self, handler: Option<String>, limit: u32) -> Result<Vec<DeadSummary>, Refused> {
        let filter = DeadFilter { handler, limit: Some(limit.min(MAX_LETTERS)), ..DeadFilter::default() };
        self.shared.store.dead_list(&filter).await.map_err(Refused::Store)
    }

    /// What became of events, by handler.
    async fn status(&self, ids: &[String]) -> Result<Value, Refused> {
        let rows = self.shared.store.outcomes(ids).await.map_err(Refused::Store)?;
        let mut events: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
        for row in &rows {
            events.entry(&row.event_id).or_default().insert(&row.handler, row.state);
        }
        Ok(json!({"ok": true, "events": events}))
    }

    async fn handlers_with(&self, handler: Option<String>, id: &str) -> Result<Vec<String>, Refused> {
        if let Some(handler) = handler {
            return Ok(vec![handler]);
        }
        let mut names: Vec<String> = self
            .list(None, MAX_LETTERS)
            .await?
            .into_iter()
            .filter(|letter| &*letter.event_id == id)
            .map(|letter| letter.handler.clone())
            .collect();
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    async fn show(&self, handler: Option<String>, id: &str) -> Result<Value, Refused> {
        let mut letters = Vec::new();
        for handler in self.handlers_with(handler, id).await? {
            if let Some(letter) = self.shared.store.dead_get(&handler, id).await.map_err(Refused::Store)? {
                let mut value = summary(&letter.summary);
                if let Some(object) = value.as_object_mut() {
                    object.insert("project".to_owned(), json!(letter.summary.project));
                    object.insert("received_at_ms".to_owned(), json!(letter.received_at_ms));
                    object.insert("digest".to_owned(), json!(letter.digest));
                    object.insert("headers".to_owned(), letter.headers.clone());
                    object.insert("body".to_owned(), json!(String::from_utf8_lossy(&letter.body)));
                    object.insert("history".to_owned(), letter.history.iter().map(attempt).collect());
                }
                letters.push(value);
            }
        }
        if letters.is_empty() { Err(Refused::NotDead(id.to_owned())) } else { Ok(json!({"ok": true, "dead": letters})) }
    }

    async fn redrive(&self, handler: Option<String>, id: Option<String>, all: bool) -> Result<Value, Refused> {
        let wanted: Vec<(String, String)> = match (handler, id, all) {
            (handler, Some(id), false) => {
                let handlers = self.handlers_with(handler, &id).await?;
                if handlers.is_empty() {
                    return Err(Refused::NotDead(id));
                }
                handlers.into_iter().map(|handler| (handler, id.clone())).collect()
            }
            (Some(handler), None, true) => {
                let mut letters = self.list(Some(handler), MAX_LETTERS).await?;
                letters.sort_by_key(|letter| (letter.shard, letter.seq));
                letters.into_iter().map(|letter| (letter.handler.clone(), letter.event_id.clone())).collect()
            }
            _ => return Err(Refused::NothingNamed),
        };
        let mut deaths = Vec::with_capacity(wanted.len());
        for (handler, id) in &wanted {
            deaths.push(self.send_back(handler, id).await?);
        }
        let mut redriven = Vec::new();
        for ((handler, id), death) in wanted.iter().zip(deaths) {
            if self.is_back(handler, id, death).await? {
                redriven.push(json!({"handler": handler, "id": id}));
            }
        }
        Ok(json!({"ok": true, "redriven": redriven}))
    }

    /// Asks the handler to take a letter back, and returns which death of the event it is.
    async fn send_back(&self, handler: &str, id: &str) -> Result<u32, Refused> {
        let sender = self.handlers.sender(handler).ok_or_else(|| Refused::NoHandler(handler.to_owned()))?;
        let letter = self.shared.store.dead_event(handler, id).await.map_err(Refused::Store)?;
        let letter = letter.ok_or_else(|| Refused::NotDead(id.to_owned()))?;
        let input = Input::Redrive {
            shard: letter.shard,
            key: letter.key,
            seq: letter.seq,
            identity: letter.identity,
            bytes: letter.event.occupies(),
            made: letter.made,
            event: letter.event,
        };
        sender.send(Message::Input(input)).await.map_err(|_| Refused::NoHandler(handler.to_owned()))?;
        Ok(letter.n)
    }

    /// Waits until this death is no longer the last word in the store. The event may have died again at once.
    async fn is_back(&self, handler: &str, id: &str, death: u32) -> Result<bool, Refused> {
        let back = async {
            let last = || self.shared.store.dead_event(handler, id);
            while last().await.map_err(Refused::Store)?.is_some_and(|letter| letter.n == death) {
                tokio::time::sleep(REDRIVE_LOOK).await;
            }
            Ok(())
        };
        match tokio::time::timeout(REDRIVEN_WITHIN, back).await {
            Ok(result) => result.map(|()| true),
            Err(_) => Ok(false),
        }
    }
}

fn summary(letter: &DeadSummary) -> Value {
    json!({
        "handler": letter.handler, "id": letter.event_id, "kind": letter.kind, "key": letter.key,
        "shard": letter.shard, "seq": letter.seq, "cause": letter.cause, "error": letter.message,
        "attempts": letter.attempts, "first_at_ms": letter.first_at, "died_at_ms": letter.died_at, "held": letter.held,
    })
}

fn attempt(row: &store::AttemptRow) -> Value {
    json!({
        "attempt": row.attempt, "started_at_ms": row.started_at, "duration_us": row.duration_us,
        "outcome": row.outcome, "error": row.error, "backtrace": row.backtrace, "stderr": row.stderr,
        "logs": row.logs, "digest": row.digest, "peak_memory": row.peak_memory,
    })
}
