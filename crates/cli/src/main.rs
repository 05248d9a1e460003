//! The binary `roomwire`: everything in one process with `up`, and what operators and plugin authors type.

mod args;
mod config;
mod control;
mod demo;
mod deploy;
mod dlq;
mod duration;
mod events;
mod failure;
mod handler;
mod nats;
mod nats_server;
mod outbox;
mod output;
mod plugin;
mod progress;
mod quarantine;
mod registry;
mod sim;
mod spool;
mod status;
mod target;
mod up;

use std::process::ExitCode;

use clap::Parser;
use service::telemetry::{self, Words};

use args::{Cli, Command};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    #[cfg(debug_assertions)]
    let _faults = runner::arm_failpoints();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return failure::usage(&error),
    };
    match run(cli) {
        Ok(code) => code,
        Err(error) => failure::report(&error),
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let Cli { globals, command } = cli;
    if let Command::NatsServer(flags) = command {
        // Becomes the server, or fails.
        return Err(nats_server::launch(&flags).into());
    }
    let serves = matches!(command, Command::Up(_));
    telemetry::init(globals.log_format, if serves || globals.verbose { Words::All } else { Words::Warnings })?;
    // `block_on` runs its future on this thread, which lives as long as the process: the supervised nats-server is
    // started from it, and is told to end when the thread that started it ends.
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let done = match command {
            Command::Up(flags) => return up::run(&globals, flags).await,
            Command::Config(command) => return config::run(&globals, &command).await,
            Command::Events(command) => events::run(&globals, command).await,
            Command::Dlq(command) => dlq::run(&globals, command).await,
            Command::Handler(command) => handler::run(&globals, command).await,
            Command::Outbox(command) => outbox::run(&globals, command).await,
            Command::Spool(command) => spool::run(&globals, command).await,
            Command::Quarantine(command) => quarantine::run(&globals, command).await,
            Command::Nats(command) => nats::run(&globals, command).await,
            Command::Deploy(flags) => return Box::pin(deploy::deploy(&globals, flags)).await,
            Command::Rollback(flags) => return Box::pin(deploy::rollback(&globals, flags)).await,
            Command::Status => Box::pin(status::run(&globals)).await,
            Command::Plugin(command) => return Box::pin(plugin::run(&globals, command)).await,
            Command::Sim(command) => return sim::run(&globals, command).await,
            Command::NatsServer(_) => Ok(()),
        };
        done.map(|()| ExitCode::SUCCESS)
    })
}
