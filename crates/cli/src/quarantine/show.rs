//! `roomwire quarantine show`.

use anyhow::bail;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use livekit::token;
use serde_json::{Value, json};

use super::entry::{Entry, Reference, kept};
use super::streams::ClassStream;
use crate::output::{self, Format};

pub(super) async fn run(
    format: Format,
    streams: &[ClassStream],
    reference: Reference,
    raw: bool,
) -> anyhow::Result<()> {
    let mut found = Vec::new();
    for stream in streams.iter().filter(|stream| reference.class.is_none_or(|class| class == stream.class)) {
        found.extend(stream.get(reference.seq).await?);
    }
    match found.as_slice() {
        [] => bail!("there is no refused request {reference}; `roomwire quarantine list` shows those that are there"),
        [entry] => Ok(write(format, entry, raw)?),
        several => {
            let names: Vec<String> = several.iter().map(Entry::name).collect();
            bail!("several classes have a request {reference}; say which: {}", names.join(", "))
        }
    }
}

fn write(format: Format, entry: &Entry, raw: bool) -> std::io::Result<()> {
    let shown = token_of(entry, raw);
    match format {
        Format::Json => output::json(&json_of(entry, &shown)),
        Format::Text => text_of(entry, &shown),
    }
}

/// The token taken apart; without its signature, unless it is asked for as it came.
fn token_of(entry: &Entry, raw: bool) -> Value {
    let Some(authorization) = &entry.record.token else { return Value::Null };
    if raw {
        return Value::String(authorization.clone());
    }
    match token::read(authorization) {
        Some(token) => json!({"header": token.header, "claims": token.claims}),
        None => json!({"unreadable": format!("{} bytes that are no token; --raw shows them", authorization.len())}),
    }
}

fn json_of(entry: &Entry, token: &Value) -> Value {
    let mut whole = entry.to_json();
    let body = match std::str::from_utf8(&entry.body) {
        Ok(text) => ("text", text.to_owned()),
        Err(_) => ("base64", STANDARD.encode(&entry.body)),
    };
    if let Some(fields) = whole.as_object_mut() {
        fields.insert("token".to_owned(), token.clone());
        fields.insert("body".to_owned(), json!({"kept": kept(entry.record.kept), body.0: body.1}));
    }
    whole
}

fn text_of(entry: &Entry, token: &Value) -> std::io::Result<()> {
    let record = &entry.record;
    let claimed = &record.claimed;
    let received = output::time(record.received_at_ms);
    let name = entry.name();
    let lines = [
        ("request", Some(&name)),
        ("received", Some(&received)),
        ("refused", Some(&record.words)),
        ("reason", Some(&record.reason)),
        ("from", Some(&record.peer)),
        ("path", Some(&record.path)),
        ("type", record.content_type.as_ref()),
        ("agent", record.user_agent.as_ref()),
    ];
    let claims = [
        ("API key", claimed.api_key.as_ref()),
        ("event", claimed.id.as_ref()),
        ("type", claimed.kind.as_ref()),
        ("key", claimed.key.as_ref()),
    ];
    fields(&lines)?;
    output::line("")?;
    output::line("it says of itself, unproved:")?;
    fields(&claims)?;
    output::line("")?;
    output::line("token:")?;
    let token = token.as_str().map_or_else(|| serde_json::to_string_pretty(token), |raw| Ok(raw.to_owned()))?;
    block(&token)?;
    output::line("")?;
    output::line(match kept(record.kept) {
        "whole" => "body:",
        "without_fields" => "body, without the fields that privacy.drop names:",
        _ => "the beginning of the body:",
    })?;
    block(&String::from_utf8_lossy(&entry.body))
}

fn fields(lines: &[(&str, Option<&String>)]) -> std::io::Result<()> {
    lines
        .iter()
        .filter_map(|(heading, value)| Some((heading, (*value)?)))
        .try_for_each(|(heading, value)| output::line(&format!("{heading:9} {}", output::plain(value))))
}

fn block(text: &str) -> std::io::Result<()> {
    text.lines().try_for_each(|line| output::line(&format!("  {}", output::plain(line))))
}
