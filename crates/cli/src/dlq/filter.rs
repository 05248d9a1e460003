//! Which dead letters are meant.

use std::collections::BTreeSet;

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::letter::{Dead, Named, number};
use crate::control::Control;
use crate::events::since;

/// Letters asked for at a time.
const PAGE: u32 = 1_000;

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Filter {
    /// Only those of this handler
    #[arg(long)]
    pub(super) handler: Option<String>,
    /// Only events of this type
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Only those with this cause, such as permanent, `retries_exhausted`, trap or timeout
    #[arg(long)]
    cause: Option<String>,
    /// Only those that died since then: a time such as 2026-01-31T12:00:00Z, or how long ago, such as 10m
    #[arg(long, value_parser = since)]
    since: Option<Timestamp>,
    /// Only those that died until then
    #[arg(long, value_parser = since)]
    until: Option<Timestamp>,
    /// Only those with this error: what `dlq group` and `dlq list` show under `like`
    #[arg(long, value_name = "FINGERPRINT")]
    like: Option<String>,
}

impl Filter {
    /// Leaves out what dies from now on.
    pub(super) fn until_now(mut self) -> Self {
        self.until.get_or_insert_with(Timestamp::now);
        self
    }

    pub(super) fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// The newest letters that it takes, up to `limit`.
    pub(super) async fn letters(&self, control: &Control, limit: Option<u32>) -> anyhow::Result<Vec<Value>> {
        let most = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let (mut letters, mut seen) = (Vec::new(), BTreeSet::new());
        let mut until = self.until.map(milliseconds);
        while letters.len() < most {
            let wanted = limit.map_or(PAGE, |limit| limit.min(PAGE));
            let Dead { dead, more } = control.ask(&self.request(until, wanted)).await?;
            let full = more || dead.len() >= usize::try_from(wanted).unwrap_or(usize::MAX);
            until = dead.last().map(|letter| number(letter, "died_at_ms"));
            let before = letters.len();
            letters.extend(dead.into_iter().filter(|letter| seen.insert((Named::of(letter), number(letter, "n")))));
            // A page that brings nothing new: more letters of one millisecond than an answer holds.
            if !full || letters.len() == before {
                break;
            }
        }
        letters.truncate(most);
        Ok(letters)
    }

    fn request(&self, until_ms: Option<u64>, limit: u32) -> Value {
        json!({
            "command": "dlq_list", "handler": self.handler, "type": self.kind, "cause": self.cause,
            "since_ms": self.since.map(milliseconds), "until_ms": until_ms, "fingerprint": self.like, "limit": limit,
        })
    }
}

fn milliseconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_millisecond()).unwrap_or_default()
}
