//! Who drains, and how a worker on Node is started.

use std::fmt;
use std::path::PathBuf;
use std::process::Command;
use std::str::FromStr;

use anyhow::{Context as _, Result};
use testkit::{NatsServer, Process};

use crate::site::SOON;
use crate::state::State;

/// Whether a commit waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Synchronous {
    /// It does.
    Full,
    /// It does not: what was committed may be gone with the machine's power.
    Normal,
}

/// Who drains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Contestant {
    /// Ours on SQLite, which always waits for the disk.
    Sqlite,
    /// Ours on PostgreSQL, which waits for the disk too.
    Postgres,
    /// A worker on Node and SQLite that takes so many events into one transaction.
    Node(u32, Synchronous),
}

impl Contestant {
    pub(crate) fn is_ours(self) -> bool {
        !matches!(self, Self::Node(..))
    }
}

impl fmt::Display for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite => f.write_str("sqlite"),
            Self::Postgres => f.write_str("postgres"),
            Self::Node(batch, Synchronous::Full) => write!(f, "node-{batch}-full"),
            Self::Node(batch, Synchronous::Normal) => write!(f, "node-{batch}-normal"),
        }
    }
}

impl FromStr for Contestant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let node = || {
            let (batch, synchronous) = text.strip_prefix("node-")?.split_once('-')?;
            let synchronous = match synchronous {
                "full" => Synchronous::Full,
                "normal" => Synchronous::Normal,
                _ => return None,
            };
            Some(Self::Node(batch.parse().ok().filter(|batch| *batch > 0)?, synchronous))
        };
        match text {
            "sqlite" => Some(Self::Sqlite),
            "postgres" => Some(Self::Postgres),
            _ => node(),
        }
        .ok_or_else(|| format!("`{text}` is not measured; write sqlite, postgres, node-1-full or node-250-normal"))
    }
}

/// Where the programs are.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    pub(crate) runner: PathBuf,
    pub(crate) receiver: PathBuf,
    /// The folder of the plugins that Roomwire has.
    pub(crate) plugins: PathBuf,
    pub(crate) node: PathBuf,
}

/// Starts a worker on Node and waits until it consumes.
pub(crate) async fn node(
    (batch, synchronous): (u32, Synchronous),
    programs: &Programs,
    nats: &NatsServer,
    state: &State,
) -> Result<Process> {
    let mut node = Command::new("node");
    node.arg("worker.mjs").current_dir(&programs.node).env("NODE_ENV", "production").env("NATS_URL", nats.url());
    node.env("DATABASE", state.file().context("Node works on SQLite")?).env("BATCH", batch.to_string());
    node.env("SYNCHRONOUS", if synchronous == Synchronous::Full { "FULL" } else { "NORMAL" });
    let process = Process::spawn("node", node)?;
    process.wait_log("consuming", SOON).await?;
    Ok(process)
}

#[test]
fn each_is_written_as_it_is_read() {
    for name in ["sqlite", "postgres", "node-1-full", "node-250-normal"] {
        assert_eq!(name.parse::<Contestant>().as_ref().map(ToString::to_string), Ok(name.to_owned()));
    }
    for name in ["", "node", "node-0-full", "node-1", "node-1-off", "sqlite-1"] {
        assert!(name.parse::<Contestant>().is_err(), "{name}");
    }
}
