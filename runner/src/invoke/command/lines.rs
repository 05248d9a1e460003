//! What a command writes to stdout: one JSON object a line, an effect or how it ended.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::bindings::roomwire::plugin::effects::{Message, Request};

/// Bytes of a line that an error quotes.
const QUOTED: usize = 200;

/// One line.
#[derive(Debug)]
pub(super) enum Line {
    Effect(Effect),
    End(End),
}

/// What leaves once the event is committed.
#[derive(Debug)]
pub(super) enum Effect {
    Publish(Message),
    Send(Request),
    Kv { bucket: String, key: String, change: Change },
}

/// What becomes of a key.
#[derive(Debug)]
pub(super) enum Change {
    Set(Vec<u8>),
    Add(i64),
    Delete,
}

/// How the program says that it ended. The last one counts.
#[derive(Clone, Debug)]
pub(super) enum End {
    Skip(String),
    Retry {
        after_ms: Option<u32>,
        reason: Option<String>,
    },
    Permanent(String),
    /// Of a check: the config is wrong.
    Refuse(String),
}

impl End {
    pub(super) fn reason(&self) -> Option<&str> {
        match self {
            Self::Skip(why) | Self::Permanent(why) | Self::Refuse(why) => Some(why),
            Self::Retry { reason, .. } => reason.as_deref(),
        }
    }
}

