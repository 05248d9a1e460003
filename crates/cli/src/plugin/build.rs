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

/// How the line of a build script begins that says what must be installed.
pub(super) const NEEDS: &str = "# Needs ";

/// What a shell ends with where a program is not there.
const NOT_FOUND: i32 = 127;

/// One handler's folder.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// The handler's folder
    #[arg(default_value = ".")]
    folder: PathBuf,
}

pub(super) async fn run(globals: &Globals, flags: &Flags) -> anyhow::Result<ExitCode> {
    let plugin = build(&flags.folder)?;
    let inspection = Workbench::new()?.inspect(&plugin).await?;
    check::show(globals.output, &plugin, &inspection)?;
    Ok(ExitCode::SUCCESS)
}

/// Runs the script of a folder: the file that it made. The script's words go to stderr, as stdout has the result.
pub(super) fn build(folder: &Path) -> anyhow::Result<PathBuf> {
    let script = folder.join("build");
    if !script.is_file() {
        let hint = "name the folder of a handler that `roomwire plugin new` made";
        return Err(Usage(format!("there is no script `build` in {}; {hint}", folder.display())).into());
    }
    let script = fs::canonicalize(&script).with_context(|| format!("cannot find {}", script.display()))?;
    let mut command = Command::new(&script);
    command.stdin(Stdio::null()).stdout(Stdio::from(std::io::stderr()));
    // Some finish their component with this very binary, which need not be on PATH.
    if let Ok(own) = std::env::current_exe() {
        command.env("ROOMWIRE", own);
    }
    let status = command.status().with_context(|| format!("cannot run {}", script.display()))?;
    if !status.success() {
        let text = fs::read_to_string(&script).unwrap_or_default();
        let needs = text.lines().find_map(|line| line.strip_prefix(NEEDS)).filter(|_| status.code() == Some(NOT_FOUND));
        let needs = needs.map(|needs| format!("; a program is missing: it needs {needs}")).unwrap_or_default();
        bail!("{} failed ({status}); what it said is above{needs}", script.display());
    }
    let built = newest(folder)?;
    built.with_context(|| format!("{} left no .wasm in {}", script.display(), folder.display()))
}

/// What was built last.
fn newest(folder: &Path) -> anyhow::Result<Option<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let built = entries.flatten().map(|entry| entry.path());
    let built = built.filter(|path| path.extension().is_some_and(|extension| extension == "wasm"));
    let time = |path: &PathBuf| fs::metadata(path).and_then(|it| it.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    Ok(built.max_by_key(time))
}
