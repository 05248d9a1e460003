//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use service::telemetry;

use crate::config::ConfigCommand;
use crate::deploy::{DeployFlags, RollbackFlags};
use crate::dlq::DlqCommand;
use crate::events::EventsCommand;
use crate::handler::HandlerCommand;
use crate::nats::NatsCommand;
use crate::nats_server::LaunchFlags;
use crate::outbox::OutboxCommand;
use crate::output::Format;
use crate::plugin::PluginCommand;
use crate::quarantine::QuarantineCommand;
use crate::sim::SimCommand;
use crate::spool::SpoolCommand;
use crate::up::UpFlags;

/// Roomwire: signed LiveKit webhooks in, NATS JetStream between, WASM handlers out.
#[derive(Debug, Parser)]
#[command(name = "roomwire", version, max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
pub(crate) struct Globals {
    /// Configuration [default: ./roomwire.yaml if it exists, else examples/quickstart/roomwire.yaml if that exists]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// NATS server to use, instead of `nats.url`
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) nats: Option<String>,
    /// Folder with the data of `up`; other commands find a running `up` there
    #[arg(long, global = true, value_name = "DIR", default_value = ".roomwire")]
    pub(crate) data: PathBuf,
    /// What is written to stdout; json is one object a line
    #[arg(long, global = true, value_enum, default_value_t)]
    pub(crate) output: Format,
    /// Say on stderr also what happens in the course of things, such as connections to NATS; `up` always does
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    /// How log lines on stderr look: text or json
    #[arg(long, global = true, value_name = "FORMAT", default_value_t)]
    pub(crate) log_format: telemetry::Format,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run everything in one process: NATS, receiver and runner
    Up(UpFlags),
    /// Check, compare and explain configurations, and give them to a fleet
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Read the stored events
    #[command(subcommand)]
    Events(EventsCommand),
    /// List dead letters, and decide what becomes of them
    #[command(subcommand)]
    Dlq(DlqCommand),
    /// List, pause and resume handlers
    #[command(subcommand)]
    Handler(HandlerCommand),
    /// List what was committed and waits to be sent, and decide about what does not go out by itself
    #[command(subcommand)]
    Outbox(OutboxCommand),
    /// Look into a receiver's spool, or empty it when its receiver is gone
    #[command(subcommand)]
    Spool(SpoolCommand),
    /// List and show refused requests, and store those that are good with today's keys
    #[command(subcommand)]
    Quarantine(QuarantineCommand),
    /// Prepare a NATS server that others administer: streams, buckets, and what each user may
    #[command(subcommand)]
    Nats(NatsCommand),
    /// Write, look at and try handlers, and keep their versions in the registry
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Let a version of its plugin serve a handler, on all runners, and wait until it does
    Deploy(DeployFlags),
    /// Let the version serve a handler that was deployed before, and wait until it does
    Rollback(RollbackFlags),
    /// Show which version of its plugin serves each handler on each runner, and what is wrong
    Status,
    /// Send webhooks as LiveKit does
    #[command(subcommand)]
    Sim(SimCommand),
    /// Becomes the nats-server that `up` supervises
    #[command(hide = true)]
    NatsServer(LaunchFlags),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
