//! `roomwire up`: NATS, receiver and runner in one process.

mod banner;
mod data;
mod parts;
mod supply;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use service::admin::{Health, Metrics};
use service::certificate::Certificate;
use service::config::{Config, ConfigError, SpoolSection, process_env};
use service::nats::{FirstConnect, client_name, connect};
use service::ready::{self, Ready};
use service::shutdown::Shutdown;
use service::{exit, listen};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::args::Globals;
use crate::demo::{self, Demo};
use crate::failure::Usage;
use crate::output::Format;
use crate::target;
use data::DataFolder;
use parts::Parts;
use supply::Supply;

/// Where it listens and what it does first.
#[derive(Debug, Args)]
pub(crate) struct UpFlags {
    /// Address for webhooks, instead of `receiver.listen`; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Address of /livez, /readyz and /metrics, instead of `admin.listen`; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<SocketAddr>,
    /// Send a recorded meeting through and show what became of it
    #[arg(long)]
    demo: bool,
    /// As --demo, and end afterwards: 0 if every event was handled
    #[arg(long)]
    exit_after_demo: bool,
    /// Take handlers, secrets and LiveKit's API keys of handlers from NATS, as a fleet does, where `roomwire config push` puts
    /// them; the configuration file says the rest
    #[arg(long, conflicts_with_all = ["demo", "exit_after_demo"])]
    config_from_nats: bool,
    /// File to write when everything is ready (JSON: webhook, admin, nats, pid)
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

/// The sockets, opened before anything is started: a taken port is the most common reason to fail.
struct Listeners {
    webhooks: TcpListener,
    admin: TcpListener,
}

pub(crate) async fn run(globals: &Globals, flags: UpFlags) -> anyhow::Result<ExitCode> {
    let shutdown = Shutdown::on_signals()?;
    let mut config = target::config(globals)?;
    let keys = config.livekit.resolve_keys(&process_env)?;
    let certificate = config.receiver.tls.as_ref().map(Certificate::load).transpose()?;
    if certificate.is_some() && (flags.demo || flags.exit_after_demo) {
        let words = "the demo sends over plain HTTP; remove `receiver.tls`, or start without the demo";
        return Err(Usage(words.to_owned()).into());
    }
    let state = config.state.under(&globals.data);
    // Checked before anything is started, and made again below when the address of NATS is known.
    runner_config(&config, &state, &flags)?;
    let data = DataFolder::open(&globals.data)?;
    let listeners = Listeners::open(&flags, &config)?;
    if let Some(path) = &flags.ready_file {
        forget(path)?;
    }
    let mut supply = Supply::open(&data, &config).await?;
    config.nats.url = Some(supply.url());

    let spool = config.receiver.spool.resolve(&globals.data, Some(&SpoolSection::default()));
    let started = Started {
        receiver: receiver::Config::new(&config, keys, spool).with_certificate(certificate),
        runner: runner_config(&config, &state, &flags)?.with_data(&globals.data),
        config,
        flags,
        format: globals.output,
    };
    let mut serving = Box::pin(started.serve(listeners, &data, supply.is_supervised(), &shutdown));
    let result = tokio::select! {
        result = &mut serving => result,
        error = supply.watch() => {
            shutdown.drain();
            let _ = serving.as_mut().await;
            Err(error.into())
        }
    };
    drop(serving);
    supply.stop().await;
    result
}

/// The ready file of an earlier run would say that this one is ready.
fn forget(path: &Path) -> anyhow::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot replace the ready file {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn runner_config(config: &Config, state: &str, flags: &UpFlags) -> Result<runner::Config, ConfigError> {
    let runner = runner::Config::new(config, state.to_owned()).map_err(|problems| ConfigError::Invalid { problems })?;
    if !flags.config_from_nats {
        return Ok(runner);
    }
    runner.from_nats().map_err(|problem| ConfigError::Invalid { problems: vec![problem] })
}

impl Listeners {
    fn open(flags: &UpFlags, config: &Config) -> Result<Self, listen::BindError> {
        let webhooks = flags.listen.unwrap_or(config.receiver.listen);
        let admin = flags.admin.unwrap_or(config.admin.listen);
        Ok(Self {
            webhooks: listen::bind(webhooks, "webhooks", "--listen")?,
            admin: listen::bind(admin, "the admin endpoint", "--admin")?,
        })
    }

    fn ready(&self, config: &receiver::Config, nats: String) -> std::io::Result<Ready> {
        Ok(Ready {
            webhook: Some(config.webhook_url(reachable(self.webhooks.local_addr()?))),
            admin: Some(format!("http://{}", reachable(self.admin.local_addr()?))),
            nats,
            pid: std::process::id(),
        })
    }
}

/// An address that every interface listens on is reached on this machine through loopback.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

/// Everything that is known before the parts run.
struct Started {
    config: Config,
    receiver: receiver::Config,
    runner: runner::Config,
    flags: UpFlags,
    format: Format,
}

impl Started {
    /// Runs the parts until a signal, a failure or the end of the demo, and drains them.
    async fn serve(
        self,
        listeners: Listeners,
        data: &DataFolder,
        supervised: bool,
        shutdown: &Shutdown,
    ) -> anyhow::Result<ExitCode> {
        let connection = connect(&self.config.nats, client_name::UP, FirstConnect::Fail).await?;
        supply::prepare(&connection, &self.config, supervised).await?;
        let ready = listeners.ready(&self.receiver, self.config.nats.url.clone().unwrap_or_default())?;
        let (health, metrics) = (Health::new(), Metrics::default());
        let admin_stop = CancellationToken::new();
        tokio::spawn(service::admin::serve(listeners.admin, health.clone(), metrics.clone(), admin_stop.clone()));
        service::keys::keep_reloaded(&self.config, self.receiver.keys.clone(), &metrics, shutdown.token())?;
        if let Some(certificate) = &self.receiver.certificate {
            service::certificate::keep_reloaded(certificate, &metrics, shutdown.token())?;
        }
        let receiver_connection = connect(&self.config.nats, client_name::RECEIVER, FirstConnect::Retry).await?;
        let mut parts = Parts::start(
            listeners.webhooks,
            receiver_connection,
            self.receiver.clone(),
            self.runner.clone(),
            &health,
            &metrics,
        )?;

        let work = self.work(&health, &ready, data, connection, shutdown);
        let result = tokio::select! {
            result = work => result,
            () = shutdown.draining() => Ok(ExitCode::SUCCESS),
            error = parts.failed() => Err(error),
        };
        health.drain();
        let drained = parts.drain().await;
        data.forget_running();
        admin_stop.cancel();
        result.and_then(|code| drained.map(|()| code))
    }

    /// What happens while the parts run.
    async fn work(
        &self,
        health: &Health,
        ready: &Ready,
        data: &DataFolder,
        connection: service::nats::Connection,
        shutdown: &Shutdown,
    ) -> anyhow::Result<ExitCode> {
        if self.flags.config_from_nats {
            // `config push` has to find what waits for it.
            data.announce(ready)?;
            tracing::info!("taking the configuration from NATS; where there is none yet, `roomwire config push FILE`");
        }
        health.all_ready().await;
        data.announce(ready)?;
        if let Some(path) = &self.flags.ready_file {
            ready::write(path, ready)?;
        }
        banner::ready(self.format, ready, &self.config, self.flags.config_from_nats)?;
        if self.flags.demo || self.flags.exit_after_demo {
            let demo = Demo { config: &self.config, ready, client: connection.client.clone(), format: self.format };
            let handled = demo::run(&demo).await.context("the demo failed")?;
            if self.flags.exit_after_demo {
                return Ok(if handled { ExitCode::SUCCESS } else { ExitCode::from(exit::FAILURE) });
            }
            banner::next(self.format, ready, &self.config)?;
        }
        shutdown.draining().await;
        Ok(ExitCode::SUCCESS)
    }
}
