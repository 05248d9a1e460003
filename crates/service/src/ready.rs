//! The ready file: written when everything serves, read by whoever started the process.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Where a ready process can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// The URL that LiveKit posts its webhooks to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub webhook: Option<String>,
    /// The base URL of `/livez`, `/readyz` and `/metrics`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub admin: Option<String>,
    /// The NATS URL, with the credentials that it takes.
    pub nats: String,
    /// The process.
    pub pid: u32,
}

/// Why the ready file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the ready file {}; its folder must exist and be writable", path.display())]
pub struct ReadyError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Writes `ready` as JSON beside `path` and renames it into place, so that a reader sees all of it or nothing.
/// Only the owner may read it: the NATS URL can hold a password.
///
/// # Errors
///
/// When the folder is missing or not writable.
pub fn write(path: &Path, ready: &Ready) -> Result<(), ReadyError> {
    replace(path, ready).map_err(|source| ReadyError { path: path.to_owned(), source })
}

fn replace(path: &Path, ready: &Ready) -> io::Result<()> {
    let mut name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?.to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let mut file: File = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    let written = serde_json::to_writer(&mut file, ready)
        .map_err(io::Error::from)
        .and_then(|()| file.write_all(b"\n"))
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The first failure is the one to report.
        let _ = fs::remove_file(&temporary);
    }
    written
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_file_appears_whole_and_only_the_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ready.json");
        let ready = Ready { webhook: None, admin: None, nats: "nats://roomwire:secret@127.0.0.1:4222".into(), pid: 7 };
        write(&path, &ready).unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "{\"nats\":\"nats://roomwire:secret@127.0.0.1:4222\",\"pid\":7}\n"
        );
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
    }
}