/// A line as it is written.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Written {
    Publish(Publish),
    Send(Send),
    Kv(Kv),
    Skip(String),
    Retry(Retry),
    Permanent(String),
    Refuse(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Publish {
    subject: String,
    /// A text is the message; what else it is, the message is its JSON.
    data: Option<Box<RawValue>>,
    data_base64: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Send {
    method: String,
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<Box<RawValue>>,
    body_base64: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kv {
    bucket: String,
    key: String,
    set: Option<Box<RawValue>>,
    set_base64: Option<String>,
    add: Option<i64>,
    #[serde(default)]
    delete: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Retry {
    after_ms: Option<u32>,
    reason: Option<String>,
}

/// The lines of a program's stdout; empty ones are passed over.
///
/// # Errors
/// The first line that is none, quoted, and what is wrong with it.
pub(super) fn read(stdout: &[u8]) -> Result<Vec<Line>, String> {
    let lines = stdout.split(|byte| *byte == b'\n').enumerate();
    let written = lines.filter(|(_, line)| !line.iter().all(u8::is_ascii_whitespace));
    written
        .map(|(at, text)| line(text).map_err(|why| format!("line {} of stdout {why}: {}", at + 1, quoted(text))))
        .collect()
}

/// Why the program refuses its config, if it does. Whatever else it wrote may come from one that knows of no check.
pub(super) fn refusal(stdout: &[u8]) -> Option<String> {
    stdout.split(|byte| *byte == b'\n').find_map(|text| match line(text) {
        Ok(Line::End(End::Refuse(why))) => Some(why),
        _ => None,
    })
}

fn line(text: &[u8]) -> Result<Line, String> {
    let written = serde_json::from_slice(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => format!("is no effect and no end ({error})"),
        _ => format!("is not JSON ({error})"),
    })?;
    Ok(match written {
        Written::Publish(it) => Line::Effect(Effect::Publish(Message {
            subject: it.subject,
            data: content(it.data, it.data_base64)?,
            headers: it.headers.into_iter().collect(),
        })),
        Written::Send(it) => Line::Effect(Effect::Send(Request {
            method: it.method,
            url: it.url,
            headers: it.headers.into_iter().collect(),
            body: content(it.body, it.body_base64)?,
        })),
        Written::Kv(it) => Line::Effect(change(it)?),
        Written::Skip(why) => Line::End(End::Skip(why)),
        Written::Retry(it) => Line::End(End::Retry { after_ms: it.after_ms, reason: it.reason }),
        Written::Permanent(why) => Line::End(End::Permanent(why)),
        Written::Refuse(why) => Line::End(End::Refuse(why)),
    })
}

fn change(written: Kv) -> Result<Effect, String> {
    let Kv { bucket, key, set, set_base64, add, delete } = written;
    let change = match (set.is_some() || set_base64.is_some(), add, delete) {
        (true, None, false) => Change::Set(content(set, set_base64)?),
        (false, Some(delta), false) => Change::Add(delta),
        (false, None, true) => Change::Delete,
        _ => return Err("needs one of `set`, `add` and `delete: true`".to_owned()),
    };
    Ok(Effect::Kv { bucket, key, change })
}

fn content(json: Option<Box<RawValue>>, base64: Option<String>) -> Result<Vec<u8>, String> {
    match (json, base64) {
        (Some(_), Some(_)) => Err("has its content twice, as it is and in base64".to_owned()),
        (None, Some(text)) => STANDARD.decode(text).map_err(|error| format!("has content that is no base64 ({error})")),
        (None, None) => Ok(Vec::new()),
        (Some(json), None) => Ok(match serde_json::from_str::<String>(json.get()) {
            Ok(text) => text.into_bytes(),
            Err(_) => json.get().as_bytes().to_vec(),
        }),
    }
}

fn quoted(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line.get(..QUOTED).unwrap_or(line));
    let more = if line.len() > QUOTED { "…" } else { "" };
    format!("`{}{more}`", text.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Line {
        let mut lines = read(text.as_bytes()).unwrap();
        assert_eq!(lines.len(), 1, "{text}");
        lines.remove(0)
    }

    #[test]
    fn a_message_is_text_or_json_or_bytes() {
        let published = |fields: &str| match one(&format!(r#"{{"publish":{{"subject":"a.b"{fields}}}}}"#)) {
            Line::Effect(Effect::Publish(message)) => (String::from_utf8(message.data).unwrap(), message.headers),
            line => panic!("{line:?}"),
        };
        let header = vec![("k".to_owned(), "v".to_owned())];
        assert_eq!(published(""), (String::new(), vec![]));
        assert_eq!(published(r#","data":"h\u00e9 \"x\"","headers":{"k":"v"}"#), ("hé \"x\"".to_owned(), header));
        assert_eq!(published(r#","data":{"n": 1}"#).0, r#"{"n": 1}"#);
        assert_eq!(published(r#","data_base64":"aMOp""#).0, "hé");
    }

    #[test]
    fn a_line_that_is_none_is_quoted_with_its_number() {
        let refused = |text: &str| read(text.as_bytes()).unwrap_err();
        let hello = refused("\n{\"skip\":\"x\"}\nhello\tworld\n");
        assert!(hello.starts_with("line 3 of stdout is not JSON (") && hello.ends_with("`hello\\tworld`"), "{hello}");
        for wrong in [
            r#"{"pubish":{}}"#,
            r#"{"skip":1}"#,
            r#"{"publish":{"subject":"a","date":1}}"#,
            r#"{"skip":"a","retry":{}}"#,
        ] {
            assert!(refused(wrong).contains("line 1 of stdout is n"), "{}", refused(wrong));
        }
        assert!(refused(r#"{"publish":{"subject":"a","data":"b","data_base64":"Yg=="}}"#).contains("twice"));
        assert!(refused(r#"{"publish":{"subject":"a","data_base64":"%"}}"#).contains("no base64"));
        let long = refused(&"x".repeat(5_000));
        assert!(long.len() < 2 * QUOTED && long.ends_with("…`"), "{long}");
    }

    #[test]
    fn a_key_is_set_added_to_or_deleted() {
        let changed = |fields: &str| match one(&format!(r#"{{"kv":{{"bucket":"b","key":"k",{fields}}}}}"#)) {
            Line::Effect(Effect::Kv { change, .. }) => format!("{change:?}"),
            line => panic!("{line:?}"),
        };
        assert_eq!(changed(r#""set":"x""#), "Set([120])");
        assert_eq!(changed(r#""set":1"#), "Set([49])");
        assert_eq!(changed(r#""set_base64":"eA==""#), "Set([120])");
        assert_eq!(changed(r#""add":-2"#), "Add(-2)");
        assert_eq!(changed(r#""delete":true"#), "Delete");
        for wrong in [r#"{"kv":{"bucket":"b","key":"k"}}"#, r#"{"kv":{"bucket":"b","key":"k","add":1,"delete":true}}"#]
        {
            assert!(read(wrong.as_bytes()).unwrap_err().contains("needs one of"), "{wrong}");
        }
    }

    #[test]
    fn ends_have_their_reasons() {
        let reason = |text: &str| match one(text) {
            Line::End(end) => end.reason().map(str::to_owned),
            line @ Line::Effect(_) => panic!("{line:?}"),
        };
        assert_eq!(reason(r#"{"skip":"not mine"}"#).as_deref(), Some("not mine"));
        assert_eq!(reason(r#"{"permanent":"no"}"#).as_deref(), Some("no"));
        assert_eq!(reason(r#"{"retry":{"after_ms":5}}"#), None);
        assert_eq!(reason(r#"{"retry":{"reason":"busy"}}"#).as_deref(), Some("busy"));
    }

    #[test]
    fn only_the_line_that_says_so_refuses_a_config() {
        assert_eq!(refusal(b"hello\n{\"permanent\":\"x\"}\n"), None);
        assert_eq!(refusal(b"hello\n{\"refuse\":\"set `plan`\"}\n").as_deref(), Some("set `plan`"));
    }
}
