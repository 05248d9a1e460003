//! What operators ask a running runner, over NATS request-reply: only the runner reads and writes its state store.
//!
//! Requests are JSON on `<prefix>.ctl.runner`; each answer has `"ok": true`, or `"ok": false` and an `error` in words.

mod fingerprint;
mod handlers;
mod letters;
mod waiting;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use serde::Deserialize;
use serde_json::{Value, json};
use service::error::Chain;
use tokio_util::sync::CancellationToken;

use self::letters::{Decision, Filter, Named};
use self::waiting::Fate;
use crate::board::Board;
use crate::fleet::Handlers;
use crate::live::Live;
use crate::shared::Shared;

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
    DlqList(Filter),
    DlqShow {
        handler: Option<String>,
        id: String,
    },
    /// On one event's letters, of one handler or of all, or on many that are named.
    DlqDecide {
        decision: Decision,
        handler: Option<String>,
        id: Option<String>,
        #[serde(default)]
        letters: Vec<Named>,
    },
    OutboxList {
        handler: Option<String>,
        limit: u32,
    },
    OutboxDecide {
        fate: Fate,
        id: i64,
    },
    HandlerList,
    HandlerPause {
        name: String,
    },
    HandlerResume {
        name: String,
    },
    HandlerDrop {
        name: String,
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
    #[error("no dead letter with id `{0}`; it may have been redriven or skipped already")]
    NotDead(String),
    #[error("no handler is named `{0}`; `handler list` names them")]
    UnknownHandler(String),
    #[error("handler `{0}` is configured; take it out of the configuration first, on every runner")]
    Configured(String),
    #[error("nothing is stored of a handler `{0}`")]
    NothingStored(String),
    #[error("nothing waits in the outbox under {0}; it may have been sent; `outbox list` shows what waits")]
    NotWaiting(i64),
    #[error("{0} letters are too many for one request; a request may name 500")]
    TooMany(usize),
    #[error("failed to write to the state store")]
    Write(#[source] store::Error),
}

/// Answers requests.
pub(crate) struct Control {
    pub(crate) shared: Arc<Shared>,
    pub(crate) live: Live,
    pub(crate) handlers: Handlers,
    pub(crate) board: Board,
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
                let set = self.live.now();
                let names: Vec<_> = set.configs().map(|handler| handler.name.as_str()).collect();
                Ok(json!({"ok": true, "handlers": names}))
            }
            Request::EventsStatus { ids } => self.status(&ids).await,
            Request::DlqList(filter) => self.listed(filter).await,
            Request::DlqShow { handler, id } => self.show(handler, &id).await,
            Request::DlqDecide { decision, handler, id: Some(id), .. } => self.decide_on(decision, handler, &id).await,
            Request::DlqDecide { decision, letters, .. } => self.decide(decision, &letters).await,
            Request::OutboxList { handler, limit } => self.outbox_list(handler.as_deref(), limit).await,
            Request::OutboxDecide { fate, id } => self.outbox_decide(fate, id).await,
            Request::HandlerList => self.handler_list().await,
            Request::HandlerPause { name } => self.pause(&name).await,
            Request::HandlerResume { name } => self.resume(&name).await,
            Request::HandlerDrop { name } => self.forget(&name).await,
        }
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
}
