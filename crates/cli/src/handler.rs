//! `roomwire handler`: how handlers stand, and whether they may go on.

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::args::Globals;
use crate::control::Control;
use crate::output::{self, Format, Table};
use crate::target;

#[derive(Debug, Subcommand)]
pub(crate) enum HandlerCommand {
    /// List handlers with what they have in hand
    List,
    /// Start nothing more of a handler until it is resumed; a restart does not resume it
    Pause(NameFlags),
    /// Let a paused handler go on
    Resume(NameFlags),
    /// Forget all that is stored of a handler that is configured no more: progress, dead letters, keys, what waits
    Drop(NameFlags),
}

#[derive(Debug, Args)]
pub(crate) struct NameFlags {
    /// The handler's name
    name: String,
}

#[derive(Debug, Deserialize)]
struct Listed {
    handlers: Vec<Value>,
}

pub(crate) async fn run(globals: &Globals, command: HandlerCommand) -> anyhow::Result<()> {
    let config = target::config(globals)?;
    let connection = target::connection(globals, &config).await?;
    let control = Control::new(connection.client, &config.nats.prefix);
    match command {
        HandlerCommand::List => list(globals.output, &control).await,
        HandlerCommand::Pause(NameFlags { name }) => {
            decide(globals.output, &control, "handler_pause", &name, "paused; what runs ends").await
        }
        HandlerCommand::Resume(NameFlags { name }) => {
            decide(globals.output, &control, "handler_resume", &name, "goes on").await
        }
        HandlerCommand::Drop(NameFlags { name }) => {
            decide(globals.output, &control, "handler_drop", &name, "all that was stored of it is gone").await
        }
    }
}

async fn decide(format: Format, control: &Control, command: &str, name: &str, words: &str) -> anyhow::Result<()> {
    let _: Value = control.ask(&json!({"command": command, "name": name})).await?;
    match format {
        Format::Json => output::json(&json!({"handler": name}))?,
        Format::Text => output::line(&format!("{name}: {words}"))?,
    }
    Ok(())
}

async fn list(format: Format, control: &Control) -> anyhow::Result<()> {
    let Listed { handlers } = control.ask(&json!({"command": "handler_list"})).await?;
    if format == Format::Json {
        return Ok(handlers.iter().try_for_each(output::json)?);
    }
    let mut table = Table::new(["handler", "state", "since", "waiting", "running", "parked", "held rooms", "dead"]);
    for handler in &handlers {
        let number = |key: &str| handler.get(key).and_then(Value::as_u64);
        let text = |key: &str| handler.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let count = |key: &str| number(key).unwrap_or_default().to_string();
        let since = number("paused_since_ms").or_else(|| number("open_since_ms"));
        table.row([
            text("handler"),
            text("state"),
            since.map(output::time).unwrap_or_default(),
            count("waiting"),
            count("running"),
            count("parked"),
            count("held_rooms"),
            count("dead"),
        ]);
    }
    Ok(table.write()?)
}
