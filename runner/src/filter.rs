//! Which events a handler takes: `on` and `when`, and what of it the server can filter.

use event::{Prefix, subject};
use lanes::Verdict;
use service::config::Pattern;

use crate::when::{Says, When};

/// A handler's filters.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    on: Vec<Pattern>,
    when: Option<When>,
}

impl Filter {
    pub(crate) fn new(on: Vec<Pattern>, when: Option<When>) -> Self {
        Self { on, when }
    }

    /// What the handler says of an event with this type and body.
    pub(crate) fn verdict(&self, kind: &str, body: &[u8]) -> Verdict {
        if !self.on.iter().any(|pattern| pattern.matches(kind)) {
            return Verdict::NotSubscribed;
        }
        let Some(when) = &self.when else { return Verdict::Take };
        // The receiver let only JSON in; a body that is none can only be filtered.
        let Ok(body) = serde_json::from_slice(body) else { return Verdict::Filtered };
        match when.says(&body) {
            Says::Yes => Verdict::Take,
            Says::No(reason) => {
                if let Some(reason) = reason {
                    tracing::debug!(kind, reason, "`when` is false");
                }
                Verdict::Filtered
            }
        }
    }

    /// The subjects of the shard's consumer. NATS filters whole tokens only, so a pattern inside a token, and a type
    /// that is stored under `other`, take the whole shard and are filtered here.
    pub(crate) fn subjects(&self, prefix: &Prefix, shard: u16) -> Vec<String> {
        let mut subjects = Vec::new();
        for pattern in &self.on {
            match pattern {
                Pattern::Type(kind) if subject::token_of(kind) == kind => {
                    subjects.push(subject::of_type(prefix, shard, kind));
                }
                Pattern::DeadLetter => {}
                Pattern::All | Pattern::Glob(_) | Pattern::Type(_) => {
                    return vec![subject::events_of_shard(prefix, shard)];
                }
            }
        }
        subjects.sort_unstable();
        subjects.dedup();
        subjects
    }
}
