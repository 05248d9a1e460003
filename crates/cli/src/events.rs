//! `roomwire events`: what is stored, read from the streams themselves.

mod filter;
mod list;
mod row;
pub(crate) mod shards;
mod tail;

use clap::{Args, Subcommand};

use crate::args::Globals;
use crate::target;
pub(crate) use filter::since;

#[derive(Debug, Subcommand)]
pub(crate) enum EventsCommand {
    /// List stored events, the oldest first
    List(ListFlags),
    /// Show events as they are stored, until Ctrl-C
    Tail(FilterFlags),
}

#[derive(Debug, Args)]
pub(crate) struct ListFlags {
    #[command(flatten)]
    filter: FilterFlags,
    /// The most that are listed: the newest ones
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

#[derive(Debug, Args)]
pub(crate) struct FilterFlags {
    /// Only events of this type
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Only events of the room with this name
    #[arg(long)]
    room: Option<String>,
    /// Only events with this ordering key
    #[arg(long)]
    key: Option<String>,
    /// Only events received since then: a time such as 2026-01-31T12:00:00Z, or how long ago, such as 10m
    #[arg(long, value_parser = since)]
    since: Option<jiff::Timestamp>,
}

pub(crate) async fn run(globals: &Globals, command: EventsCommand) -> anyhow::Result<()> {
    let config = target::config(globals)?;
    let connection = target::connection(globals, &config).await?;
    let context = async_nats::jetstream::new(connection.client);
    let shards = shards::open(&context, &config.nats.prefix).await?;
    match command {
        EventsCommand::List(flags) => {
            list::run(globals.output, &shards, &filter::Filter::new(flags.filter), flags.limit).await
        }
        EventsCommand::Tail(flags) => tail::run(globals.output, &shards, &filter::Filter::new(flags)).await,
    }
}
