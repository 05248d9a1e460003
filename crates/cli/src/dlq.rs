//! `roomwire dlq`: dead letters, as the runner has them in its store.

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::args::Globals;
use crate::control::Control;
use crate::output::{self, Format, Table};
use crate::target;

#[derive(Debug, Subcommand)]
pub(crate) enum DlqCommand {
    /// List dead letters, the newest first
    List(ListFlags),
    /// Show one event's dead letter with its history and body
    Show(ShowFlags),
    /// Let dead letters be handled again
    Redrive(RedriveFlags),
}

#[derive(Debug, Args)]
pub(crate) struct ListFlags {
    /// Only those of this handler
    #[arg(long)]
    handler: Option<String>,
    /// The most that are listed
    #[arg(long, default_value_t = 100)]
    limit: u32,
}

#[derive(Debug, Args)]
pub(crate) struct ShowFlags {
    /// The event's id
    id: String,
    /// Only the dead letter of this handler
    #[arg(long)]
    handler: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RedriveFlags {
    /// The event's id
    #[arg(required_unless_present = "all")]
    id: Option<String>,
    /// Only the dead letter of this handler
    #[arg(long, required_unless_present = "id")]
    handler: Option<String>,
    /// Every dead letter of the handler
    #[arg(long, requires = "handler", conflicts_with = "id")]
    all: bool,
}

#[derive(Debug, Deserialize)]
struct Dead {
    dead: Vec<Value>,
}

#[derive(Debug, Deserialize)]
struct Redriven {
    redriven: Vec<RedrivenLetter>,
}

#[derive(Debug, Deserialize, Serialize)]
struct RedrivenLetter {
    handler: String,
    id: String,
}

pub(crate) async fn run(globals: &Globals, command: DlqCommand) -> anyhow::Result<()> {
    let config = target::config(globals)?;
    let connection = target::connection(globals, &config).await?;
    let control = Control::new(connection.client, &config.nats.prefix);
    match command {
        DlqCommand::List(flags) => list(globals.output, &control, flags).await,
        DlqCommand::Show(flags) => show(globals.output, &control, flags).await,
        DlqCommand::Redrive(flags) => redrive(globals.output, &control, flags).await,
    }
}

async fn list(format: Format, control: &Control, flags: ListFlags) -> anyhow::Result<()> {
    let command = json!({"command": "dlq_list", "handler": flags.handler, "limit": flags.limit});
    let Dead { dead } = control.ask(&command).await?;
    if format == Format::Json {
        return Ok(dead.iter().try_for_each(output::json)?);
    }
    if dead.is_empty() {
        return Ok(output::line("no dead letters")?);
    }
    let mut table = Table::new(["died", "handler", "event", "type", "key", "cause", "attempts", "error"]);
    for letter in &dead {
        table.row([
            output::time(number(letter, "died_at_ms")),
            text(letter, "handler"),
            text(letter, "id"),
            text(letter, "kind"),
            text(letter, "key"),
            if letter.get("held") == Some(&Value::Bool(true)) {
                format!("{} (holds its lane)", text(letter, "cause"))
            } else {
                text(letter, "cause")
            },
            number(letter, "attempts").to_string(),
            text(letter, "error").lines().next().unwrap_or_default().to_owned(),
        ]);
    }
    Ok(table.write()?)
}

async fn show(format: Format, control: &Control, flags: ShowFlags) -> anyhow::Result<()> {
    let command = json!({"command": "dlq_show", "handler": flags.handler, "id": flags.id});
    let Dead { dead } = control.ask(&command).await?;
    for letter in &dead {
        match format {
            Format::Json => output::json(letter)?,
            Format::Text => describe(letter)?,
        }
    }
    Ok(())
}

fn describe(letter: &Value) -> std::io::Result<()> {
    for (heading, key) in [
        ("event", "id"),
        ("type", "kind"),
        ("handler", "handler"),
        ("key", "key"),
        ("cause", "cause"),
        ("error", "error"),
    ] {
        output::line(&format!("{heading:9} {}", output::plain(&text(letter, key))))?;
    }
    output::line(&format!("{:9} {}", "received", output::time(number(letter, "received_at_ms"))))?;
    output::line(&format!("{:9} {}", "died", output::time(number(letter, "died_at_ms"))))?;
    output::line(&format!("{:9} {} of shard {}", "sequence", number(letter, "seq"), number(letter, "shard")))?;
    for attempt in letter.get("history").and_then(Value::as_array).into_iter().flatten() {
        output::line("")?;
        output::line(&format!(
            "attempt {} at {}: {} after {:.1} ms, plugin {}",
            number(attempt, "attempt"),
            output::time(number(attempt, "started_at_ms")),
            output::plain(&text(attempt, "outcome")),
            std::time::Duration::from_micros(number(attempt, "duration_us")).as_secs_f64() * 1000.0,
            text(attempt, "digest").get(..12).unwrap_or("unknown"),
        ))?;
        for key in ["error", "backtrace", "stderr", "logs"] {
            block(key, &text(attempt, key))?;
        }
    }
    output::line("")?;
    block("body", &text(letter, "body"))
}

/// Text of several lines under a heading; nothing for an empty text.
fn block(heading: &str, text: &str) -> std::io::Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    output::line(&format!("  {heading}:"))?;
    text.lines().try_for_each(|line| output::line(&format!("    {}", output::plain(line))))
}

async fn redrive(format: Format, control: &Control, flags: RedriveFlags) -> anyhow::Result<()> {
    let command = if flags.all {
        json!({"command": "dlq_redrive", "handler": flags.handler, "all": true})
    } else {
        json!({"command": "dlq_redrive", "handler": flags.handler, "id": flags.id})
    };
    let Redriven { redriven } = control.ask(&command).await?;
    match format {
        Format::Json => redriven.iter().try_for_each(output::json)?,
        Format::Text if redriven.is_empty() => output::line("nothing was redriven")?,
        Format::Text => {
            for letter in &redriven {
                output::line(&format!("{} will be handled again by {}", output::plain(&letter.id), letter.handler))?;
            }
        }
    }
    Ok(())
}

fn text(value: &Value, key: &str) -> String {
    match value.get(key) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn number(value: &Value, key: &str) -> u64 {
    value.get(key).and_then(Value::as_u64).unwrap_or_default()
}
