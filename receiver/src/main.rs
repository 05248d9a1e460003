//! The binary `roomwire-receiver`: flags, configuration, run, exit code.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use service::admin::{Health, Metrics};
use service::certificate::Certificate;
use service::error::Chain;
use service::nats::FirstConnect;
use service::ready::Ready;
use service::shutdown::Shutdown;
use service::telemetry::{self, Format, Words};
use tokio_util::sync::CancellationToken;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Takes LiveKit's webhooks and stores them in NATS JetStream.
#[derive(Parser)]
#[command(version)]
struct Flags {
    /// Configuration file [default: ./roomwire.yaml if it exists].
    #[arg(long)]
    config: Option<PathBuf>,
    /// Folder for the spool, where `receiver.spool.path` is relative.
    #[arg(long, default_value = ".roomwire")]
    data: PathBuf,
    /// Address for webhooks, instead of `receiver.listen`.
    #[arg(long)]
    listen: Option<SocketAddr>,
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
    let flags = match Flags::try_parse() {
        Ok(flags) => flags,
        Err(error) => {
            // Help and version are no errors; where the terminal is gone there is nobody to tell.
            let _unheard = error.print();
            return if error.use_stderr() { service::exit::USAGE.into() } else { ExitCode::SUCCESS };
        }
    };
    let (file, config) = match configuration(&flags) {
        Ok(configuration) => configuration,
        Err(error) => return service::exit::with(service::exit::USAGE, &error),
    };
    match start(flags, file, config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => service::exit::with(service::exit::FAILURE, &format!("{error:#}")),
    }
}

fn configuration(flags: &Flags) -> Result<(service::config::Config, receiver::Config), String> {
    let mut file = service::config::find(flags.config.as_deref()).map_err(|error| error.to_string())?;
    if flags.nats.is_some() {
        file.nats.url.clone_from(&flags.nats);
    }
    let keys = file.livekit.resolve_keys(&service::config::process_env).map_err(|error| error.to_string())?;
    let certificate = file.receiver.tls.as_ref().map(Certificate::load).transpose();
    let certificate = certificate.map_err(|error| Chain(&error).to_string())?;
    let config = receiver::Config::new(&file, keys, file.receiver.spool.resolve(&flags.data, None));
    Ok((file, config.with_certificate(certificate)))
}

async fn start(flags: Flags, file: service::config::Config, config: receiver::Config) -> anyhow::Result<()> {
    telemetry::init(flags.log_format, Words::All)?;
    for warning in &file.warnings {
        tracing::warn!("{warning}");
    }
    let shutdown = Shutdown::on_signals()?;
    let (health, metrics) = (Health::new(), Metrics::default());
    let starting = health.component("receiver");
    let admin = service::listen::bind(flags.admin.unwrap_or(file.admin.listen), "the admin endpoint", "--admin")?;
    let webhooks = service::listen::bind(flags.listen.unwrap_or(file.receiver.listen), "webhooks", "--listen")?;
    let webhook = config.webhook_url(webhooks.local_addr()?);
    tracing::info!(webhook, admin = %admin.local_addr()?, "listening");
    if let Some(path) = flags.ready_file {
        let nats = file.nats.url.clone().unwrap_or_else(|| service::config::defaults::NATS_URL.to_owned());
        let admin = Some(format!("http://{}", admin.local_addr()?));
        let ready = Ready { webhook: Some(webhook), admin, nats, pid: std::process::id() };
        let health = health.clone();
        tokio::spawn(async move {
            health.all_ready().await;
            if let Err(error) = service::ready::write(&path, &ready) {
                tracing::error!(error = %Chain(&error), "cannot write the ready file");
            }
        });
    }
    let draining = health.clone();
    let token = shutdown.token();
    tokio::spawn(async move {
        token.cancelled_owned().await;
        draining.drain();
    });
    // The admin endpoint outlives the receiver, so that a drain can be watched.
    tokio::spawn(service::admin::serve(admin, health.clone(), metrics.clone(), CancellationToken::new()));
    service::keys::keep_reloaded(&file, config.keys.clone(), &metrics, shutdown.token())?;
    if let Some(certificate) = &config.certificate {
        service::certificate::keep_reloaded(certificate, &metrics, shutdown.token())?;
    }
    let connection =
        service::nats::connect(&file.nats, service::nats::client_name::RECEIVER, FirstConnect::Retry).await?;
    drop(starting);
    receiver::run(webhooks, connection, config, &health, &metrics, shutdown.token())
        .await
        .context("the receiver stopped")
}
