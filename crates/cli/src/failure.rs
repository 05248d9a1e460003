//! How a command fails: words on stderr and an exit code.

use std::io::{self, Write};
use std::process::ExitCode;

use service::certificate::CertificateError;
use service::config::{ConfigError, KeysError};
use service::error::Chain;
use service::exit;

/// The command line asks for something that cannot be, whatever the state of the system.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// What clap has to say: help and version are no failures.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    // Where stdout or stderr is closed there is nobody to tell.
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(exit::USAGE) } else { ExitCode::SUCCESS }
}

/// Writes the error with its causes.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    if closed_early(error) {
        // `roomwire events list | head` has what it wants.
        return ExitCode::SUCCESS;
    }
    let _ = writeln!(io::stderr(), "error: {}", Chain(error.as_ref()));
    let blames_input = error.chain().any(|cause| {
        cause.is::<Usage>() || cause.is::<ConfigError>() || cause.is::<KeysError>() || cause.is::<CertificateError>()
    });
    ExitCode::from(if blames_input { exit::USAGE } else { exit::FAILURE })
}

fn closed_early(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
