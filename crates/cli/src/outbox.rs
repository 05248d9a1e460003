//! `roomwire outbox`: what was committed and waits to be sent.

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::args::Globals;
use crate::control::Control;
use crate::output::{self, Format, Table};
use crate::target;

#[derive(Debug, Subcommand)]
pub(crate) enum OutboxCommand {
    /// List the messages and requests that wait, the oldest first
    List(ListFlags),
    /// Send one again that was sent and never answered
    Resend(IdFlags),
    /// Remove one: it has arrived, or is not to be sent; what follows it goes on
    Drop(IdFlags),
}

#[derive(Debug, Args)]
pub(crate) struct ListFlags {
    /// Of this handler only
    #[arg(long)]
    handler: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    limit: u32,
}

#[derive(Debug, Args)]
pub(crate) struct IdFlags {
    /// Its id in `outbox list`
    id: i64,
}

#[derive(Debug, Deserialize)]
struct Waiting {
    waiting: Vec<Value>,
}

pub(crate) async fn run(globals: &Globals, command: OutboxCommand) -> anyhow::Result<()> {
    let config = target::config(globals)?;
    let connection = target::connection(globals, &config).await?;
    let control = Control::new(connection.client, &config.nats.prefix);
    match command {
        OutboxCommand::List(ListFlags { handler, limit }) => {
            let asked = json!({"command": "outbox_list", "handler": handler, "limit": limit});
            list(globals.output, &control.ask::<Waiting>(&asked).await?.waiting)
        }
        OutboxCommand::Resend(IdFlags { id }) => decide(globals.output, &control, "resend", id, "is sent again").await,
        OutboxCommand::Drop(IdFlags { id }) => decide(globals.output, &control, "drop", id, "is removed").await,
    }
}

async fn decide(format: Format, control: &Control, fate: &str, id: i64, words: &str) -> anyhow::Result<()> {
    let asked = json!({"command": "outbox_decide", "fate": fate, "id": id});
    let Waiting { waiting } = control.ask(&asked).await?;
    for row in &waiting {
        match format {
            Format::Json => output::json(row)?,
            Format::Text => output::line(&format!("{id}, {}: {words}", text(row, "to")))?,
        }
    }
    Ok(())
}

fn list(format: Format, waiting: &[Value]) -> anyhow::Result<()> {
    if format == Format::Json {
        return Ok(waiting.iter().try_for_each(output::json)?);
    }
    let mut table = Table::new(["id", "handler", "key", "to", "since", "tries", "unanswered since", "error"]);
    for row in waiting {
        let number = |key: &str| row.get(key).and_then(Value::as_u64);
        let time = |key: &str| number(key).map(output::time).unwrap_or_default();
        table.row([
            row.get("id").map(Value::to_string).unwrap_or_default(),
            text(row, "handler"),
            text(row, "key"),
            text(row, "to"),
            time("queued_at"),
            number("tries").unwrap_or_default().to_string(),
            time("sent_at"),
            text(row, "error"),
        ]);
    }
    Ok(table.write()?)
}

fn text(row: &Value, key: &str) -> String {
    row.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}
