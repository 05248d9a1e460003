//! A dead letter as the runner tells it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An answer with letters.
#[derive(Debug, Deserialize)]
pub(super) struct Dead {
    pub(super) dead: Vec<Value>,
    /// There are others that this answer has no room for.
    #[serde(default)]
    pub(super) more: bool,
}

/// What names a letter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
pub(super) struct Named {
    pub(super) handler: String,
    pub(super) id: String,
}

impl Named {
    pub(super) fn of(letter: &Value) -> Self {
        Self { handler: text(letter, "handler"), id: text(letter, "id") }
    }
}

pub(super) fn text(value: &Value, key: &str) -> String {
    match value.get(key) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

pub(super) fn number(value: &Value, key: &str) -> u64 {
    value.get(key).and_then(Value::as_u64).unwrap_or_default()
}
