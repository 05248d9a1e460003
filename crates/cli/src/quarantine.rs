//! `roomwire quarantine`: the requests that a receiver refused, read from the streams themselves.

mod entry;
mod filter;
mod list;
mod reverify;
mod show;
mod streams;

use clap::{Args, Subcommand};
use event::quarantine::Class;
use service::config::Config;

use crate::args::Globals;
use crate::events::since;
use crate::target;
use entry::Reference;
use filter::Filter;
use streams::ClassStream;

#[derive(Debug, Subcommand)]
pub(crate) enum QuarantineCommand {
    /// List refused requests, the newest first
    List(ListFlags),
    /// Show one refused request: why, from whom, its token taken apart, its body
    Show(ShowFlags),
    /// Judge refused requests again, each at the time of its arrival, and store the events that are good with today's keys
    Reverify(ReverifyFlags),
}

#[derive(Debug, Args)]
pub(crate) struct ListFlags {
    /// Only those refused for this reason, such as `bad_signature`
    #[arg(long)]
    reason: Option<String>,
    /// Only those whose token names this API key
    #[arg(long, value_name = "NAME")]
    key_name: Option<String>,
    /// Only those of this class: signed, named or unknown
    #[arg(long)]
    class: Option<Class>,
    /// Only those received since then: a time such as 2026-01-31T12:00:00Z, or how long ago, such as 10m
    #[arg(long, value_parser = since)]
    since: Option<jiff::Timestamp>,
    /// The most that are listed
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

#[derive(Debug, Args)]
pub(crate) struct ShowFlags {
    /// The request, as the list names it: named-17; the number alone where only one class has it
    #[arg(value_name = "SEQ")]
    reference: Reference,
    /// Show the token as it came: whoever has it can send the same request again while it is valid
    #[arg(long)]
    raw: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReverifyFlags {
    /// Say what would become of each, and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(globals: &Globals, command: QuarantineCommand) -> anyhow::Result<()> {
    let config = target::config(globals)?;
    match command {
        QuarantineCommand::List(flags) => {
            let ListFlags { reason, key_name, class, since, limit } = flags;
            let filter = Filter { reason, key_name, class, since };
            list::run(globals.output, &open(globals, &config).await?, &filter, limit).await
        }
        QuarantineCommand::Show(ShowFlags { reference, raw }) => {
            show::run(globals.output, &open(globals, &config).await?, reference, raw).await
        }
        QuarantineCommand::Reverify(flags) => reverify::run(globals, &config, flags.dry_run).await,
    }
}

async fn open(globals: &Globals, config: &Config) -> anyhow::Result<Vec<ClassStream>> {
    let connection = target::connection(globals, config).await?;
    streams::open(&async_nats::jetstream::new(connection.client), &config.nats.prefix).await
}
