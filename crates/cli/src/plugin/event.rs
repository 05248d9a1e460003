//! `--event`: a type of LiveKit's, of which an event is made, or a file with a body.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use clap::Args;
use livekit::generate::{self, KINDS, Names};
use runner::workbench::Trial;

use crate::failure::Usage;

/// Which event.
#[derive(Debug, Args)]
pub(crate) struct EventFlags {
    /// The event: a type of LiveKit's, or a file with the body of a webhook
    #[arg(long, value_name = "TYPE|FILE", default_value = "participant_joined")]
    event: String,
    /// Name of the room, where the event is made
    #[arg(long, default_value = "stand-up")]
    room: String,
    /// Identity of the participant, where the event is made
    #[arg(long, default_value = "ada")]
    identity: String,
    /// Which attempt it is
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    attempt: u32,
}

impl EventFlags {
    /// The event that is meant.
    pub(super) fn trial(&self) -> anyhow::Result<Trial> {
        let trial = Trial::new(self.body()?).map_err(|error| Usage(format!("{}: {error}", self.event)))?;
        Ok(trial.attempt(self.attempt))
    }

    /// Its body.
    pub(crate) fn body(&self) -> anyhow::Result<String> {
        let body = if KINDS.contains(&self.event.as_str()) {
            generate::event(&self.event, &Names::new(&self.room, &self.identity))
        } else if Path::new(&self.event).is_file() {
            fs::read_to_string(&self.event).with_context(|| format!("cannot read the event in {}", self.event))?
        } else {
            let kinds = KINDS.join(", ");
            return Err(Usage(format!("`{}` is no file and no type of event; there are: {kinds}", self.event)).into());
        };
        Ok(body)
    }
}
