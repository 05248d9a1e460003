//! `roomwire plugin`: write a handler, look at what was built, try it, and put it into the registry.

mod bench;
mod build;
mod check;
mod component;
mod dev;
pub(crate) mod event;
mod fixture;
mod handling;
mod new;
mod push;
mod recording;
mod run;
mod shown;
mod template;
mod test;
mod versions;

use std::process::ExitCode;

use clap::Subcommand;

use crate::args::Globals;

#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// Begin a handler: a folder with one that works, its build, and tests
    New(new::Flags),
    /// Build a handler with the script `build` of its folder, and check what comes out
    Build(build::Flags),
    /// Make a component of a core module that was built against the contract, as build scripts do
    #[command(hide = true)]
    Component(component::Flags),
    /// Tell which contract a plugin is written for, whether it fits, what it imports and which grants it may need
    Check(check::Flags),
    /// Call a plugin with one event, and show what it would set off
    Run(run::Flags),
    /// Call a plugin with the events of a folder, and compare what becomes of each with what is expected
    Test(test::Flags),
    /// Build whenever a source changes, and put what passes its check where a running `roomwire up` swaps it in
    Dev(dev::Flags),
    /// Measure what an event costs
    Bench(bench::Flags),
    /// Check a plugin and put it into the registry
    Push(push::Flags),
    /// List the versions in the registry
    List(versions::ListFlags),
    /// Show a version in the registry, and who runs it
    Inspect(versions::InspectFlags),
    /// Remove a version from the registry
    Rm(versions::RemoveFlags),
}

pub(crate) async fn run(globals: &Globals, command: PluginCommand) -> anyhow::Result<ExitCode> {
    match command {
        PluginCommand::New(flags) => new::run(globals, &flags),
        PluginCommand::Build(flags) => build::run(globals, &flags).await,
        PluginCommand::Component(flags) => component::run(&flags),
        PluginCommand::Check(flags) => check::run(globals, &flags).await,
        PluginCommand::Run(flags) => Box::pin(run::run(globals, flags)).await,
        PluginCommand::Test(flags) => Box::pin(test::run(globals, flags)).await,
        PluginCommand::Dev(flags) => Box::pin(dev::run(globals, &flags)).await,
        PluginCommand::Bench(flags) => Box::pin(bench::run(globals, flags)).await,
        PluginCommand::Push(flags) => Box::pin(push::run(globals, flags)).await,
        PluginCommand::List(flags) => versions::list(globals, &flags).await,
        PluginCommand::Inspect(flags) => Box::pin(versions::inspect(globals, &flags)).await,
        PluginCommand::Rm(flags) => Box::pin(versions::remove(globals, &flags)).await,
    }
}
