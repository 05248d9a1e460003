//! The process lifetime of a runner: connect, open, start every handler and what works beside them, drain.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::jetstream;
use event::topology;
use futures_util::future::LocalBoxFuture;
use service::admin::{Component, Health};
use service::error::Chain;
use service::nats::{Connection, FirstConnect, ServerError, State, StreamError, client_name};
use store::Store;
use tokio::sync::RwLock;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::board::{Board, Reporter};
use crate::config::Config;
use crate::control::Control;
use crate::crew::{Crew, Plugins};
use crate::engine::{Engine, EngineError};
use crate::fleet::{Fleet, Handlers};
use crate::live::Live;
use crate::metrics::Metrics;
use crate::outbox::{Outbox, Requests};
use crate::plugin::GranterError;
use crate::plugin::activate::Activator;
use crate::plugin::cache::Cache;
use crate::plugin::follow::{Deployments, Supply};
use crate::plugin::kept::Kept;
use crate::plugin::source::Sources;
use crate::reconfigure::Reconfigure;
use crate::registry::Registry;
use crate::shared::Shared;
use crate::trim::Trim;

/// The wait before NATS is asked again at start.
const RETRY: Duration = Duration::from_secs(1);

/// How often the metrics of the store are read.
const STATISTICS: Duration = Duration::from_secs(5);

/// Where much waits, counting it takes its time: the pause is at least so many times as long.
const COUNTING: u32 = 20;

/// Room that a message's headers and the protocol need beside its body.
const MESSAGE_ROOM: usize = 64 << 10;

