//! The nats-server of an earlier `up` that did not end with it.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

use super::NatsServerError;
use super::settings::Settings;

/// How long it may take to end after SIGTERM, and again after SIGKILL.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(20);

/// Ends a nats-server that still runs on this data folder. The caller holds the folder's lock, so no `up` needs it.
pub(super) async fn stop(settings: &Settings) -> Result<(), NatsServerError> {
    let text = fs::read_to_string(settings.pid_file()).unwrap_or_default();
    let Some(pid) = text.trim().parse().ok().and_then(Pid::from_raw) else { return Ok(()) };
    let raw = pid.as_raw_pid();
    let data = &settings.folder;
    let is_ours = || {
        runs_with(raw, &settings.config_file()).map_err(|source| NatsServerError::Leftover {
            pid: raw,
            data: data.clone(),
            source,
        })
    };
    for signal in [Signal::TERM, Signal::KILL] {
        if !is_ours()? {
            return Ok(());
        }
        tracing::info!(pid = raw, "stopping the nats-server of an earlier run");
        match kill_process(pid, signal) {
            Ok(()) | Err(Errno::SRCH) => {}
            Err(error) => {
                return Err(NatsServerError::Leftover { pid: raw, data: data.clone(), source: error.into() });
            }
        }
        let gone = async {
            while is_ours()? {
                tokio::time::sleep(LOOK).await;
            }
            Ok(())
        };
        if let Ok(result) = tokio::time::timeout(PATIENCE, gone).await {
            return result;
        }
    }
    Err(NatsServerError::LeftoverStays { pid: raw })
}

/// Whether this process is a nats-server with our configuration. Its number may be another process's by now.
fn runs_with(pid: i32, config: &Path) -> io::Result<bool> {
    match fs::read(format!("/proc/{pid}/cmdline")) {
        // A zombie has no arguments.
        Ok(arguments) => {
            let mut arguments = arguments.split(|byte| *byte == 0);
            Ok(arguments.any(|argument| argument == config.as_os_str().as_bytes()))
        }
        // ESRCH: it ended while its file was being read.
        Err(error)
            if error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) =>
        {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}
