//! `roomwire dlq`: dead letters, as the runner has them in its store.

mod decide;
mod filter;
mod letter;
mod list;
mod show;

use clap::{Args, Subcommand};

use crate::args::Globals;
use crate::control::Control;
use crate::target;
use decide::{DecideFlags, Decision};
use filter::Filter;

#[derive(Debug, Subcommand)]
pub(crate) enum DlqCommand {
    /// List dead letters, the newest first
    List(ListFlags),
    /// Show one event's dead letter with its history and body
    Show(ShowFlags),
    /// Count dead letters by what they died of
    Group(Filter),
    /// Let dead letters be handled again, each in its place in its room
    Redrive(DecideFlags),
    /// Give dead letters up: they count as skipped, and rooms that they hold go on
    Skip(DecideFlags),
    /// Give dead letters up and erase their bodies
    Drop(DecideFlags),
}

#[derive(Debug, Args)]
pub(crate) struct ListFlags {
    #[command(flatten)]
    filter: Filter,
    /// The most that are listed
    #[arg(long, default_value_t = 100)]
    limit: u32,
}

#[derive(Debug, Args)]
pub(crate) struct ShowFlags {
    /// The event's id
    id: String,
    /// Only the dead letter of this handler
    #[arg(long)]
    handler: Option<String>,
}

pub(crate) async fn run(globals: &Globals, command: DlqCommand) -> anyhow::Result<()> {
    let config = target::config(globals)?;
    let connection = target::connection(globals, &config).await?;
    let (format, control) = (globals.output, Control::new(connection.client, &config.nats.prefix));
    match command {
        DlqCommand::List(flags) => list::list(format, &control, &flags).await,
        DlqCommand::Show(flags) => show::run(format, &control, flags).await,
        DlqCommand::Group(filter) => list::group(format, &control, &filter).await,
        DlqCommand::Redrive(flags) => decide::run(format, &control, Decision::Redrive, flags).await,
        DlqCommand::Skip(flags) => decide::run(format, &control, Decision::Skip, flags).await,
        DlqCommand::Drop(flags) => decide::run(format, &control, Decision::Drop, flags).await,
    }
}
