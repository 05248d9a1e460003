//! `roomwire plugin list`, `inspect` and `rm`: what the registry has.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use runner::registry::{Registry, Version};
use serde_json::{Value, json};

use super::shown;
use crate::args::Globals;
use crate::output::{self, Format, Table};
use crate::registry::{self, Named, short};

#[derive(Debug, Args)]
pub(crate) struct ListFlags {
    /// Only the versions of this plugin
    name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct InspectFlags {
    /// The plugin: `name@sha256:…` with at least eight digits, or a name for the version that was pushed last
    plugin: Named,
}

#[derive(Debug, Args)]
pub(crate) struct RemoveFlags {
    /// The version: `name@sha256:…` with at least eight digits
    plugin: Named,
    /// Remove it also if a handler runs it, or could be rolled back to it
    #[arg(long)]
    force: bool,
}

pub(super) async fn list(globals: &Globals, flags: &ListFlags) -> anyhow::Result<ExitCode> {
    let (_, registry) = registry::open(globals).await?;
    let mut versions = registry.versions().await?.list().await?;
    versions.retain(|version| flags.name.as_ref().is_none_or(|name| version.name.as_str() == name));
    if globals.output == Format::Json {
        versions.iter().try_for_each(|version| output::json(&object(version)))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(["plugin", "size", "contract", "signed", "pushed", "by"]);
    for version in &versions {
        table.row([
            format!("{}@sha256:{}", version.name, short(&version.digest)),
            shown::size(version.size),
            version.contract.clone(),
            if version.signature.is_some() { "yes" } else { "no" }.to_owned(),
            output::time(version.pushed_at_ms),
            version.pushed_by.clone(),
        ]);
    }
    table.write()?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn inspect(globals: &Globals, flags: &InspectFlags) -> anyhow::Result<ExitCode> {
    let (_, registry) = registry::open(globals).await?;
    let version = registry.versions().await?.find(&flags.plugin.name, flags.plugin.digest.as_ref()).await?;
    let uses = uses(&registry, &version).await?;
    if globals.output == Format::Json {
        let mut object = object(&version);
        if let Value::Object(object) = &mut object {
            object.insert("uses".to_owned(), json!(uses));
            object.insert("signature".to_owned(), json!(version.signature));
        }
        output::json(&object)?;
        return Ok(ExitCode::SUCCESS);
    }
    let by = format!("{} by {}", output::time(version.pushed_at_ms), output::plain(&version.pushed_by));
    output::line(&version.reference())?;
    output::line(&format!("  a {} of {}, pushed {by}", version.contract, shown::size(version.size)))?;
    let comment = version.signature.as_deref().and_then(|text| text.lines().nth(2)).unwrap_or("not signed");
    output::line(&format!("  {}", output::plain(comment)))?;
    for (handler, use_) in &uses {
        output::line(&format!("  {handler}: {use_}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn remove(globals: &Globals, flags: &RemoveFlags) -> anyhow::Result<ExitCode> {
    let (_, registry) = registry::open(globals).await?;
    let Some(digest) = &flags.plugin.digest else {
        bail!("say which version of `{0}`: `{0}@sha256:…`; `roomwire plugin list {0}` shows them", flags.plugin.name);
    };
    let versions = registry.versions().await?;
    let version = versions.find(&flags.plugin.name, Some(digest)).await?;
    let uses = uses(&registry, &version).await?;
    if !flags.force && !uses.is_empty() {
        let uses: Vec<String> = uses.iter().map(|(handler, use_)| format!("{handler} ({use_})")).collect();
        bail!("{} is needed by {}; remove it all the same with `--force`", version.reference(), uses.join(", "));
    }
    versions.remove(&version).await?;
    match globals.output {
        Format::Json => output::json(&json!({"plugin": version.reference(), "removed": true}))?,
        Format::Text => output::line(&format!("removed {}", version.reference()))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The handlers that need a version, and for what: what is deployed, what a rollback would bring back, what runners run.
async fn uses(registry: &Registry, version: &Version) -> anyhow::Result<BTreeMap<String, &'static str>> {
    let mut uses = BTreeMap::new();
    for report in registry.runners().await?.all().await? {
        for (handler, report) in report.handlers {
            if report.plugin.name() == Some(&version.name)
                && [&report.serving, &report.wanted].into_iter().flatten().any(|digest| *digest == version.digest)
            {
                uses.insert(handler, "runs");
            }
        }
    }
    let deploys = registry.deploys().await?;
    for handler in deploys.handlers().await? {
        let history = deploys.history(&handler).await?;
        let is = |deploy: &runner::registry::Deploy| deploy.plugin == version.name && deploy.digest == version.digest;
        if history.earlier().iter().any(|revision| is(&revision.deploy)) {
            uses.entry(handler.clone()).or_insert("could be rolled back to");
        }
        if history.current().is_some_and(|revision| is(&revision.deploy)) {
            uses.insert(handler, "deployed");
        }
    }
    Ok(uses)
}

fn object(version: &Version) -> Value {
    json!({
        "plugin": version.reference(), "name": version.name, "digest": version.digest, "size": version.size,
        "contract": version.contract, "signed": version.signature.is_some(), "pushed_at_ms": version.pushed_at_ms,
        "pushed_by": version.pushed_by,
    })
}
