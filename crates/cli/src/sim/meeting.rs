//! `roomwire sim meeting`.

use std::collections::VecDeque;
use std::process::ExitCode;

use clap::Args;
use livekit::generate;

use super::flags::TargetFlags;
use super::report::{AHEAD, Report};
use crate::args::Globals;

/// Meetings, all at the same time.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// The room's name; several rooms get numbers behind it
    #[arg(long, default_value = "simulated")]
    room: String,
    /// Participants of each meeting
    #[arg(long, default_value_t = 3, value_name = "NUMBER")]
    participants: usize,
    /// Rooms
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    rooms: usize,
    #[command(flatten)]
    target: TargetFlags,
}

pub(super) async fn run(globals: &Globals, flags: Flags) -> anyhow::Result<ExitCode> {
    let notifier = flags.target.notifier(globals)?;
    let meetings: Vec<Vec<String>> = (0..flags.rooms)
        .map(|number| {
            let room = if flags.rooms == 1 { flags.room.clone() } else { format!("{}-{number}", flags.room) };
            generate::meeting(&room, flags.participants)
        })
        .collect();
    // Turn by turn, so that rooms are mixed as those of a real server are.
    let longest = meetings.iter().map(Vec::len).max().unwrap_or_default();
    let bodies = (0..longest).flat_map(|turn| meetings.iter().filter_map(move |meeting| meeting.get(turn)));
    let mut report = Report::new(globals.output);
    let mut waiting = VecDeque::new();
    for body in bodies {
        if waiting.len() >= AHEAD * flags.rooms {
            report.next(&mut waiting).await?;
        }
        waiting.push_back((body.clone(), notifier.notify(body.clone())));
    }
    while !waiting.is_empty() {
        report.next(&mut waiting).await?;
    }
    Ok(report.exit_code())
}
