//! `dlq`: dead letters listed, shown, and decided on: they run again, or they are given up.

use std::collections::BTreeSet;
use std::time::Duration;

use lanes::Input;
use serde::Deserialize;
use serde_json::{Value, json};
use store::{DeadEvent, DeadFilter, DeadSummary, LIVE};

use super::fingerprint::{fingerprint, shape};
use super::{Control, Refused};
use crate::handler::Message;

/// How long decisions may take to be committed before the answer is given without them.
const DECIDED_WITHIN: Duration = Duration::from_secs(10);

/// How often the store is asked meanwhile.
const LOOK: Duration = Duration::from_millis(20);

/// Dead letters that one request may list.
const MAX_LETTERS: u32 = 10_000;

/// Letters that one request may decide on.
const MAX_DECIDED: usize = 500;

/// Bytes of one answer's letters; a server takes a message of 1 MiB.
const ANSWER_BYTES: usize = 512 << 10;

/// Which dead letters are meant.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Filter {
    pub(super) handler: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    cause: Option<String>,
    since_ms: Option<u64>,
    until_ms: Option<u64>,
    fingerprint: Option<String>,
    limit: Option<u32>,
}

/// One event's dead letter of one handler.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Named {
    handler: String,
    id: String,
}

/// What becomes of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Decision {
    /// The event runs again, in its place.
    Redrive,
    /// It is settled as skipped, and its room goes on.
    Skip,
    /// As `Skip`, and its headers and body are erased.
    Drop,
}

impl Control {
    pub(super) async fn list(&self, filter: Filter) -> Result<Vec<DeadSummary>, Refused> {
        let wanted = filter.fingerprint;
        let limit = filter.limit.unwrap_or(100).min(MAX_LETTERS);
        let filter = DeadFilter {
            handler: filter.handler,
            kind: filter.kind,
            cause: filter.cause,
            since: filter.since_ms,
            until: filter.until_ms,
            // A fingerprint is not in the store.
            limit: Some(if wanted.is_some() { MAX_LETTERS } else { limit }),
            ..DeadFilter::default()
        };
        let mut letters = self.shared.store.dead_list(&filter).await.map_err(Refused::Store)?;
        if let Some(wanted) = wanted {
            letters.retain(|letter| of_letter(letter) == wanted);
            letters.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        }
        Ok(letters)
    }

    /// The newest ones that one answer holds; `more` says that there are others.
    pub(super) async fn listed(&self, filter: Filter) -> Result<Value, Refused> {
        let letters = self.list(filter).await?;
        let (mut bytes, mut dead) = (0, Vec::new());
        for letter in &letters {
            let line = summary(letter);
            bytes += line.to_string().len();
            if bytes > ANSWER_BYTES && !dead.is_empty() {
                break;
            }
            dead.push(line);
        }
        Ok(json!({"ok": true, "more": dead.len() < letters.len(), "dead": dead}))
    }

    async fn handlers_with(&self, handler: Option<String>, id: &str) -> Result<Vec<String>, Refused> {
        if let Some(handler) = handler {
            return Ok(vec![handler]);
        }
        // Letters of handlers that are not configured any more are kept, too.
        let counts = self.shared.store.counts().await.map_err(Refused::Store)?;
        let mut known: BTreeSet<String> = counts.into_iter().map(|count| count.handler).collect();
        known.extend(self.live.now().configs().map(|config| config.name.to_string()));
        let mut names = Vec::new();
        for name in known {
            if self.shared.store.dead_get(&name, id).await.map_err(Refused::Store)?.is_some() {
                names.push(name);
            }
        }
        Ok(names)
    }

