//! `roomwire config diff`: what another configuration changes, by handler, and what that means.

use std::path::PathBuf;
use std::process::ExitCode;

use async_nats::jetstream;
use clap::Args;
use runner::pushed::Pushed;
use runner::{Plan, Step, What};
use serde_json::json;
use service::config::{Config, Start, parse};
use service::exit;

use super::{checked, fleet, fleets_place, in_place_of};
use crate::args::Globals;
use crate::failure::Usage;
use crate::output::{self, Format};

/// What is compared.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// One file: it is compared with what NATS has for the fleet. Two: the first is the old one
    #[arg(required = true, num_args = 1..=2, value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub(super) async fn run(globals: &Globals, flags: &Flags) -> anyhow::Result<ExitCode> {
    let (old, new) = match flags.files.as_slice() {
        [old, new] => {
            checked(new)?;
            (in_place_of(old, old)?, in_place_of(new, old)?)
        }
        [new] => {
            let file = checked(new)?;
            (running(globals, &file).await?, in_place_of(new, fleets_place())?)
        }
        _ => return Err(Usage("name one file or two".to_owned()).into()),
    };
    let plan = runner::diff(&old, &new);
    show(globals.output, &plan, &new)?;
    Ok(if plan.refused.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(exit::FAILURE) })
}

async fn running(globals: &Globals, file: &Config) -> anyhow::Result<Config> {
    let (connection, config) = fleet(globals, Some(file)).await?;
    let js = jetstream::new(connection.client.clone());
    let newest = Pushed::open(&js, &config.topology()).await?.newest().await?;
    let Some(newest) = newest else {
        let words = "nothing was pushed yet; name two files to compare, or push this one: `roomwire config push`";
        return Err(Usage(words.to_owned()).into());
    };
    of_fleet(&newest.text, file)
}

/// What the fleet has, with what is each runner's own taken from the file that it is compared with: that is no change.
pub(super) fn of_fleet(text: &str, file: &Config) -> anyhow::Result<Config> {
    Ok(parse(text, fleets_place())?.with_own_of(file))
}

/// Shows a plan; `new` is what it leads to.
pub(super) fn show(format: Format, plan: &Plan, new: &Config) -> std::io::Result<()> {
    for words in &plan.refused {
        match format {
            Format::Json => output::json(&json!({"refused": words}))?,
            Format::Text => output::line(&format!("refused: {words}"))?,
        }
    }
    for step in &plan.steps {
        show_step(format, step, new)?;
    }
    for note in &plan.notes {
        match format {
            Format::Json => output::json(&json!({"note": note}))?,
            Format::Text => output::line(&format!("note: {note}"))?,
        }
    }
    if format == Format::Text && plan.is_empty() {
        output::line("no handler changes")?;
    }
    Ok(())
}

fn show_step(format: Format, step: &Step, new: &Config) -> std::io::Result<()> {
    let (word, means) = words(step, new);
    if format == Format::Json {
        let changes: Vec<_> = step
            .changes
            .iter()
            .map(|it| json!({"key": it.key, "old": it.old, "new": it.new, "means": it.means}))
            .collect();
        return output::json(&json!({"handler": step.name, "what": word, "means": means, "changes": changes}));
    }
    output::line(&format!("{}: {word}: {means}", step.name))?;
    for change in &step.changes {
        let side = |text: &Option<String>| output::plain(text.as_deref().unwrap_or("(default)"));
        output::line(&format!("  {}: {} -> {}", change.key, side(&change.old), side(&change.new)))?;
        output::line(&format!("    {}", change.means))?;
    }
    Ok(())
}

fn words(step: &Step, new: &Config) -> (&'static str, String) {
    match &step.what {
        What::Added => ("added", begins(&step.name, new)),
        What::Removed => (
            "removed",
            "what runs of it ends; its progress, parked events, dead letters, keys and outbox are kept until `roomwire \
             handler drop`, and messages of the outbox are still sent; it holds nothing in the streams any more, so that \
             what is trimmed before it comes back is lost to it. If it was renamed, write `renamed_from` in its successor"
                .to_owned(),
        ),
        What::Renamed { from } => (
            "renamed",
            format!("takes over all that is stored of `{from}` in one transaction, and goes on where that is; `{from}` is gone"),
        ),
        What::Restarted => {
            ("restarted", "what runs of it ends, then it goes on where it is; no other handler notices".to_owned())
        }
        What::InPlace => ("changed", "it goes on without a stop".to_owned()),
    }
}

fn begins(name: &str, new: &Config) -> String {
    let handler = new.handlers.iter().find(|handler| handler.name.as_str() == name);
    let from = handler.and_then(|handler| handler.renamed_from.as_ref());
    let start = match handler.map(|handler| handler.start) {
        Some(Start::All) => "with the oldest event that is stored (`start: all`)".to_owned(),
        Some(Start::At(ms)) => format!("with the first event of {} or later (`start`)", output::time(ms)),
        Some(Start::New) | None => "with what arrives from now on (`start: new`)".to_owned(),
    };
    match from {
        Some(from) => format!("takes over the progress of `{from}` if there is any; else begins {start}"),
        None => format!("begins {start}; if it was there before and was not dropped, it goes on where it was"),
    }
}
