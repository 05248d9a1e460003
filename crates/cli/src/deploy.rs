//! `roomwire deploy` and `rollback`: which version of its plugin serves a handler, and whether every runner has taken it.

mod judge;
mod wait;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::anyhow;
use clap::Args;
use event::HandlerName;
use runner::registry::{Deploy, Registry, Revision};
use serde_json::json;
use service::config::{Config, PluginSource};

use crate::args::Globals;
use crate::duration;
use crate::output::{self, Format};
use crate::registry::{self, Named, short};
use wait::Outcome;

#[derive(Debug, Args)]
pub(crate) struct DeployFlags {
    /// The handler's name
    handler: HandlerName,
    /// The version: `name@sha256:…` with at least eight digits, or a name for the version that was pushed last
    #[arg(long, value_name = "PLUGIN")]
    plugin: Named,
    #[command(flatten)]
    waiting: WaitFlags,
}

#[derive(Debug, Args)]
pub(crate) struct RollbackFlags {
    /// The handler's name
    handler: HandlerName,
    #[command(flatten)]
    waiting: WaitFlags,
}

#[derive(Debug, Args)]
struct WaitFlags {
    /// How long to wait until all runners have taken it or refused it
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration::parse)]
    timeout: Duration,
    /// Do not wait for the runners
    #[arg(long)]
    no_wait: bool,
}

pub(crate) async fn deploy(globals: &Globals, flags: DeployFlags) -> anyhow::Result<ExitCode> {
    let (config, registry) = registry::open(globals).await?;
    let version = registry.versions().await?.find(&flags.plugin.name, flags.plugin.digest.as_ref()).await?;
    judge::may_deploy(
        flags.handler.as_str(),
        Some(&version.name),
        &sources(&config, &registry, &flags.handler).await?,
    )?;
    let deploys = registry.deploys().await?;
    let current = deploys.current(flags.handler.as_str()).await?.map(|revision| revision.number);
    let deploy = Deploy::now(version.name.clone(), version.digest.clone(), registry::somebody());
    let number = deploys.put(flags.handler.as_str(), &deploy, current).await?;
    finish(globals.output, &registry, &flags.handler, Revision { number, stored_ms: 0, deploy }, &flags.waiting).await
}

pub(crate) async fn rollback(globals: &Globals, flags: RollbackFlags) -> anyhow::Result<ExitCode> {
    let (config, registry) = registry::open(globals).await?;
    judge::may_deploy(flags.handler.as_str(), None, &sources(&config, &registry, &flags.handler).await?)?;
    let revision = registry.deploys().await?.rollback(flags.handler.as_str(), registry::somebody()).await?;
    finish(globals.output, &registry, &flags.handler, revision, &flags.waiting).await
}

/// Where the handler's plugin comes from, by what runners say; where none does, by the configuration of this call.
async fn sources(config: &Config, registry: &Registry, handler: &HandlerName) -> anyhow::Result<Vec<PluginSource>> {
    let reports = registry.runners().await?.all().await?;
    let mut sources: Vec<PluginSource> =
        reports.into_iter().filter_map(|mut report| Some(report.handlers.remove(handler.as_str())?.plugin)).collect();
    if sources.is_empty() {
        let own = config.handlers.iter().filter(|it| it.name == *handler);
        sources.extend(own.map(|handler| handler.plugin.clone()));
    }
    sources.dedup();
    Ok(sources)
}

async fn finish(
    format: Format,
    registry: &Registry,
    handler: &HandlerName,
    revision: Revision,
    waiting: &WaitFlags,
) -> anyhow::Result<ExitCode> {
    let reference = revision.deploy.reference();
    if waiting.no_wait {
        match format {
            Format::Json => output::json(&json!({
                "handler": handler, "plugin": reference, "revision": revision.number, "outcome": "not_awaited",
            }))?,
            Format::Text => output::line(&format!("{handler}: {reference} is deployed; not waiting for runners"))?,
        }
        return Ok(ExitCode::SUCCESS);
    }
    let ended = Box::pin(wait::wait(registry, handler, &revision, waiting.timeout)).await?;
    match format {
        Format::Json => output::json(&json!({
            "handler": handler, "plugin": reference, "revision": revision.number, "outcome": ended.outcome.word(),
            "runners": ended.runners.iter().map(|(runner, report)| json!({
                "runner": runner, "state": report.state, "serving": report.serving, "error": report.error,
            })).collect::<Vec<_>>(),
        }))?,
        Format::Text if ended.outcome == Outcome::Serving => {
            output::line(&format!("{handler}: {reference} serves on {}", wait::runners(ended.runners.len())))?;
        }
        Format::Text => {}
    }
    let Some(failed) = ended.failure(handler.as_str()) else { return Ok(ExitCode::SUCCESS) };
    for (runner, report) in &ended.runners {
        let serving = report.serving.as_deref().map_or("nothing", short);
        let error = report.error.as_deref().unwrap_or("says nothing of it");
        crate::progress::note(&format!(
            "{runner}: {}; {serving} serves: {}",
            report.state.word(),
            output::plain(error)
        ));
    }
    // The words come last, where they are seen.
    Err(anyhow!(failed))
}
