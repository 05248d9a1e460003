//! What became of each refused request, and the sum.

use std::collections::BTreeMap;
use std::io;

use serde_json::json;

use crate::output::{self, Format};

/// What became of a refused request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is an event now, and not in the quarantine any more.
    Recovered {
        /// The stream.
        stream: String,
        /// Its sequence there.
        seq: u64,
    },
    /// It would become one, were this no dry run.
    Recoverable,
    /// The event was in the streams already; the request is not in the quarantine any more.
    Stored,
    /// It is still refused, and kept.
    Refused {
        /// For metrics.
        reason: &'static str,
        /// For people.
        words: String,
    },
    /// Its body was cut, so it can never be verified; it is kept.
    Incomplete,
    /// Something newer pushed it out meanwhile, or somebody else removed it.
    Gone,
}

/// Every word that a sum has.
const WORDS: [&str; 6] = ["recovered", "recoverable", "already_stored", "refused", "incomplete", "gone"];

impl Fate {
    fn word(&self) -> &'static str {
        match self {
            Self::Recovered { .. } => "recovered",
            Self::Recoverable => "recoverable",
            Self::Stored => "already_stored",
            Self::Refused { .. } => "refused",
            Self::Incomplete => "incomplete",
            Self::Gone => "gone",
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Recovered { stream, seq } => format!("recovered: stored in {stream} at {seq}"),
            Self::Recoverable => "good: would be stored".to_owned(),
            Self::Stored => "was stored already".to_owned(),
            Self::Refused { words, .. } => format!("still refused: {words}"),
            Self::Incomplete => "cannot be verified: only the beginning of its body was kept".to_owned(),
            Self::Gone => "is gone from the quarantine".to_owned(),
        }
    }
}

/// Tells of each one, and counts.
#[derive(Debug)]
pub(super) struct Report {
    format: Format,
    dry_run: bool,
    counts: BTreeMap<&'static str, u64>,
}

impl Report {
    pub(super) fn new(format: Format, dry_run: bool) -> Self {
        Self { format, dry_run, counts: BTreeMap::new() }
    }

    pub(super) fn one(&mut self, name: &str, id: Option<&str>, kind: Option<&str>, fate: &Fate) -> io::Result<()> {
        *self.counts.entry(fate.word()).or_default() += 1;
        if self.format == Format::Text {
            let (id, kind) = (id.unwrap_or("-"), kind.unwrap_or("-"));
            return output::line(&output::plain(&format!("{name}  {id}  {kind}  {}", fate.text())));
        }
        let mut line = json!({"ref": name, "id": id, "type": kind, "result": fate.word()});
        if let Some(fields) = line.as_object_mut() {
            match fate {
                Fate::Recovered { stream, seq } => {
                    fields.insert("stream".to_owned(), json!(stream));
                    fields.insert("seq".to_owned(), json!(seq));
                }
                Fate::Refused { reason, words } => {
                    fields.insert("reason".to_owned(), json!(reason));
                    fields.insert("words".to_owned(), json!(words));
                }
                _ => {}
            }
        }
        output::json(&line)
    }

    pub(super) fn sum(&self) -> io::Result<()> {
        let count = |word: &str| self.counts.get(word).copied().unwrap_or_default();
        if self.format == Format::Json {
            let sum: BTreeMap<&str, u64> = WORDS.into_iter().map(|word| (word, count(word))).collect();
            return output::json(&json!({"sum": sum, "dry_run": self.dry_run}));
        }
        let parts: Vec<String> = WORDS
            .into_iter()
            .filter(|word| count(word) > 0)
            .map(|word| format!("{} {}", count(word), word.replace('_', " ")))
            .collect();
        let dry = if self.dry_run { " (nothing was changed)" } else { "" };
        output::line(&if parts.is_empty() {
            "the quarantine is empty".to_owned()
        } else {
            format!("{}{dry}", parts.join(", "))
        })
    }
}
