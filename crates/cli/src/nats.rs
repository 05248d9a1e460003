//! `roomwire nats`: what Roomwire needs of a NATS server that others administer.

mod apply;
mod permissions;
mod roles;

use clap::Subcommand;

use crate::args::Globals;

#[derive(Debug, Subcommand)]
pub(crate) enum NatsCommand {
    /// Make the streams and buckets that are missing, and set the limits of streams to those of the configuration
    Apply,
    /// Write what each user of a NATS server must be allowed, for its configuration: receiver, runner, operator
    Permissions(permissions::Flags),
}

pub(crate) async fn run(globals: &Globals, command: NatsCommand) -> anyhow::Result<()> {
    match command {
        NatsCommand::Apply => Box::pin(apply::run(globals)).await,
        NatsCommand::Permissions(flags) => permissions::run(globals, &flags),
    }
}
