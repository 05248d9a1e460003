//! `roomwire plugin dev`: builds whenever a source changes, and puts what passes its check where a running `up` takes it.

mod sources;
mod tail;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use runner::workbench::{Bench, Trial, Workbench};
use serde_json::json;
use service::error::Chain;
use service::shutdown::Shutdown;

use super::handling::{Handling, HandlingFlags, pair};
use super::{build, shown};
use crate::args::Globals;
use crate::failure::Usage;
use crate::output::{self, Format};
use crate::registry::short;
use sources::Sources;
use tail::Tail;

/// Sources are looked at this often, and built once two looks in a row found the same.
const LOOK: Duration = Duration::from_millis(250);

/// One handler's folder, and where what is built goes.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// The handler's folder
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// The handler of the configuration that it is: what passes its check is put where `plugin` of that handler says, and
    /// a running `roomwire up` swaps it in
    #[arg(long, value_name = "NAME")]
    handler: Option<String>,
    /// A key of the handler's config; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = pair)]
    settings: Vec<(String, String)>,
    /// A bucket of keys that it has, as in `allow.keyvalue`; may be repeated
    #[arg(long, value_name = "NAME", conflicts_with = "handler")]
    bucket: Vec<String>,
    /// Call each build with a copy of the events that this NATS server stores from now on, and show what becomes of them:
    /// nothing is published, sent or kept, and requests that it makes itself are refused
    #[arg(long, value_name = "URL")]
    tail: Option<String>,
}

/// Until Ctrl-C.
pub(super) async fn run(globals: &Globals, flags: &Flags) -> anyhow::Result<ExitCode> {
    let shutdown = Shutdown::on_signals()?;
    let workbench = Workbench::new()?;
    let mut tail = match &flags.tail {
        Some(url) => Some(Tail::open(globals, url).await?),
        None => None,
    };
    let (mut built, mut last) = (None, Sources::look(&flags.folder)?);
    let mut current = None;
    loop {
        let now = Sources::look(&flags.folder)?;
        if built.as_ref() != Some(&now) && now == last {
            let attempt = tokio::select! {
                () = shutdown.draining() => break,
                attempt = attempt(globals, &workbench, flags) => attempt,
            };
            show(globals.output, &attempt)?;
            // What was there before goes on until there is a better one.
            current = attempt.ok().or(current);
            built = Some(now.clone());
        }
        last = now;
        tokio::select! {
            () = shutdown.draining() => break,
            () = tokio::time::sleep(LOOK) => {}
            trial = tail::next(&mut tail) => try_out(globals.output, current.as_ref(), &trial).await?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A build that passed its check.
struct Built {
    handling: Handling,
    bench: Bench,
    plugin: PathBuf,
    /// Where it was put.
    goal: Option<PathBuf>,
}

async fn attempt(globals: &Globals, workbench: &Workbench, flags: &Flags) -> anyhow::Result<Built> {
    let folder = flags.folder.clone();
    let plugin =
        tokio::task::spawn_blocking(move || build::build(&folder)).await.context("the build was given up")??;
    let Flags { handler, settings, bucket, .. } = flags;
    let meant = HandlingFlags::of(plugin.clone(), handler.clone(), settings.clone(), bucket.clone());
    let mut handling = meant.handling(globals)?;
    if flags.tail.is_some() {
        handling.refuse_requests();
    }
    let bench = handling.open(workbench, &BTreeMap::new()).await?;
    let goal = handling.goal.clone();
    match (&goal, &flags.handler) {
        (Some(goal), _) => put(&plugin, goal)?,
        (None, Some(name)) => {
            let hint = "name a file in its `plugin`, or use `roomwire plugin push`";
            return Err(
                Usage(format!("the plugin of `{name}` comes from the registry, not from a file; {hint}")).into()
            );
        }
        (None, None) => {}
    }
    Ok(Built { handling, bench, plugin, goal })
}

/// Puts a file where the running `up` looks, which never sees half of it.
fn put(plugin: &Path, goal: &Path) -> anyhow::Result<()> {
    let same = |path: &Path| fs::canonicalize(path).ok();
    if same(plugin).is_some_and(|plugin| Some(plugin) == same(goal)) {
        return Ok(());
    }
    let beside = goal.with_extension("new");
    fs::copy(plugin, &beside).with_context(|| format!("cannot write {}", beside.display()))?;
    fs::rename(&beside, goal).with_context(|| format!("cannot write {}", goal.display()))
}

fn show(format: Format, attempt: &anyhow::Result<Built>) -> std::io::Result<()> {
    match (attempt, format) {
        (Ok(built), Format::Json) => output::json(&json!({
            "result": "built", "plugin": built.plugin, "digest": built.bench.digest(), "goal": built.goal,
        })),
        (Err(error), Format::Json) => {
            output::json(&json!({ "result": "failed", "error": Chain(error.as_ref()).to_string() }))
        }
        (Ok(built), Format::Text) => {
            let digest = short(built.bench.digest());
            output::line(&format!("built    {} (sha256:{digest}), which passes its check", built.plugin.display()))?;
            built.goal.iter().try_for_each(|goal| {
                output::line(&format!("         it is at {}, where `roomwire up` swaps it in", goal.display()))
            })
        }
        (Err(error), Format::Text) => output::line(&format!("failed   {}", Chain(error.as_ref()))),
    }
}

/// Calls the newest build with an event that its handler takes.
async fn try_out(format: Format, current: Option<&Built>, trial: &Trial) -> std::io::Result<()> {
    let Some(built) = current.filter(|built| built.handling.takes(trial.kind())) else { return Ok(()) };
    let run = built.bench.run(trial).await;
    match format {
        Format::Json => output::json(&shown::json(&run, trial)),
        Format::Text => output::line(&format!("{} {}: {}", trial.kind(), trial.id(), shown::text(&run))),
    }
}
