//! `roomwire sim`: sends webhooks as LiveKit does.

mod flags;
mod load;
mod meeting;
mod replay;
mod report;
mod send;

use std::process::ExitCode;

use clap::Subcommand;

use crate::args::Globals;

#[derive(Debug, Subcommand)]
pub(crate) enum SimCommand {
    /// Send one event
    Send(send::Flags),
    /// Send the events of a whole meeting
    Meeting(meeting::Flags),
    /// Send the requests of a recording in their order, signed anew
    Replay(replay::Flags),
    /// Send many meetings at a steady rate, and judge what became of them
    Load(load::Flags),
}

/// The exit code is 0 when everything that was sent was accepted.
pub(crate) async fn run(globals: &Globals, command: SimCommand) -> anyhow::Result<ExitCode> {
    match command {
        SimCommand::Send(flags) => send::run(globals, flags).await,
        SimCommand::Meeting(flags) => meeting::run(globals, flags).await,
        SimCommand::Replay(flags) => replay::run(globals, flags).await,
        SimCommand::Load(flags) => load::run(globals, flags).await,
    }
}
