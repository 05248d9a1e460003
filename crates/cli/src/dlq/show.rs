//! `roomwire dlq show`.

use serde_json::{Value, json};

use super::ShowFlags;
use super::letter::{Dead, number, text};
use crate::control::Control;
use crate::output::{self, Format};

pub(super) async fn run(format: Format, control: &Control, flags: ShowFlags) -> anyhow::Result<()> {
    let command = json!({"command": "dlq_show", "handler": flags.handler, "id": flags.id});
    let Dead { dead, .. } = control.ask(&command).await?;
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
