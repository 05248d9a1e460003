//! `handler list|pause|resume`: how handlers stand, and an operator's word on whether they may go on.

use std::time::Duration;

use lanes::{BreakerState, Input};
use serde_json::{Value, json};
use store::{Dropped, LIVE, Stop};
use tokio::sync::oneshot;

use super::{Control, Refused};
use crate::handler::{Message, Stand};
use crate::invoke::unix_ms;

/// A handler's task answers between two of its inputs.
const STAND_WITHIN: Duration = Duration::from_secs(2);

impl Control {
    /// Kept first: a pause outlives the process, also where the handler's plugin is missing now.
    pub(super) async fn pause(&self, name: &str) -> Result<Value, Refused> {
        self.known(name)?;
        let since = unix_ms();
        self.shared.store.stop(name, LIVE, Stop::Pause(since)).await.map_err(Refused::Write)?;
        self.tell(name, Input::Pause { since }).await;
        tracing::warn!(handler = name, "an operator paused the handler");
        Ok(json!({"ok": true}))
    }

    pub(super) async fn resume(&self, name: &str) -> Result<Value, Refused> {
        self.known(name)?;
        self.shared.store.stop(name, LIVE, Stop::Resume(unix_ms())).await.map_err(Refused::Write)?;
        self.tell(name, Input::Resume).await;
        tracing::info!(handler = name, "an operator lets the handler go on");
        Ok(json!({"ok": true}))
    }

    /// All that is stored of a handler that is configured no more.
    pub(super) async fn forget(&self, name: &str) -> Result<Value, Refused> {
        if self.known(name).is_ok() {
            return Err(Refused::Configured(name.to_owned()));
        }
        match self.shared.store.drop_handler(name).await.map_err(Refused::Write)? {
            Dropped::Done => {}
            Dropped::Unknown => return Err(Refused::NothingStored(name.to_owned())),
            Dropped::Owned => return Err(Refused::Configured(name.to_owned())),
        }
        tracing::warn!(handler = name, "an operator had all forgotten that was stored of the handler");
        Ok(json!({"ok": true}))
    }

    pub(super) async fn handler_list(&self) -> Result<Value, Refused> {
        let counts = self.shared.store.counts().await.map_err(Refused::Store)?;
        let mut handlers = Vec::new();
        for config in self.live.now().configs() {
            let name = config.name.as_str();
            let count = counts.iter().find(|count| count.handler == name && count.run == LIVE);
            let mut line = match self.stand(name).await {
                Some(stand) => standing(&stand),
                None => json!({"state": "not running"}),
            };
            if let Some(object) = line.as_object_mut() {
                object.insert("handler".to_owned(), json!(name));
                object.insert("plugin".to_owned(), json!(self.board.of(name)));
                object.insert("parked".to_owned(), json!(count.map_or(0, |count| count.parked)));
                object.insert("dead".to_owned(), json!(count.map_or(0, |count| count.dead)));
            }
            handlers.push(line);
        }
        // What is kept of handlers that are configured no more.
        let set = self.live.now();
        for count in counts.iter().filter(|count| count.run == LIVE && set.get(&count.handler).is_none()) {
            handlers.push(json!({
                "handler": count.handler, "state": "removed", "parked": count.parked, "dead": count.dead,
            }));
        }
        Ok(json!({"ok": true, "handlers": handlers}))
    }

    fn known(&self, name: &str) -> Result<(), Refused> {
        if self.live.now().configs().any(|config| config.name.as_str() == name) {
            return Ok(());
        }
        Err(Refused::UnknownHandler(name.to_owned()))
    }

    /// A handler without a plugin has no task; it learns of it from the store when it begins.
    async fn tell(&self, name: &str, input: crate::handler::MachineInput) {
        if let Some(sender) = self.handlers.sender(name) {
            let _ = sender.send(Message::Input(input)).await;
        }
    }

    async fn stand(&self, name: &str) -> Option<Stand> {
        let sender = self.handlers.sender(name)?;
        let (reply, answer) = oneshot::channel();
        sender.send(Message::Stand(reply)).await.ok()?;
        tokio::time::timeout(STAND_WITHIN, answer).await.ok()?.ok()
    }
}

fn standing(stand: &Stand) -> Value {
    let Stand { gate, gauges, shards } = stand;
    let breaker = match gate.breaker {
        BreakerState::Closed => "closed",
        BreakerState::Open => "open",
        BreakerState::Probing => "probing",
    };
    let state = match (gate.paused_since, gate.breaker) {
        (Some(_), _) => "paused",
        (None, BreakerState::Closed) => "running",
        (None, BreakerState::Open | BreakerState::Probing) => "stopped by its breaker",
    };
    json!({
        "state": state, "paused_since_ms": gate.paused_since, "breaker": breaker, "open_since_ms": gate.open_since,
        "failing_rooms": gate.failing_keys, "shards": shards, "waiting": gauges.events, "waiting_bytes": gauges.bytes,
        "running": gauges.running, "parked_rooms": gauges.parked_lanes, "held_rooms": gauges.held_lanes,
    })
}
