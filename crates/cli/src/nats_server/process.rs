//! The running nats-server: started, restarted when it ends, stopped.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::Instant;

use super::settings::{Settings, free_port};
use super::{NatsServerError, leftover};

/// How long the server may take until it answers: it reads what it has stored.
const START_WITHIN: Duration = Duration::from_mins(2);
const LOOK: Duration = Duration::from_millis(20);

/// How long it may take to end.
const STOP_WITHIN: Duration = Duration::from_secs(20);

/// A port that was free when it was chosen may be taken a moment later.
const STARTS: u32 = 5;

/// How much of its log is shown when it does not start.
const TAIL_LINES: usize = 12;

/// A supervised nats-server.
#[derive(Debug)]
pub(crate) struct NatsServer {
    binary: PathBuf,
    settings: Settings,
    port: u16,
    child: Child,
}

impl NatsServer {
    /// Ends what an earlier run has left and starts a server on the data folder. Must be called on the main thread:
    /// the server ends with the thread that starts it.
    pub(crate) async fn start(binary: PathBuf, settings: Settings) -> Result<Self, NatsServerError> {
        let folder = settings.folder.clone();
        fs::create_dir_all(&folder).map_err(|source| NatsServerError::Write { path: folder, source })?;
        leftover::stop(&settings).await?;
        let mut preferred = fs::read_to_string(settings.port_file()).ok().and_then(|text| text.trim().parse().ok());
        let mut attempt = 1;
        loop {
            let port = free_port(preferred.take()).ok_or(NatsServerError::NoPort)?;
            match launch(&binary, &settings, port).await {
                Ok(child) => {
                    remember(&settings, port);
                    return Ok(Self { binary, settings, port, child });
                }
                Err(NatsServerError::DidNotStart { tail, .. })
                    if attempt < STARTS && tail.contains("address already in use") =>
                {
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// How clients reach it, with user and password.
    pub(crate) fn url(&self) -> String {
        self.settings.url(self.port)
    }

    /// Waits until it ends.
    pub(crate) async fn ended(&mut self) -> std::io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Starts it again on the same port. Must be called on the main thread.
    pub(crate) async fn restart(&mut self) -> Result<(), NatsServerError> {
        self.child = launch(&self.binary, &self.settings, self.port).await?;
        Ok(())
    }

    /// Stops it, the hard way when it takes too long.
    pub(crate) async fn stop(mut self) {
        let pid = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let Some(pid) = pid else { return };
        if let Err(error) = kill_process(pid, Signal::TERM) {
            tracing::warn!(%error, "cannot signal nats-server");
        }
        if tokio::time::timeout(STOP_WITHIN, self.child.wait()).await.is_err() {
            tracing::warn!("nats-server takes too long to stop and is killed");
            if let Err(error) = self.child.kill().await {
                tracing::warn!(%error, "cannot kill nats-server");
            }
        }
    }
}

/// The port is kept for the next run; without it another one is chosen.
fn remember(settings: &Settings, port: u16) {
    let path = settings.port_file();
    if let Err(error) = fs::write(&path, format!("{port}\n")) {
        tracing::warn!(%error, path = %path.display(), "cannot keep the port of nats-server");
    }
}

async fn launch(binary: &Path, settings: &Settings, port: u16) -> Result<Child, NatsServerError> {
    let write = |source| NatsServerError::Write { path: settings.folder.clone(), source };
    settings.write(port).map_err(write)?;
    let (log, words) = (settings.log_file(), settings.words_file());
    // What it says without its log: why it does not start, and why it crashed. A pipe could fill and stop it.
    let output = File::create(&words).map_err(write)?;
    // A log of its own for each start, so that what is shown belongs to it.
    let earlier = log.with_extension("log.1");
    let _ = fs::rename(&log, earlier);
    let executable = own_executable();
    let mut child = Command::new(&executable)
        .args(["nats-server", "--parent", &std::process::id().to_string(), "--binary"])
        .arg(binary)
        .arg("--config")
        .arg(settings.config_file())
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(output.try_clone().map_err(write)?)
        .stderr(output)
        .spawn()
        .map_err(|source| NatsServerError::Spawn { path: executable, source })?;
    if answers(&mut child, port).await {
        return Ok(child);
    }
    let _ = child.kill().await;
    let said: String = [&words, &log].iter().filter_map(|path| fs::read_to_string(path).ok()).collect();
    Err(NatsServerError::DidNotStart { log, tail: tail(&said) })
}

/// This executable, also after a build has replaced its file.
fn own_executable() -> PathBuf {
    let running = PathBuf::from("/proc/self/exe");
    if running.exists() { running } else { std::env::current_exe().unwrap_or_else(|_| PathBuf::from("roomwire")) }
}

/// Whether the server greets within the time; not when the process ends.
async fn answers(child: &mut Child, port: u16) -> bool {
    let end = Instant::now() + START_WITHIN;
    while Instant::now() < end {
        if !matches!(child.try_wait(), Ok(None)) {
            return false;
        }
        if greets(port).await {
            return true;
        }
        tokio::time::sleep(LOOK).await;
    }
    false
}

async fn greets(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await else { return false };
    let mut start = [0_u8; 5];
    let greeting = tokio::time::timeout(Duration::from_secs(1), stream.read_exact(&mut start)).await;
    matches!(greeting, Ok(Ok(_))) && &start == b"INFO "
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines.get(lines.len().saturating_sub(TAIL_LINES)..).unwrap_or_default().join("\n")
}
