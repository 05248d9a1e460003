//! What the runner can do: compared with workers that are written by hand, and how it changes with load and neighbours.

mod backlog;
mod bare;
mod contestant;
mod curves;
mod drain;
mod latency;
mod load;
mod measure;
mod site;
mod size;
mod state;
mod steady;
mod table;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result};
use bench_receiver::{machine, report};
use clap::{Parser, ValueEnum};

use crate::contestant::{Contestant, Programs};
use crate::size::Size;
use crate::state::Prefilled;

/// Measures the runner.
#[derive(Parser)]
struct Flags {
    /// Everything once and small, to see that it works.
    #[arg(long)]
    quick: bool,
    /// What is measured.
    #[arg(long, value_delimiter = ',', default_value = "drain,latency,poison,acks,rooms,handlers,guests")]
    parts: Vec<Part>,
    /// Who drains.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "sqlite,postgres,node-1-full,node-250-full,node-1-normal,node-250-normal"
    )]
    only: Vec<Contestant>,
    /// How often each drain is measured.
    #[arg(long)]
    rounds: Option<usize>,
    /// Events of a drain.
    #[arg(long)]
    events: Option<usize>,
    /// Rows that are in the ledger before.
    #[arg(long)]
    ledger: Option<u64>,
    /// The binary `roomwire-runner`.
    #[arg(long)]
    runner: PathBuf,
    /// The binary `roomwire-receiver`.
    #[arg(long)]
    receiver: PathBuf,
    /// How they were built, for the table.
    #[arg(long, default_value = "unknown profile")]
    profile: String,
    /// The folder of Roomwire's plugins.
    #[arg(long)]
    plugins: PathBuf,
    /// The folder of the examples in all languages.
    #[arg(long)]
    examples: PathBuf,
    /// The folder of the workers on Node.
    #[arg(long)]
    node: PathBuf,
    /// A file whose generated section is replaced by the results.
    #[arg(long)]
    write: Option<PathBuf>,
}

/// A part of the measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// A backlog, also by other workers.
    Drain,
    /// From a webhook to its commit.
    Latency,
    /// Ever more rooms.
    Rooms,
    /// Ever more handlers.
    Handlers,
    /// Handlers in other languages.
    Guests,
    /// A room that fails always, among others.
    Poison,
    /// What many handlers cost the receiver.
    Acks,
}

#[tokio::main]
async fn main() -> ExitCode {
    match Box::pin(run(&Flags::parse())).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(flags: &Flags) -> Result<()> {
    let started = Instant::now();
    let mut size = if flags.quick { Size::quick() } else { Size::whole() };
    size.rounds = flags.rounds.unwrap_or(size.rounds);
    size.events = flags.events.unwrap_or(size.events);
    size.rows = flags.ledger.unwrap_or(size.rows);
    let absolute = |path: &PathBuf| path.canonicalize().with_context(|| format!("there is no {}", path.display()));
    let programs = Programs {
        runner: flags.runner.clone(),
        receiver: flags.receiver.clone(),
        plugins: absolute(&flags.plugins)?,
        node: flags.node.clone(),
    };
    let elsewhere = Prefilled::new(size.rows_elsewhere)?;
    let head = format!(
        "{}; Roomwire built with {}. Servers, load and worker share the machine. Medians of {} drains of {} events, with {} rows \
         in the ledger before; elsewhere of {} rounds (latencies: {}, acknowledgements: {}, languages: {}), with {} rows; ratios are medians of \
         those within a round.\n",
        machine::describe(),
        flags.profile,
        size.rounds,
        size.events,
        size.rows,
        size.curve_rounds,
        size.steady_rounds,
        size.acks_rounds,
        size.guest_rounds,
        size.rows_elsewhere,
    );
    let mut parts = Vec::new();
    for part in &flags.parts {
        let began = Instant::now();
        parts.push(measure(*part, flags, &size, &programs, &elsewhere).await?);
        eprintln!("==> {part:?} took {} s", began.elapsed().as_secs());
        // After each part, so that one that fails costs no other one.
        if let Some(file) = &flags.write {
            report::write_parts(file, "bench-runner", &head, &parts)?;
        }
    }
    println!("{head}\n{}", parts.join("\n"));
    eprintln!("==> done in {} s", started.elapsed().as_secs());
    Ok(())
}

async fn measure(part: Part, flags: &Flags, size: &Size, programs: &Programs, elsewhere: &Prefilled) -> Result<String> {
    match part {
        Part::Drain => drain::compare(size, programs, &Prefilled::new(size.rows)?, &flags.only).await,
        Part::Latency => steady::latencies(size, programs, elsewhere).await,
        Part::Rooms => curves::rooms(size, programs, elsewhere).await,
        Part::Handlers => curves::handlers(size, programs, elsewhere).await,
        Part::Guests => curves::guests(size, programs, elsewhere, &flags.examples.canonicalize()?).await,
        Part::Poison => steady::poison(size, programs, elsewhere).await,
        Part::Acks => steady::acknowledgements(size, programs, elsewhere).await,
    }
}
