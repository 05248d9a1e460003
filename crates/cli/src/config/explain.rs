//! `roomwire config explain`: who takes an event, and why.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use event::{Project, shard};
use runner::when::{Clause, Says, When};
use serde_json::{Value, json};
use service::config::{Config, HandlerConfig, Order};

use super::{checked, named};
use crate::args::Globals;
use crate::failure::Usage;
use crate::output::{self, Format};
use crate::plugin::event::EventFlags;

/// Which configuration and which event.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// The file, instead of `--config`
    file: Option<PathBuf>,
    #[command(flatten)]
    event: EventFlags,
}

/// What one handler makes of an event.
struct Verdict<'c> {
    handler: &'c HandlerConfig,
    takes: bool,
    /// The clause that decided, and why.
    clause: &'static str,
    why: String,
    parts: Vec<Clause>,
}

pub(super) fn run(globals: &Globals, flags: &Flags) -> anyhow::Result<ExitCode> {
    let config = match named(globals, flags.file.as_ref()) {
        Some(path) => checked(&path)?,
        None => Config::default(),
    };
    let body = flags.event.body()?;
    let facts = livekit::body::inspect(body.as_bytes())
        .map_err(|error| Usage(format!("the event is none that a receiver would take: {error}")))?;
    let parsed: Value = serde_json::from_str(&body)?;
    let shard = shard::shard_of(&Project::default(), &facts.key, config.streams.shards);
    let (kind, key) = (facts.kind.as_str(), facts.key.as_str());
    match globals.output {
        Format::Json => output::json(&json!({"event": kind, "id": facts.id.to_string(), "key": key, "shard": shard}))?,
        Format::Text => output::line(&output::plain(&format!("{kind} {}: key `{key}`, shard {shard}", facts.id)))?,
    }
    for handler in &config.handlers {
        let verdict = judge(handler, kind, &parsed)?;
        match globals.output {
            Format::Json => output::json(&of_verdict(&verdict))?,
            Format::Text => show(&verdict)?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn judge<'c>(handler: &'c HandlerConfig, kind: &str, body: &Value) -> anyhow::Result<Verdict<'c>> {
    let on = handler.written.get("on").cloned().unwrap_or_default();
    if !handler.takes(kind) {
        let why = format!("`on` is {on}, and none of it is `{kind}`");
        return Ok(Verdict { handler, takes: false, clause: "on", why, parts: Vec::new() });
    }
    let Some(when) = &handler.when else {
        let why = format!("`on` is {on}, and there is no `when`");
        return Ok(Verdict { handler, takes: true, clause: "on", why, parts: Vec::new() });
    };
    let parsed = When::parse(&when.text).map_err(|error| Usage(error.to_string()))?;
    let (takes, why) = match parsed.says(body) {
        Says::Yes => (true, "`on` takes it, and `when` is true".to_owned()),
        Says::No(None) => (false, "`on` would take it, and `when` is false".to_owned()),
        Says::No(Some(reason)) => (false, format!("`on` would take it, and `when` is false: {reason}")),
    };
    Ok(Verdict { handler, takes, clause: "when", why, parts: parsed.explain(body) })
}

fn order(handler: &HandlerConfig) -> (&'static str, &'static str) {
    match handler.order {
        Order::Room => ("room", "waits for the events of its key that came before"),
        Order::None => ("none", "waits for no other event"),
    }
}

fn show(verdict: &Verdict<'_>) -> std::io::Result<()> {
    let takes = if verdict.takes { "takes it" } else { "does not take it" };
    output::line(&output::plain(&format!("{}: {takes}: {}", verdict.handler.name, verdict.why)))?;
    for part in &verdict.parts {
        let mark = if part.decides { "*" } else { " " };
        let indent = "  ".repeat(part.depth);
        output::line(&output::plain(&format!("  {mark} {indent}{} = {}", part.text, part.value)))?;
    }
    if verdict.takes {
        let (word, means) = order(verdict.handler);
        output::line(&format!("    order: {word}: {means}"))?;
    }
    Ok(())
}

fn of_verdict(verdict: &Verdict<'_>) -> Value {
    let parts: Vec<Value> = verdict
        .parts
        .iter()
        .map(|part| json!({"depth": part.depth, "text": part.text, "value": part.value, "decides": part.decides}))
        .collect();
    json!({
        "handler": verdict.handler.name.as_str(), "takes": verdict.takes, "clause": verdict.clause, "why": verdict.why,
        "when": parts, "order": order(verdict.handler).0,
    })
}
