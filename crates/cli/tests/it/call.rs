//! Calls the binary.

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// What a call wrote and returned.
pub(crate) struct Called {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Called {
    /// The objects on stdout, one a line.
    pub(crate) fn json(&self) -> Vec<serde_json::Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// A folder of its own to call `roomwire` in.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    /// Calls it and waits for its end.
    pub(crate) fn call(&self, arguments: &[&str]) -> Called {
        let output = self.command(arguments).output().unwrap();
        let Output { status, stdout, stderr } = output;
        Called {
            code: status.code().unwrap(),
            stdout: String::from_utf8(stdout).unwrap(),
            stderr: String::from_utf8(stderr).unwrap(),
        }
    }

    /// As `call`, from async code that must go on meanwhile.
    #[expect(clippy::unused_async, reason = "only async code may call it")]
    pub(crate) async fn call_beside(&self, arguments: &[&str]) -> Called {
        tokio::task::block_in_place(|| self.call(arguments))
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_roomwire"));
        command.args(arguments).current_dir(self.path()).env_remove("ROOMWIRE_LOG");
        command.env("RUST_LOG", "info").env("COLUMNS", "100");
        command
    }
}
