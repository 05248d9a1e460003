//! `roomwire plugin check`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use runner::workbench::{Inspection, Workbench};
use serde_json::json;

use super::shown;
use crate::args::Globals;
use crate::output::{self, Format};

/// One file.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// The plugin's file
    file: PathBuf,
}

pub(super) async fn run(globals: &Globals, flags: &Flags) -> anyhow::Result<ExitCode> {
    let inspection = Workbench::new()?.inspect(&flags.file).await?;
    show(globals.output, &flags.file, &inspection)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes what a plugin is.
pub(super) fn show(format: Format, path: &Path, it: &Inspection) -> std::io::Result<()> {
    if format == Format::Json {
        return output::json(&json!({
            "file": path, "contract": it.contract, "digest": it.digest, "size": it.size,
            "compiled_ms": it.compiled_in.as_millis(), "imports": it.imports, "exports": it.exports, "grants": it.grants,
        }));
    }
    let size = shown::size(it.size as u64);
    output::line(&format!(
        "{} is a {} and fits: {size}, compiled in {:.1?}",
        path.display(),
        it.contract,
        it.compiled_in
    ))?;
    output::line(&format!("digest   sha256:{}", it.digest))?;
    for (at, import) in it.imports.iter().enumerate() {
        output::line(&format!("{}{import}", if at == 0 { "imports  " } else { "         " }))?;
    }
    let grants = match (it.contract, it.grants.as_slice()) {
        ("command", []) => "what its lines on stdout ask for, such as allow.publish".to_owned(),
        (_, []) => "none".to_owned(),
        (_, grants) => format!("may need {}", grants.join(", ")),
    };
    output::line(&format!("grants   {grants}"))
}
