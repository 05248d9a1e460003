//! `roomwire nats-server`: becomes nats-server after it has tied its life to that of `up`.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use clap::Args;

/// What becomes of this process.
#[derive(Debug, Args)]
pub(crate) struct LaunchFlags {
    /// The process that started this one
    #[arg(long)]
    pub(super) parent: u32,
    /// The nats-server binary
    #[arg(long)]
    pub(super) binary: PathBuf,
    /// Its configuration
    #[arg(long)]
    pub(super) config: PathBuf,
}

/// Why it did not become nats-server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LaunchError {
    #[cfg(target_os = "linux")]
    #[error("cannot ask for a signal at the end of the parent process")]
    Signal(#[source] io::Error),
    #[error("the process that started this one has ended")]
    Orphan,
    #[error("cannot run {}", path.display())]
    Exec {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// Replaces this process by nats-server. Returns only when that fails.
pub(crate) fn launch(flags: &LaunchFlags) -> LaunchError {
    // The kernel keeps the wish over `exec`. SIGTERM, because nats-server then closes its files in order.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM)) {
        return LaunchError::Signal(error.into());
    }
    // The parent may have ended before the kernel knew the wish.
    if std::os::unix::process::parent_id() != flags.parent {
        return LaunchError::Orphan;
    }
    let source = Command::new(&flags.binary).arg("-c").arg(&flags.config).exec();
    LaunchError::Exec { path: flags.binary.clone(), source }
}
