//! `roomwire plugin build`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::SystemTime;

use anyhow::{Context as _, bail};
use clap::Args;
use runner::workbench::Workbench;

use super::check;
use crate::args::Globals;
use crate::failure::Usage;

/// One handler's folder.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// The handler's folder
    #[arg(default_value = ".")]
    folder: PathBuf,
}

pub(super) async fn run(globals: &Globals, flags: &Flags) -> anyhow::Result<ExitCode> {
    let script = flags.folder.join("build");
    if !script.is_file() {
        let hint = "name the folder of a handler that `roomwire plugin new` made";
        return Err(Usage(format!("there is no script `build` in {}; {hint}", flags.folder.display())).into());
    }
    // Its words go to stderr, as stdout has the result.
    let script = fs::canonicalize(&script).with_context(|| format!("cannot find {}", script.display()))?;
    let status = Command::new(&script).stdin(Stdio::null()).stdout(Stdio::from(std::io::stderr())).status();
    let status = status.with_context(|| format!("cannot run {}", script.display()))?;
    if !status.success() {
        bail!("{} failed ({status}); what it said is above", script.display());
    }
    let Some(plugin) = newest(&flags.folder)? else {
        bail!("{} left no .wasm in {}", script.display(), flags.folder.display())
    };
    let inspection = Workbench::new()?.inspect(&plugin).await?;
    check::show(globals.output, &plugin, &inspection)?;
    Ok(ExitCode::SUCCESS)
}

/// What was built last.
fn newest(folder: &Path) -> anyhow::Result<Option<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let built = entries.flatten().map(|entry| entry.path());
    let built = built.filter(|path| path.extension().is_some_and(|extension| extension == "wasm"));
    let time = |path: &PathBuf| fs::metadata(path).and_then(|it| it.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    Ok(built.max_by_key(time))
}
