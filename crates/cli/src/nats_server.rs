//! The nats-server that `up` starts, watches and stops.
//!
//! It runs in a process group of its own, so that Ctrl-C reaches it only after everything else has drained, and it ends
//! when `up` ends, however that happens: the process is started as `roomwire nats-server`, which asks the kernel for a
//! signal at the death of its parent and then becomes nats-server.

mod binary;
mod launch;
mod leftover;
mod process;
mod settings;

use std::io;
use std::path::PathBuf;

pub(crate) use binary::{BinaryError, find};
pub(crate) use launch::{LaunchFlags, launch};
pub(crate) use process::NatsServer;
pub(crate) use settings::Settings;

/// Why there is no nats-server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NatsServerError {
    #[error("{0}")]
    Binary(#[from] BinaryError),
    #[error("cannot write {}", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot start {}", path.display())]
    Spawn {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("nats-server did not come up; the end of {}:\n{tail}", log.display())]
    DidNotStart { log: PathBuf, tail: String },
    #[error("no free port was found for nats-server; name a running server with `--nats`")]
    NoPort,
    #[error("cannot find out whether the nats-server of an earlier run (process {pid}) still runs on {}", data.display())]
    Leftover {
        pid: i32,
        data: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the nats-server of an earlier run (process {pid}) does not end; end it with `kill -9 {pid}`")]
    LeftoverStays { pid: i32 },
}
