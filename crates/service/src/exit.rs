//! The exit codes that every Roomwire binary uses; 0 is success.

/// Something failed while it ran.
pub const FAILURE: u8 = 1;

/// The command line or the configuration is wrong: the same call fails again until it is changed.
pub const USAGE: u8 = 64;

/// Says on stderr why the process ends, and gives the code to end with.
#[must_use]
pub fn with(code: u8, why: &str) -> std::process::ExitCode {
    use std::io::Write as _;
    // Where stderr is closed there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "error: {why}");
    std::process::ExitCode::from(code)
}
