//! Checks of the house that no compiler makes: `tidy` of files, `boundaries` of crates.

mod boundaries;
mod tidy;

use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

fn main() -> ExitCode {
    match run() {
        Ok(broken) if broken.is_empty() => ExitCode::SUCCESS,
        Ok(broken) => {
            say(&broken.join("\n"));
            say(&format!("error: {} broken rules", broken.len()));
            ExitCode::FAILURE
        }
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<Vec<String>> {
    let root = workspace()?;
    match env::args().nth(1).as_deref() {
        Some("tidy") => tidy::check(&root),
        Some("boundaries") => boundaries::check(&root),
        _ => bail!("name a check: tidy or boundaries"),
    }
}

fn workspace() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(here.parent().context("xtask has no parent folder")?.to_path_buf())
}

fn say(text: &str) {
    // Nothing can be done about a closed stderr.
    let _ = writeln!(std::io::stderr(), "{text}");
}
