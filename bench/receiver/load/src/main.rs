//! Compares receivers: the same signed webhooks to each of them in turn, and a table of what came of it.

mod ceiling;
mod contestant;
mod load;
mod plan;
mod results;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bench_receiver::{machine, report};
use clap::Parser;
use testkit::{NatsServer, NatsSettings};

use crate::contestant::{Contestant, Programs};
use crate::plan::{Cell, Plan, Sync};
use crate::results::{Measured, Results};
use bench_receiver::signed::Signed;

/// How often a measurement is tried.
const ATTEMPTS: usize = 3;

/// Compares receivers of LiveKit's webhooks.
#[derive(Parser)]
struct Flags {
    /// One round of short measurements.
    #[arg(long)]
    quick: bool,
    /// How often each measurement is made.
    #[arg(long)]
    rounds: Option<usize>,
    /// Seconds of one measurement.
    #[arg(long)]
    seconds: Option<f64>,
    /// Seconds of load before it.
    #[arg(long, default_value_t = 0.8)]
    warm_up: f64,
    /// Whom to measure.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "express,go,roomwire-1,roomwire-4,roomwire-8,raw-1,raw-4,raw-8"
    )]
    only: Vec<Contestant>,
    /// How the server syncs its files.
    #[arg(long, value_delimiter = ',', default_value = "default,always")]
    sync: Vec<Sync>,
    /// Connections that send at a time.
    #[arg(long, value_delimiter = ',', default_value = "64,256")]
    connections: Vec<usize>,
    /// Webhooks that are signed beforehand; a measurement ends early when they are used up.
    #[arg(long, default_value_t = 220_000)]
    requests: usize,
    /// The binary `roomwire-receiver`.
    #[arg(long)]
    receiver: PathBuf,
    /// How it was built, for the table.
    #[arg(long, default_value = "unknown profile")]
    profile: String,
    /// The folder of the Express receiver.
    #[arg(long)]
    express: PathBuf,
    /// The Go receiver.
    #[arg(long)]
    go: PathBuf,
    /// A file whose generated section is replaced by the results.
    #[arg(long)]
    write: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Flags::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(flags: &Flags) -> Result<()> {
    let started = Instant::now();
    let plan = Plan {
        contestants: flags.only.clone(),
        sync: flags.sync.clone(),
        connections: flags.connections.clone(),
        rounds: flags.rounds.unwrap_or(if flags.quick { 1 } else { 3 }),
    };
    let lasting = load::Lasting {
        warm_up: Duration::try_from_secs_f64(flags.warm_up).context("--warm-up")?,
        measured: Duration::try_from_secs_f64(flags.seconds.unwrap_or(if flags.quick { 1.5 } else { 2.5 }))
            .context("--seconds")?,
    };
    let programs = Programs { receiver: flags.receiver.clone(), express: flags.express.clone(), go: flags.go.clone() };
    contestant::check(&plan.contestants, &programs)?;
    eprintln!("==> signing {} webhooks", flags.requests);
    let signed = Signed::make(flags.requests)?;
    let mut results = Results::default();
    let cells = plan.cells();
    for (n, cell) in cells.iter().enumerate() {
        let measured = measure_surely(cell, &programs, &signed, lasting)?;
        eprintln!("==> {}/{} {cell}: {measured}", n + 1, cells.len());
        results.add(cell, measured);
    }
    let go = machine::version(&mut std::process::Command::new("go"), "version").replace("go version ", "");
    let machine = format!(
        "{}; {go}; Roomwire built with {}. Load generator, server and receiver share the machine. Medians of {} rounds of {} s \
         each; ratios are medians of those within a round.",
        machine::describe(),
        flags.profile,
        plan.rounds,
        lasting.measured.as_secs_f64(),
    );
    let text = table::markdown(&plan, &results, &machine);
    println!("{text}");
    eprintln!("==> done in {} s", started.elapsed().as_secs());
    if let Some(file) = &flags.write {
        report::write(file, "bench-receiver", &text)?;
        eprintln!("==> written to {}", file.display());
    }
    Ok(())
}

/// One measurement. What fails on a machine that is busy otherwise is made again, so that it does not end all the others.
fn measure_surely(cell: &Cell, programs: &Programs, signed: &Signed, lasting: load::Lasting) -> Result<Measured> {
    for _ in 1..ATTEMPTS {
        match measure(cell, programs, signed, lasting) {
            Ok(measured) => return Ok(measured),
            Err(error) => eprintln!("==> {cell}: {error:#}; measuring again"),
        }
    }
    measure(cell, programs, signed, lasting).with_context(|| format!("{cell}, {ATTEMPTS} times"))
}

/// One measurement, with a server and a receiver of its own: nothing of another one is warm, full or known.
fn measure(cell: &Cell, programs: &Programs, signed: &Signed, lasting: load::Lasting) -> Result<Measured> {
    if let Contestant::Raw(shards) = cell.contestant {
        return ceiling::measure(server(cell.sync), shards, signed, lasting);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let nats = server(cell.sync).await?;
        let running = contestant::start(cell.contestant, programs, &nats).await?;
        let loaded = load::run(&running, signed, cell.connections, lasting).await;
        let loaded = loaded.with_context(|| format!("the receiver says: {}", last_line(&running.process.log())))?;
        contestant::check_stored(cell.contestant, &nats, loaded.sent).await?;
        Ok(loaded.measured)
    })
}

fn last_line(log: &str) -> &str {
    log.trim_end().lines().next_back().unwrap_or("nothing")
}

async fn server(sync: Sync) -> Result<NatsServer> {
    NatsServer::start_with(NatsSettings { sync_interval: sync.interval().to_owned(), ..NatsSettings::default() }).await
}
