//! `roomwire sim send`.

use std::process::ExitCode;

use clap::Args;
use livekit::generate::{self, KINDS, Names};

use super::flags::TargetFlags;
use super::report::Report;
use crate::args::Globals;

/// One event.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// Its type; one that LiveKit does not have is sent too
    #[arg(long = "type", value_name = "TYPE", default_value = "room_started", help = kinds())]
    kind: String,
    /// The room's name
    #[arg(long, default_value = "simulated")]
    room: String,
    /// The participant's identity
    #[arg(long, default_value = "user-0")]
    identity: String,
    /// Write a space after each comma of the body, as some builds of LiveKit do
    #[arg(long)]
    spaced: bool,
    #[command(flatten)]
    target: TargetFlags,
}

fn kinds() -> String {
    format!("Its type: {}; another is sent as a type that is new", KINDS.join(", "))
}

pub(super) async fn run(globals: &Globals, flags: Flags) -> anyhow::Result<ExitCode> {
    let names = Names { spaced: flags.spaced, ..Names::new(&flags.room, &flags.identity) };
    let body = generate::event(&flags.kind, &names);
    let notifier = flags.target.notifier(globals)?;
    let mut report = Report::new(globals.output);
    if let Ok(delivery) = notifier.notify(body.clone()).await {
        report.sent(&body, &delivery)?;
    }
    Ok(report.exit_code())
}