/// A runner could not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// NATS credentials or address are unusable.
    #[error("failed to connect to NATS")]
    Connect(#[source] service::nats::ConnectError),
    /// The server cannot be used.
    #[error("the NATS server cannot be used")]
    Server(#[source] ServerError),
    /// A stream is not as it must be.
    #[error("the streams are not as they must be")]
    Streams(#[source] StreamError),
    /// The state store cannot be used.
    #[error("failed to open the state store")]
    Store(#[source] store::OpenError),
    /// The engine cannot be made.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A secret or a key that a handler is granted is not there.
    #[error(transparent)]
    Grants(#[from] GranterError),
    /// The host interfaces cannot be linked.
    #[error("failed to link the host interfaces")]
    Linker(#[source] wasmtime::Error),
}

/// Runs until `shutdown`, then drains. Ready, in `health`, when every handler has claimed its shards or was refused with
/// a reason.
///
/// # Errors
/// If it cannot start. Later failures are retried and reported, and end nothing.
#[must_use]
pub fn run(
    config: Config,
    health: Health,
    metrics: &service::admin::Metrics,
    shutdown: CancellationToken,
) -> LocalBoxFuture<'_, Result<(), RunError>> {
    // In a box, because a bare future is compiled where it is awaited: again in each binary.
    Box::pin(serve(config, health, metrics, shutdown))
}

async fn serve(
    config: Config,
    health: Health,
    metrics: &service::admin::Metrics,
    shutdown: CancellationToken,
) -> Result<(), RunError> {
    let ready = health.component("runner");
    let metrics = Metrics::register(metrics);
    let Some(store) = open(&config, &ready, &shutdown).await? else { return Ok(()) };
    let connection = connect(&config, client_name::RUNNER).await?;
    service::nats::watch_health(&connection, health.component("nats (runner)"), shutdown.clone());
    let effects = connect(&config, client_name::EFFECTS).await?;
    let js = jetstream::new(connection.client.clone());
    tokio::select! {
        prepared = prepare(&config, &connection, &js, &ready) => prepared?,
        () = shutdown.cancelled() => return Ok(()),
    }
    let engine = Engine::new()?;
    let (activator, kept) = activator(&config, &engine)?;
    let max_message = connection.client.server_info().max_payload.saturating_sub(MESSAGE_ROOM);
    let shared = Arc::new(Shared {
        connection,
        js,
        store: store.clone(),
        engine,
        metrics: metrics.clone(),
        prefix: config.prefix.clone(),
        shards: config.topology.shards,
        duplicate_window: config.topology.duplicate_window,
        runner: runner_name(),
        lone: Arc::new(RwLock::new(())),
    });
    let (handlers, live, board) = (Handlers::default(), Live::default(), Board::default());
    let (keep, ledger_keep, drain) = (config.keep, config.ledger_keep, config.drain);
    let registry = Registry::new(shared.connection.client.clone(), config.topology.clone());
    let deployments = Deployments::new(registry.clone());
    let sources = Sources { registry: Some(registry.clone()), kept };
    let plugins = Plugins {
        activator,
        supply: Supply { sources, deployments: deployments.clone() },
        board: board.clone(),
        signed: config.trust.is_wanted(),
    };
    let crew = Crew::new(shared.clone(), plugins, handlers.clone(), health.clone(), shutdown.clone());
    let mut reconfigure = Reconfigure { config, crew, live: live.clone(), shared: shared.clone(), max_message };
    tokio::select! {
        started = reconfigure.start(&health) => started?,
        () = shutdown.cancelled() => return Ok(()),
    }
    // What other tasks depend on outlives the handlers: the outbox sends what the drain commits.
    let (background, mut beside) = (CancellationToken::new(), JoinSet::new());
    let control =
        Control { shared: shared.clone(), live: live.clone(), handlers: handlers.clone(), board: board.clone() };
    beside.spawn(control.run(background.clone()));
    beside.spawn(Outbox::new(store.clone(), effects, metrics.clone()).run(background.clone()));
    let fleet = Fleet::new(store.clone(), shared.runner.clone(), handlers.clone(), metrics.clone());
    beside.spawn(fleet.run(shutdown.clone(), background.clone()));
    beside.spawn(crate::sweep::run(store.clone(), background.clone()));
    beside.spawn(crate::remembered::run(store.clone(), ledger_keep, metrics.clone(), background.clone()));
    beside.spawn(statistics(store.clone(), metrics.clone(), background.clone()));
    let trim = Trim { shared: shared.clone(), live: live.clone(), handlers, keep };
    beside.spawn(trim.run(background.clone()));
    beside.spawn(Requests::new(store.clone(), live, metrics).run(background.clone()));
    beside.spawn(deployments.run(background.clone()));
    let reporter = Reporter { board, registry, connection: shared.connection.clone(), runner: shared.runner.clone() };
    beside.spawn(reporter.run(background.clone()));
    let following = tokio::spawn(reconfigure.run(health.component("configuration"), shutdown.clone()));
    ready.ready();
    shutdown.cancelled().await;
    if tokio::time::timeout(drain, following).await.is_err() {
        tracing::warn!("invocations were still running when the drain's time was over; they will run again");
    }
    background.cancel();
    let _ = tokio::time::timeout(Duration::from_secs(5), async { while beside.join_next().await.is_some() {} }).await;
    store.close().await;
    Ok(())
}

/// What makes generations, and where copies of plugins are. A folder that cannot be used costs compilations, and a start
/// without the registry; it ends nothing.
fn activator(config: &Config, engine: &Engine) -> Result<(Activator, Option<Arc<Kept>>), RunError> {
    let activator = Activator::new(engine.clone()).map_err(RunError::Linker)?;
    let folder = config.plugins.as_ref();
    let unkept = |error: &std::io::Error| tracing::warn!(%error, "no copies of plugins are kept");
    let cache = folder.and_then(|it| Cache::open(&it.join("compiled"), &engine.wasm).inspect_err(unkept).ok());
    let kept = folder.and_then(|it| Kept::open(it).inspect_err(unkept).ok());
    Ok((activator.with(config.trust.clone(), cache), kept.map(Arc::new)))
}

/// Opens the state store; waits for a server that is not there yet. None at a shutdown.
async fn open(config: &Config, ready: &Component, shutdown: &CancellationToken) -> Result<Option<Store>, RunError> {
    loop {
        let error = tokio::select! {
            opened = Store::open(&config.state_url, &config.prefix) => match opened {
                Ok(store) => return Ok(Some(store)),
                Err(error) => error,
            },
            () = shutdown.cancelled() => return Ok(None),
        };
        if !error.is_passing() {
            return Err(RunError::Store(error));
        }
        tracing::warn!(error = %Chain(&error), "the state store is not there; trying again");
        ready.unready("waiting for the state store");
        tokio::select! {
            () = tokio::time::sleep(RETRY) => {}
            () = shutdown.cancelled() => return Ok(None),
        }
    }
}

/// A name that no other start of a runner has, on whatever machine.
fn runner_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    let chance = RandomState::new().hash_one(std::process::id());
    let (pid, since) = (std::process::id(), jiff::Timestamp::now());
    format!("{host} pid {pid} since {since:.0} ({:06x})", chance & 0xff_ffff)
}

async fn connect(config: &Config, name: &str) -> Result<Connection, RunError> {
    service::nats::connect(&config.nats, name, FirstConnect::Retry).await.map_err(RunError::Connect)
}

/// Waits for NATS, then sees to the streams. What is wrong with them for good ends the start.
async fn prepare(
    config: &Config,
    connection: &Connection,
    js: &jetstream::Context,
    ready: &Component,
) -> Result<(), RunError> {
    let mut specs = topology::events_streams(&config.topology);
    specs.push(topology::dead_stream(&config.topology));
    loop {
        let mut state = connection.state.clone();
        if *state.borrow() != State::Connected {
            ready.unready("waiting for NATS");
            if state.wait_for(|state| *state == State::Connected).await.is_err() {
                return Ok(());
            }
        }
        let server = service::nats::check_server(&connection.client, 0).await.map_err(RunError::Server);
        let done = match server {
            Ok(()) => service::nats::ensure_streams(js, &specs).await.map_err(RunError::Streams),
            error => error,
        };
        match done {
            Ok(()) => return Ok(()),
            Err(error) if is_passing(&error) || *connection.state.borrow() != State::Connected => {
                let text = Chain(&error).to_string();
                tracing::warn!(error = text, "NATS is not ready; trying again");
                ready.unready(&text);
                tokio::time::sleep(RETRY).await;
            }
            Err(error) => return Err(error),
        }
    }
}

fn is_passing(error: &RunError) -> bool {
    match error {
        RunError::Streams(error) => matches!(error, StreamError::LookUp { .. } | StreamError::Create { .. }),
        RunError::Server(error) => matches!(error, ServerError::NotConnected),
        _ => false,
    }
}

async fn statistics(store: Store, metrics: Metrics, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        let began = Instant::now();
        match (store.books().await, store.counts().await) {
            (Ok(books), Ok(counts)) => metrics.stored(&books, &counts),
            (Err(error), _) | (_, Err(error)) => tracing::warn!(error = %Chain(&error), "failed to read the books"),
        }
        let pause = STATISTICS.max(began.elapsed() * COUNTING);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.cancelled() => {}
        }
    }
}
