//! The binary `roomwire-runner`: flags, configuration, run, exit code.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use service::admin::{Health, Metrics};
use service::shutdown::Shutdown;
use service::telemetry::{self, Format, Words};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs WASM handlers on the LiveKit events that roomwire-receiver stored in NATS JetStream.
#[derive(Parser)]
#[command(version)]
struct Flags {
    /// Configuration file [default: ./roomwire.yaml if it exists].
    #[arg(long)]
    config: Option<PathBuf>,
    /// Take handlers, secrets and keys from NATS, where `roomwire config push` puts them; the file says the rest.
    #[arg(long)]
    config_from_nats: bool,
    /// Folder for the state store, where `state.url` is relative.
    #[arg(long, default_value = ".roomwire")]
    data: PathBuf,
    /// Address of /livez, /readyz and /metrics, instead of `admin.listen`.
    #[arg(long)]
    admin: Option<SocketAddr>,
    /// NATS server, instead of `nats.url`.
    #[arg(long)]
    nats: Option<String>,
    /// File to write when everything is ready.
    #[arg(long)]
    ready_file: Option<PathBuf>,
    /// Log as text or json.
    #[arg(long, default_value_t)]
    log_format: Format,
}

#[tokio::main]
async fn main() -> ExitCode {
    #[cfg(debug_assertions)]
    let _faults = runner::arm_failpoints();
    let flags = Flags::parse();
    let (file, config) = match configuration(&flags) {
        Ok(configuration) => configuration,
        Err(error) => return service::exit::with(service::exit::USAGE, &error),
    };
    match start(flags, file, config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => service::exit::with(service::exit::FAILURE, &format!("{error:#}")),
    }
}

fn configuration(flags: &Flags) -> Result<(service::config::Config, runner::Config), String> {
    let mut file = service::config::find(flags.config.as_deref()).map_err(|error| error.to_string())?;
    if flags.nats.is_some() {
        file.nats.url.clone_from(&flags.nats);
    }
    let state = file.state.under(&flags.data);
    let config = runner::Config::new(&file, state)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    let config =
        if flags.config_from_nats { config.from_nats().map_err(|problem| problem.to_string())? } else { config };
    Ok((file, config.with_data(&flags.data)))
}

async fn start(flags: Flags, file: service::config::Config, config: runner::Config) -> anyhow::Result<()> {
    telemetry::init(flags.log_format, Words::All)?;
    let shutdown = Shutdown::on_signals()?;
    let (health, metrics) = (Health::new(), Metrics::default());
    let address = flags.admin.unwrap_or(file.admin.listen);
    let admin = service::listen::bind(address, "the admin endpoint", "--admin")?;
    let admin_url = format!("http://{}", admin.local_addr()?);
    tokio::spawn(service::admin::serve(admin, health.clone(), metrics.clone(), shutdown.token()));
    let _starting = health.component("runner");
    if let Some(path) = flags.ready_file {
        let nats = file.nats.url.clone().unwrap_or_default();
        let ready = service::ready::Ready { webhook: None, admin: Some(admin_url), nats, pid: std::process::id() };
        let health = health.clone();
        tokio::spawn(async move {
            health.all_ready().await;
            if let Err(error) = service::ready::write(&path, &ready) {
                tracing::error!(error = %service::error::Chain(&error), "failed to write the ready file");
            }
        });
    }
    runner::run(config, health, &metrics, shutdown.token()).await.context("the runner stopped")
}
