//! Where NATS comes from: a server that was named, or one that is supervised.

use std::process::ExitStatus;
use std::time::Duration;

use async_nats::jetstream;
use event::topology;
use service::config::Config;
use service::error::Chain;
use service::nats::{Connection, apply_streams, check_server, ensure_streams};
use tokio::time::Instant;

use super::data::DataFolder;
use crate::nats_server::{self, NatsServer, NatsServerError, Settings};

/// A server that ran this long had started well.
const RAN_WELL: Duration = Duration::from_mins(1);

/// So often is it started again when it does not run well.
const RESTARTS: u32 = 5;

/// NATS, one way or the other.
pub(super) enum Supply {
    /// Somebody else runs it.
    Given(String),
    /// It is a child of this process.
    Supervised(Box<NatsServer>),
}

impl Supply {
    /// Uses the server that is named by `--nats` or `nats.url`, else starts one.
    pub(super) async fn open(data: &DataFolder, config: &Config) -> Result<Self, NatsServerError> {
        if let Some(url) = &config.nats.url {
            return Ok(Self::Given(url.clone()));
        }
        let binary = nats_server::find()?;
        let write = |source| NatsServerError::Write { path: data.path().to_owned(), source };
        let settings = Settings::new(data.path(), config).map_err(write)?;
        tracing::info!(binary = %binary.display(), "starting nats-server");
        Ok(Self::Supervised(Box::new(NatsServer::start(binary, settings).await?)))
    }

    pub(super) fn url(&self) -> String {
        match self {
            Self::Given(url) => url.clone(),
            Self::Supervised(server) => server.url(),
        }
    }

    pub(super) fn is_supervised(&self) -> bool {
        matches!(self, Self::Supervised(_))
    }

    /// Starts the server again whenever it ends. Returns only when that is of no use any more. Must be polled on the
    /// main thread.
    pub(super) async fn watch(&mut self) -> NatsServerError {
        let Self::Supervised(server) = self else { return std::future::pending().await };
        let mut restarts = 0;
        loop {
            let since = Instant::now();
            let status = server.ended().await;
            tracing::error!(status = words(status), "nats-server ended; starting it again");
            restarts = if since.elapsed() > RAN_WELL { 1 } else { restarts + 1 };
            while let Err(error) = server.restart().await {
                if restarts >= RESTARTS {
                    return error;
                }
                tracing::error!(error = %Chain(&error), "nats-server does not start; trying again");
                tokio::time::sleep(Duration::from_secs(u64::from(restarts))).await;
                restarts += 1;
            }
        }
    }

    /// Stops the server if it is ours.
    pub(super) async fn stop(self) {
        if let Self::Supervised(server) = self {
            server.stop().await;
        }
    }
}

fn words(status: std::io::Result<ExitStatus>) -> String {
    status.map_or_else(|error| error.to_string(), |status| status.to_string())
}

/// Checks the server and makes the streams. The limits of a supervised server's streams follow the configuration; on
/// another server they are its operator's.
pub(super) async fn prepare(connection: &Connection, config: &Config, supervised: bool) -> anyhow::Result<()> {
    check_server(&connection.client, config.receiver.max_body).await?;
    let context = jetstream::new(connection.client.clone());
    let quarantine = config.receiver.quarantine.as_ref().map(|it| it.max_bytes);
    let specs = topology::streams(&config.topology(), quarantine);
    if supervised {
        apply_streams(&context, &specs).await?;
    } else {
        ensure_streams(&context, &specs).await?;
    }
    Ok(())
}
