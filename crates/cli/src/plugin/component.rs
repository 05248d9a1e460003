//! `roomwire plugin component`: the last step of languages whose compilers make core modules.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

/// From a core module to a component.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// The core module, with the exports of wit/
    module: PathBuf,
    /// Where the component goes
    goal: PathBuf,
}

pub(super) fn run(flags: &Flags) -> anyhow::Result<ExitCode> {
    let (module, goal) = (flags.module.display(), flags.goal.display());
    let bytes = fs::read(&flags.module).with_context(|| format!("cannot read {module}"))?;
    let component =
        runner::workbench::finish(&bytes).with_context(|| format!("{module} cannot be made a component"))?;
    // Who watches the goal must never see half of it.
    let beside = flags.goal.with_extension("new");
    fs::write(&beside, component).with_context(|| format!("cannot write {}", beside.display()))?;
    fs::rename(&beside, &flags.goal).with_context(|| format!("cannot write {goal}"))?;
    Ok(ExitCode::SUCCESS)
}
