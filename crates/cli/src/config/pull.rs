//! `roomwire config pull`: the configuration that the fleet runs by.

use std::process::ExitCode;

use anyhow::bail;
use async_nats::jetstream;
use clap::Args;
use runner::pushed::Pushed;
use serde_json::json;

use super::fleet;
use crate::args::Globals;
use crate::output::{self, Format};

/// Which one.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// An older one, by its revision; 64 are kept
    #[arg(long, value_name = "NUMBER")]
    revision: Option<u64>,
}

pub(super) async fn run(globals: &Globals, flags: &Flags) -> anyhow::Result<ExitCode> {
    let (connection, config) = fleet(globals, None).await?;
    let js = jetstream::new(connection.client.clone());
    let history = Pushed::open(&js, &config.topology()).await?.history().await?;
    let Some(newest) = history.first() else { bail!("nothing was pushed yet; `roomwire config push` does") };
    let wanted = flags.revision.unwrap_or(newest.number);
    let Some(found) = history.iter().find(|revision| revision.number == wanted) else {
        let kept: Vec<String> = history.iter().map(|revision| revision.number.to_string()).collect();
        bail!("there is no revision {wanted}; kept are {}", kept.join(", "));
    };
    match globals.output {
        Format::Json => output::json(&json!({"revision": found.number, "text": found.text}))?,
        Format::Text => output::line(found.text.trim_end())?,
    }
    Ok(ExitCode::SUCCESS)
}
