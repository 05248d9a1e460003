//! What a handler called outside, in a file; that of a test is beside it: `joined.calls.json` for `joined.json`.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use runner::workbench::Call;

use crate::failure::Usage;

const ENDING: &str = ".calls.json";

/// Whether a file is a recording, and no test.
pub(super) fn is_one(path: &Path) -> bool {
    path.to_string_lossy().ends_with(ENDING)
}

/// Where the calls of a test are.
pub(super) fn beside(test: &Path) -> PathBuf {
    let name = test.file_stem().unwrap_or_default().to_string_lossy();
    test.with_file_name(format!("{name}{ENDING}"))
}

/// The calls in a file; none where it need not be there, and is not.
pub(super) fn read(path: &Path, needed: bool) -> anyhow::Result<Vec<Call>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound && !needed => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let calls = serde_json::from_str(&text).map_err(|error| {
        Usage(format!("{} is no recording: {error}; write it anew with `--record`", path.display()))
    })?;
    Ok(calls)
}

/// Writes calls; where there are none there is no file.
pub(super) fn write(path: &Path, calls: &[Call]) -> anyhow::Result<()> {
    if calls.is_empty() {
        return match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", path.display()))
            }
            _ => Ok(()),
        };
    }
    let text = serde_json::to_string_pretty(calls).context("a recording cannot be written")? + "\n";
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
