//! How what became of an event is shown, and written into fixtures.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use runner::workbench::{Changed, Published, Run, Sent, Trial};
use serde_json::{Map, Value, json};

use crate::output::plain;

/// A number of bytes for people.
pub(super) fn size(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let bytes = bytes as f64;
    if bytes >= 1e6 { format!("{:.1} MB", bytes / 1e6) } else { format!("{:.0} KB", (bytes / 1e3).max(1.0)) }
}

/// What a run can be held against: nothing in it differs between two runs of a handler that does the same.
pub(super) fn essence(run: &Run) -> Map<String, Value> {
    let mut essence = Map::new();
    essence.insert("outcome".to_owned(), run.outcome.clone().into());
    if let Some(error) = &run.error {
        essence.insert("error".to_owned(), error.clone().into());
    }
    if let Some(after_ms) = run.after_ms {
        essence.insert("after_ms".to_owned(), after_ms.into());
    }
    if !run.published.is_empty() {
        essence.insert("publish".to_owned(), run.published.iter().map(message).collect());
    }
    if !run.sent.is_empty() {
        essence.insert("send".to_owned(), run.sent.iter().map(request).collect());
    }
    if !run.keys.is_empty() {
        essence.insert("keys".to_owned(), keys(&run.keys));
    }
    if !run.logs.is_empty() {
        let lines = run.logs.iter().map(|line| format!("{} {}: {}", line.level, line.context, line.message));
        essence.insert("logs".to_owned(), lines.collect());
    }
    essence
}

/// By bucket and key the new values; null where a key was removed, and bytes that are no text as `{"base64": …}`.
fn keys(changed: &[Changed]) -> Value {
    let mut buckets = Map::new();
    for Changed { bucket, key, value } in changed {
        let value = value.as_deref().map_or(Value::Null, |bytes| match std::str::from_utf8(bytes) {
            Ok(text) => text.into(),
            Err(_) => json!({ "base64": STANDARD.encode(bytes) }),
        });
        let bucket = buckets.entry(bucket.clone()).or_insert_with(|| Map::new().into());
        if let Value::Object(bucket) = bucket {
            bucket.insert(key.clone(), value);
        }
    }
    Value::Object(buckets)
}

fn message(message: &Published) -> Value {
    let shown = Map::from_iter([("subject".to_owned(), message.subject.clone().into())]);
    content(shown, &message.headers, "data", &message.data)
}

fn request(request: &Sent) -> Value {
    let named = [("method", &request.method), ("url", &request.url)];
    let shown = named.into_iter().map(|(name, text)| (name.to_owned(), text.clone().into())).collect();
    content(shown, &request.headers, "body", &request.body)
}

/// With headers and content, in the words of the lines of a command.
fn content(mut shown: Map<String, Value>, headers: &[(String, String)], name: &str, bytes: &[u8]) -> Value {
    if !headers.is_empty() {
        let headers = headers.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
        shown.insert("headers".to_owned(), Value::Object(headers.collect()));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => shown.insert(name.to_owned(), text.into()),
        Err(_) => shown.insert(format!("{name}_base64"), STANDARD.encode(bytes).into()),
    };
    Value::Object(shown)
}

/// A run as one object.
pub(super) fn json(run: &Run, trial: &Trial) -> Value {
    let mut shown = essence(run);
    let more = json!({
        "event": { "id": trial.id(), "kind": trial.kind() },
        "stderr": run.stderr,
        "backtrace": run.backtrace,
        "duration_us": u64::try_from(run.duration.as_micros()).unwrap_or(u64::MAX),
        "peak_memory": run.peak_memory,
    });
    if let Value::Object(more) = more {
        shown.extend(more);
    }
    Value::Object(shown)
}

/// A run for people.
pub(super) fn text(run: &Run) -> String {
    let mut text = format!("{} in {:.2?}, {} of memory", run.outcome, run.duration, size(run.peak_memory));
    let reason = run.error.iter().map(|error| plain(error));
    let after = run.after_ms.iter().map(|ms| format!("again after {ms} ms"));
    for more in reason.chain(after) {
        let _ = write!(text, "\n  {more}");
    }
    for line in &run.logs {
        let _ = write!(text, "\nlog      {} {}: {}", line.level, plain(&line.context), plain(&line.message));
    }
    for message in &run.published {
        let _ = write!(text, "\npublish  {}", plain(&message.subject));
        for (name, value) in &message.headers {
            let _ = write!(text, "\n         {}: {}", plain(name), plain(value));
        }
        let _ = write!(text, "\n         {}", plain(&String::from_utf8_lossy(&message.data)));
    }
    for request in &run.sent {
        let _ = write!(text, "\nsend     {} {}", plain(&request.method), plain(&request.url));
        for (name, value) in &request.headers {
            let _ = write!(text, "\n         {}: {}", plain(name), plain(value));
        }
        let _ = write!(text, "\n         {}", plain(&String::from_utf8_lossy(&request.body)));
    }
    for Changed { bucket, key, value } in &run.keys {
        let value = value.as_deref().map_or("(removed)".into(), String::from_utf8_lossy);
        let _ = write!(text, "\nkey      {} {} = {}", plain(bucket), plain(key), plain(&value));
    }
    // Of a call that worked the lines on stderr are logged, or of no interest.
    if !run.is_settled() && run.outcome != "retry" && run.outcome != "permanent" {
        for line in [&run.stderr, &run.backtrace].into_iter().flatten().flat_map(|text| text.lines()) {
            let _ = write!(text, "\n  | {}", plain(line));
        }
    }
    text
}
