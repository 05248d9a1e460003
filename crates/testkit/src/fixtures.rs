//! Recorded requests and built plugins.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::workspace;

/// The files of recorded webhook requests, one JSON object a line.
pub const RECORDINGS: [&str; 4] = [
    "livekit-1.11.0/meeting.jsonl",
    "livekit-1.11.0/two-rooms-and-abort.jsonl",
    "livekit-1.11.0/retries.jsonl",
    "livekit-sender-1.54.0-all-types.jsonl",
];

/// The path of a file in `crates/testkit/fixtures`.
#[must_use]
pub fn path(name: &str) -> PathBuf {
    workspace().join("crates/testkit/fixtures").join(name)
}

/// The text of a file in `crates/testkit/fixtures`.
///
/// # Errors
/// When there is no such file.
pub fn text(name: &str) -> Result<String> {
    let path = path(name);
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// A built plugin, ready-made or a test guest, by its crate's name.
///
/// # Errors
/// When it is not built; the text says how to build it.
pub fn plugin(name: &str) -> Result<PathBuf> {
    let file = format!("{}.wasm", name.replace('-', "_"));
    let path = workspace().join("plugins/target/wasm32-wasip2/release").join(file);
    if !path.is_file() {
        bail!("{} is not built: run `make plugins`", path.display());
    }
    Ok(path)
}
