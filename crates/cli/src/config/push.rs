//! `roomwire config push`: a configuration for all runners that take theirs from NATS, all or nothing.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use async_nats::jetstream;
use clap::Args;
use runner::pushed::{Pushed, Report, Revision};
use runner::registry::{Registry, RegistryError};
use serde_json::json;
use service::config::{Config, ConfigError, OWN_SECTIONS, PluginSource, literal_secrets};
use service::exit;
use tokio::time::Instant;

use super::{checked, diff, fleet, fleets_place, in_place_of, text_of};
use crate::args::Globals;
use crate::duration;
use crate::output::{self, Format};

/// How often the reports are read.
const LOOK: Duration = Duration::from_millis(200);

/// Runners say how they stand more often than this: so long is it waited for the first one.
const FIRST_WORD: Duration = Duration::from_secs(5);

/// What is pushed.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// The file
    file: PathBuf,
    /// Show what would change, and push nothing
    #[arg(long)]
    dry_run: bool,
    /// Push only if this is still the newest revision; 0: only if there is none
    #[arg(long, value_name = "NUMBER")]
    after: Option<u64>,
    /// How long to wait until all runners have taken it or refused it
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration::parse)]
    timeout: Duration,
}

pub(super) async fn run(globals: &Globals, flags: &Flags) -> anyhow::Result<ExitCode> {
    let file = checked(&flags.file)?;
    let problems = literal_secrets(&file);
    if !problems.is_empty() {
        return Err(ConfigError::Invalid { problems }.into());
    }
    let text = text_of(&flags.file)?;
    let (connection, config) = fleet(globals, Some(&file)).await?;
    let js = jetstream::new(connection.client.clone());
    let pushed = Pushed::open(&js, &config.topology()).await?;
    let before = pushed.newest().await?;
    compare(globals.output, flags, &file, before.as_ref())?;
    if flags.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    take_deploys_over(&Registry::new(connection.client.clone(), config.topology()), &file).await?;
    // Where the newest was deleted, its number is not known here: then NATS refuses, and says so.
    let expected = flags.after.unwrap_or_else(|| before.as_ref().map_or(0, |before| before.number));
    let number = pushed.put(&text, expected).await?;
    say(globals.output, &json!({"pushed": number}), &format!("pushed as revision {number}; waiting for the runners"))?;
    let refused = wait(globals.output, flags, &pushed, number).await?;
    if refused.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    take_back(globals.output, &pushed, number, before).await?;
    Ok(ExitCode::from(exit::FAILURE))
}

/// What is deployed for a handler's former name is deployed for it, too. Runners see to that themselves, where they may.
async fn take_deploys_over(registry: &Registry, file: &Config) -> anyhow::Result<()> {
    for handler in &file.handlers {
        if let (Some(from), PluginSource::Deployed(_)) = (&handler.renamed_from, &handler.plugin) {
            match registry.deploys().await?.take_over(from.as_str(), handler.name.as_str()).await {
                Ok(_) | Err(RegistryError::Raced(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

fn compare(format: Format, flags: &Flags, file: &Config, before: Option<&Revision>) -> anyhow::Result<()> {
    let new = in_place_of(&flags.file, fleets_place())?;
    let old = match before.map(|before| diff::of_fleet(&before.text, file)) {
        Some(Ok(old)) => old,
        // One that this version does not understand cannot be compared with; it can be replaced.
        Some(Err(error)) => {
            tracing::warn!("the configuration that NATS has is not understood, and not compared with: {error}");
            return Ok(());
        }
        None => Config { handlers: Vec::new(), ..new.clone() },
    };
    diff::show(format, &runner::diff(&old, &new), &new)?;
    for section in OWN_SECTIONS.into_iter().filter(|section| file.stated.contains(*section)) {
        let words = format!("`{section}` is each process's own: runners do not take it from here");
        say(format, &json!({"note": words}), &format!("note: {words}"))?;
    }
    Ok(())
}

/// Waits until every runner that lives has judged the revision. Who refused it, with the reason.
async fn wait(format: Format, flags: &Flags, pushed: &Pushed, number: u64) -> anyhow::Result<Vec<Report>> {
    let began = Instant::now();
    let mut told = BTreeSet::new();
    loop {
        let reports = pushed.reports().await?;
        for report in reports.iter().filter(|report| report.knows(number) && told.insert(report.runner.clone())) {
            let refused = report.refused_at(number);
            let line = json!({"runner": report.runner, "applied": refused.is_none(), "reason": refused});
            let words = refused.map_or_else(|| "applied it".to_owned(), |reason| format!("refused it: {reason}"));
            say(format, &line, &format!("{}: {words}", report.runner))?;
        }
        let unknowing: Vec<&str> =
            reports.iter().filter(|report| !report.knows(number)).map(|report| report.runner.as_str()).collect();
        if reports.is_empty() && began.elapsed() > FIRST_WORD {
            let words =
                "no runner takes its configuration from NATS now; those that start with `--config-from-nats` will";
            say(format, &json!({"note": words}), words)?;
            return Ok(Vec::new());
        }
        if unknowing.is_empty() && !reports.is_empty() {
            return Ok(reports.into_iter().filter(|report| report.refused_at(number).is_some()).collect());
        }
        if began.elapsed() > flags.timeout {
            bail!(
                "not every runner has said within {:?} what it makes of revision {number}: {}; it stays pushed, and they take \
                 or refuse it when they get to it",
                flags.timeout,
                unknowing.join(", ")
            );
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// One refused it: the old one is to be in force everywhere, also with those that took the new one.
async fn take_back(format: Format, pushed: &Pushed, number: u64, before: Option<Revision>) -> anyhow::Result<()> {
    let Some(before) = before else {
        let words =
            "refused, and there is no configuration from before to go back to: correct the file and push it again";
        return Ok(say(format, &json!({"refused": number}), words)?);
    };
    let again = pushed.put(&before.text, number).await?;
    let words = format!("refused: the old configuration is in force again, as revision {again}");
    Ok(say(format, &json!({"refused": number, "in_force": again}), &words)?)
}

fn say(format: Format, line: &serde_json::Value, words: &str) -> std::io::Result<()> {
    match format {
        Format::Json => output::json(line),
        Format::Text => output::line(words),
    }
}
