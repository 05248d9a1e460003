//! What a command works on: the configuration and the NATS server it means.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use service::config::{Config, DEFAULT_FILE, load};
use service::nats::{Connection, FirstConnect, client_name, connect};
use service::ready::Ready;

use crate::args::Globals;
use crate::failure::Usage;

/// Where the configuration is looked for when none is named.
const CANDIDATES: [&str; 2] = [DEFAULT_FILE, "examples/quickstart/roomwire.yaml"];

/// Where in its data folder a running `up` writes how to reach it.
const RUNNING: &str = "up.json";

/// The configuration of this call; a NATS server on the command line goes before the one in the file.
pub(crate) fn config(globals: &Globals) -> anyhow::Result<Config> {
    let mut config = match file(globals) {
        Some(path) => load(&path)?,
        None => Config::default(),
    };
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    if let Some(url) = &globals.nats {
        config.nats.url = Some(url.clone());
    }
    Ok(config)
}

/// The file that holds the configuration of this call.
pub(crate) fn file(globals: &Globals) -> Option<PathBuf> {
    let candidates = || CANDIDATES.iter().map(PathBuf::from).find(|path| path.is_file());
    globals.config.clone().or_else(candidates)
}

/// Where `up` with this data folder writes how to reach it.
pub(crate) fn running_file(data: &Path) -> PathBuf {
    data.join(RUNNING)
}

/// The `up` that runs on this data folder.
pub(crate) fn running(data: &Path) -> Option<Ready> {
    let ready: Ready = serde_json::from_slice(&fs::read(running_file(data)).ok()?).ok()?;
    // The file of an `up` that was killed stays.
    Path::new(&format!("/proc/{}", ready.pid)).exists().then_some(ready)
}

/// Connects to the NATS server that `--nats` names, or the configuration, or a running `up`.
pub(crate) async fn connection(globals: &Globals, config: &Config) -> anyhow::Result<Connection> {
    let mut section = config.nats.clone();
    if section.url.is_none() {
        let running = running(&globals.data).ok_or_else(|| {
            Usage(format!(
                "no NATS server is named and no `roomwire up` runs on {}; start one, or name a server with `--nats` or \
                 `nats.url`",
                globals.data.display()
            ))
        })?;
        section.url = Some(running.nats);
    }
    connect(&section, client_name::CLI, FirstConnect::Fail).await.context("this command needs NATS")
}
