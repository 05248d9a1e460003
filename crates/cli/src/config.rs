//! `roomwire config`: is a configuration right, what would it change, and what does a whole fleet run by?

mod diff;
mod explain;
mod pull;
mod push;
mod validate;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use service::config::{Config, ConfigError, DEFAULT_FILE, SCHEMA, load};
use service::nats::Connection;

use crate::args::Globals;
use crate::failure::Usage;
use crate::output;
use crate::target;

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check a configuration: keys, values, expressions, and that the plugins' files are there (exit code 64: it is wrong)
    Validate(validate::Flags),
    /// Show what changes from one configuration to another, or from what the fleet runs by to this one, and what it means
    /// (exit code 1: a running runner would refuse it)
    Diff(diff::Flags),
    /// Show which handlers take an event, which clause decides, and where it is put in order
    Explain(explain::Flags),
    /// Give a configuration to the runners that take theirs from NATS, and wait for what each makes of it (exit code 1: one
    /// refused it, and the old one is in force again; or somebody else was quicker)
    Push(push::Flags),
    /// Write the configuration that the fleet runs by to stdout
    Pull(pull::Flags),
    /// Write a JSON schema of the configuration to stdout, for editors that complete and check by one
    Schema,
}

pub(crate) async fn run(globals: &Globals, command: &ConfigCommand) -> anyhow::Result<ExitCode> {
    match command {
        ConfigCommand::Validate(flags) => validate::run(globals, flags),
        ConfigCommand::Diff(flags) => diff::run(globals, flags).await,
        ConfigCommand::Explain(flags) => explain::run(globals, flags),
        ConfigCommand::Push(flags) => Box::pin(push::run(globals, flags)).await,
        ConfigCommand::Pull(flags) => pull::run(globals, flags).await,
        ConfigCommand::Schema => {
            output::line(SCHEMA.trim_end())?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// A file with all that can be known of it without running it.
fn checked(path: &Path) -> anyhow::Result<Config> {
    let config = load(path)?;
    runner::Config::new(&config, config.state.url.clone()).map_err(|problems| ConfigError::Invalid { problems })?;
    Ok(config)
}

/// The file that was named, else the one that every command takes.
fn named(globals: &Globals, file: Option<&PathBuf>) -> Option<PathBuf> {
    file.cloned().or_else(|| target::file(globals))
}

/// A file as if it stood where the fleet's does: then the same relative path is the same path.
fn in_place_of(path: &Path, place: &Path) -> anyhow::Result<Config> {
    let text = text_of(path)?;
    Ok(service::config::parse(&text, place)?)
}

fn text_of(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Where a fleet's configuration is said to stand.
fn fleets_place() -> &'static Path {
    Path::new(DEFAULT_FILE)
}

/// Connects to the NATS of `--config`, else of the file at hand.
async fn fleet(globals: &Globals, file: Option<&Config>) -> anyhow::Result<(Connection, Config)> {
    let mut config = match (&globals.config, file) {
        (None, Some(file)) => file.clone(),
        _ => target::config(globals)?,
    };
    if let Some(url) = &globals.nats {
        config.nats.url = Some(url.clone());
    }
    if let Some(file) = file.filter(|file| file.stated.contains("nats") && file.nats.prefix != config.nats.prefix) {
        let (other, prefix) = (&file.nats.prefix, &config.nats.prefix);
        return Err(Usage(format!("`nats.prefix` is `{other}` in the file, and the fleet's is `{prefix}`")).into());
    }
    let connection = target::connection(globals, &config).await?;
    Ok((connection, config))
}
