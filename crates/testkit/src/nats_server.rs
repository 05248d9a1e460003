//! A real nats-server with a data folder of its own, which can be killed and started again.

use std::collections::hash_map::RandomState;
use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{nats_server_binary, wait_for};

const START: Duration = Duration::from_secs(30);

/// Ports below the range from which the kernel takes those of outgoing connections: a client that keeps trying to reach
/// a killed server must not be given that server's own port.
const PORTS: std::ops::Range<u16> = 15_000..32_000;

/// What a test may want different.
#[derive(Clone, Debug)]
pub struct NatsSettings {
    /// `sync_interval` of `JetStream`.
    pub sync_interval: String,
    /// The largest message.
    pub max_payload: String,
    /// Further lines inside the `jetstream` block, e.g. `max_file_store: 1MB`.
    pub jetstream: String,
    /// Further lines of the configuration, e.g. an `authorization` block.
    pub extra: String,
}

impl Default for NatsSettings {
    fn default() -> Self {
        Self {
            sync_interval: "always".to_owned(),
            max_payload: "16MB".to_owned(),
            jetstream: String::new(),
            extra: String::new(),
        }
    }
}

/// A running (or killed) nats-server. Killed for good, and its data removed, when dropped.
#[derive(Debug)]
pub struct NatsServer {
    binary: PathBuf,
    folder: TempDir,
    settings: NatsSettings,
    port: u16,
    child: Mutex<Option<Child>>,
}

impl NatsServer {
    /// Starts one as `roomwire up` would.
    ///
    /// # Errors
    /// When there is no nats-server, or it does not start; the text has its last lines.
    pub async fn start() -> Result<Self> {
        Self::start_with(NatsSettings::default()).await
    }

    /// Starts one with other settings.
    ///
    /// # Errors
    /// When there is no nats-server, or it does not start; the text has its last lines.
    pub async fn start_with(settings: NatsSettings) -> Result<Self> {
        let binary = nats_server_binary()?;
        let folder = tempfile::Builder::new().prefix("rw-nats-").tempdir().context("cannot make a folder")?;
        let mut server = Self { binary, folder, settings, port: 0, child: Mutex::new(None) };
        // The port is free when looked at, and may be another's a moment later.
        let mut last = None;
        for _ in 0..5 {
            server.port = free_port()?;
            match server.restart().await {
                Ok(()) => return Ok(server),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| anyhow::anyhow!("nats-server was never started")))
    }

    /// Where clients connect: the same over `kill` and `restart`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// The port of `url`.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder with its configuration, log and `JetStream` data.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A client of its own.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn client(&self) -> Result<async_nats::Client> {
        async_nats::connect(self.url()).await.with_context(|| format!("cannot connect to {}", self.url()))
    }

    /// A `JetStream` context on a client of its own.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn jetstream(&self) -> Result<async_nats::jetstream::Context> {
        Ok(async_nats::jetstream::new(self.client().await?))
    }

    /// Ends it as a power cut would: SIGKILL.
    ///
    /// # Errors
    /// When it cannot be signalled.
    pub fn kill(&self) -> Result<()> {
        if let Some(mut child) = self.child().take() {
            child.kill().context("cannot kill nats-server")?;
            child.wait().context("cannot wait for nats-server")?;
        }
        Ok(())
    }

    /// Starts it again on the same port and data, and waits until it serves. One that still runs is killed first.
    ///
    /// # Errors
    /// When it does not start; the text has its last lines.
    pub async fn restart(&self) -> Result<()> {
        self.kill()?;
        let child = self.spawn()?;
        *self.child() = Some(child);
        wait_for(START, "nats-server to be ready", || async {
            let log = self.log();
            if log.contains("Server is ready") {
                return Some(Ok(()));
            }
            match self.child().as_mut().map(Child::try_wait) {
                Some(Ok(None)) => None,
                ended => Some(Err(anyhow::anyhow!("nats-server ended ({ended:?}): {}", tail(&log)))),
            }
        })
        .await
        .with_context(|| tail(&self.log()).to_owned())?
    }

    /// Stops it from running, with its connections left open: SIGSTOP.
    ///
    /// # Errors
    /// When it is not running.
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it run again after `pause`.
    ///
    /// # Errors
    /// When it is not running.
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Gives it other `extra` lines, which it takes without a restart as far as a server does that: SIGHUP.
    ///
    /// # Errors
    /// When it is not running, or its configuration cannot be written.
    pub fn reload_with(&mut self, extra: &str) -> Result<()> {
        extra.clone_into(&mut self.settings.extra);
        self.write_config()?;
        self.signal(Signal::HUP)
    }

    /// What it has written since it was last started.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read(self.log_file()).map(|log| String::from_utf8_lossy(&log).into_owned()).unwrap_or_default()
    }

    fn spawn(&self) -> Result<Child> {
        let config = self.write_config()?;
        let log = File::create(self.log_file()).context("cannot make the log file of nats-server")?;
        Command::new(&self.binary)
            .arg("-c")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("cannot share the log file of nats-server")?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", self.binary.display()))
    }

    fn write_config(&self) -> Result<PathBuf> {
        let config = self.folder.path().join("nats.conf");
        fs::write(&config, self.config()).context("cannot write the configuration of nats-server")?;
        Ok(config)
    }

    fn config(&self) -> String {
        let NatsSettings { sync_interval, max_payload, jetstream, extra } = &self.settings;
        let port = self.port;
        let data = self.folder.path().join("data");
        let data = data.display();
        format!(
            "server_name: testkit-{port}\nlisten: 127.0.0.1:{port}\nmax_payload: {max_payload}\n\
             jetstream {{\n  store_dir: \"{data}\"\n  sync_interval: {sync_interval}\n  {jetstream}\n}}\n{extra}\n"
        )
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("nats.log")
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let Some(pid) = self.child().as_ref().and_then(|child| Pid::from_raw(child.id().try_into().ok()?)) else {
            bail!("nats-server is not running");
        };
        kill_process(pid, signal).context("cannot signal nats-server")
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        // Nothing is left to tell of a failure to; the folder goes with the test either way.
        let _ = self.kill();
    }
}

pub(crate) fn free_port() -> Result<u16> {
    let mut random = RandomState::new().build_hasher();
    for turn in 0..200_u32 {
        random.write_u32(turn);
        let span = u64::from(PORTS.end - PORTS.start);
        let port = PORTS.start + u16::try_from(random.finish() % span).unwrap_or_default();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port between {} and {}", PORTS.start, PORTS.end)
}

fn tail(log: &str) -> &str {
    let start = log.len().saturating_sub(1000);
    log.get(log.ceil_char_boundary(start)..).unwrap_or(log)
}