    pub(super) async fn show(&self, handler: Option<String>, id: &str) -> Result<Value, Refused> {
        let mut letters = Vec::new();
        for handler in self.handlers_with(handler, id).await? {
            if let Some(letter) = self.shared.store.dead_get(&handler, id).await.map_err(Refused::Store)? {
                let mut value = summary(&letter.summary);
                if let Some(object) = value.as_object_mut() {
                    object.insert("project".to_owned(), json!(letter.summary.project));
                    object.insert("received_at_ms".to_owned(), json!(letter.received_at_ms));
                    object.insert("decided_at_ms".to_owned(), json!(letter.summary.redriven_at));
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

    /// One event's letters, of one handler or of all.
    pub(super) async fn decide_on(
        &self,
        decision: Decision,
        handler: Option<String>,
        id: &str,
    ) -> Result<Value, Refused> {
        if let Some(name) = handler.as_ref().filter(|name| self.handlers.sender(name).is_none()) {
            return Err(Refused::NoHandler(name.clone()));
        }
        let mut letters = Vec::new();
        for handler in self.handlers_with(handler, id).await? {
            if self.shared.store.dead_event(&handler, id).await.map_err(Refused::Store)?.is_some() {
                letters.push(Named { handler, id: id.to_owned() });
            }
        }
        if letters.is_empty() {
            return Err(Refused::NotDead(id.to_owned()));
        }
        self.decide(decision, &letters).await
    }

    /// Decides on letters. One that is not dead any more, or whose decision is not committed in time, is left out of
    /// the answer.
    pub(super) async fn decide(&self, decision: Decision, letters: &[Named]) -> Result<Value, Refused> {
        if letters.len() > MAX_DECIDED {
            return Err(Refused::TooMany(letters.len()));
        }
        let mut told = Vec::with_capacity(letters.len());
        for letter in letters {
            if let Some(death) = self.tell_decision(decision, letter).await? {
                told.push((letter, death));
            }
        }
        let deadline = tokio::time::Instant::now() + DECIDED_WITHIN;
        let mut decided = Vec::new();
        for (letter, death) in told {
            if self.is_decided(letter, death, deadline).await? {
                if decision == Decision::Drop {
                    self.shared.store.dead_erase(&letter.handler, LIVE, &letter.id).await.map_err(Refused::Write)?;
                }
                decided.push(json!({"handler": letter.handler, "id": letter.id}));
            }
        }
        Ok(json!({"ok": true, "decided": decided}))
    }

    /// Tells the handler; returns which death of the event it is about.
    async fn tell_decision(&self, decision: Decision, named: &Named) -> Result<Option<u32>, Refused> {
        let Named { handler, id } = named;
        let sender = self.handlers.sender(handler).ok_or_else(|| Refused::NoHandler(handler.clone()))?;
        let Some(letter) = self.shared.store.dead_event(handler, id).await.map_err(Refused::Store)? else {
            return Ok(None);
        };
        let DeadEvent { shard, key, seq, identity, made, n, event, .. } = letter;
        let bytes = event.occupies();
        let input = match decision {
            Decision::Redrive => Input::Redrive { shard, key, seq, identity, bytes, made, event },
            Decision::Skip | Decision::Drop => Input::Skip { shard, key, seq, identity, bytes, made, event },
        };
        sender.send(Message::Input(input)).await.map_err(|_| Refused::NoHandler(handler.clone()))?;
        Ok(Some(n))
    }

    /// Waits until this death is no longer the last word in the store. The event may have died again at once.
    async fn is_decided(&self, named: &Named, death: u32, deadline: tokio::time::Instant) -> Result<bool, Refused> {
        let decided = async {
            let last = || self.shared.store.dead_event(&named.handler, &named.id);
            while last().await.map_err(Refused::Store)?.is_some_and(|letter| letter.n == death) {
                tokio::time::sleep(LOOK).await;
            }
            Ok(())
        };
        match tokio::time::timeout_at(deadline, decided).await {
            Ok(result) => result.map(|()| true),
            Err(_) => Ok(false),
        }
    }
}

fn of_letter(letter: &DeadSummary) -> String {
    fingerprint(&letter.cause, letter.message.as_deref().unwrap_or_default())
}

fn summary(letter: &DeadSummary) -> Value {
    json!({
        "handler": letter.handler, "id": letter.event_id, "kind": letter.kind, "key": letter.key,
        "shard": letter.shard, "seq": letter.seq, "cause": letter.cause, "error": letter.message,
        "attempts": letter.attempts, "first_at_ms": letter.first_at, "died_at_ms": letter.died_at, "held": letter.held,
        "n": letter.n, "fingerprint": of_letter(letter), "shape": shape(letter.message.as_deref().unwrap_or_default()),
    })
}

fn attempt(row: &store::AttemptRow) -> Value {
    json!({
        "attempt": row.attempt, "started_at_ms": row.started_at, "duration_us": row.duration_us,
        "outcome": row.outcome, "error": row.error, "backtrace": row.backtrace, "stderr": row.stderr,
        "logs": row.logs, "digest": row.digest, "peak_memory": row.peak_memory,
    })
}
