//! The receiver that is attacked, somebody who goes on sending webhooks to it, and what it takes in memory.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use futures_util::future::LocalBoxFuture;
use livekit::token::{Secret, sign};
use tempfile::TempDir;
use testkit::http::Http;
use testkit::https::Https;
use testkit::{NatsServer, Process, fixtures, wait_until};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::rig::{KEY, SECRET, SOON, room_started};

/// What an attack may last. None asserts how long it took; one that does not end is a failure.
const PATIENCE: Duration = Duration::from_mins(4);
/// So many webhooks of others are answered at least during an attack.
const OTHERS: usize = 30;
/// What a receiver needs without any connection: its code, its threads, NATS, the allocator's slack.
const BASE: usize = 48 << 20;
/// What a connection needs beside the buffers that are configured: its task, its socket, its state, TLS.
const CONNECTION: usize = 48 << 10;

/// Limits of the receiver under attack, small enough for attacks to reach them.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) connections: usize,
    /// MiB.
    pub(super) memory: usize,
    pub(super) header_timeout: &'static str,
    pub(super) body_timeout: &'static str,
    pub(super) tls: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { connections: 512, memory: 64, header_timeout: "2s", body_timeout: "3s", tls: false }
    }
}

pub(super) struct Target {
    _nats: NatsServer,
    _folder: TempDir,
    process: Process,
    limits: Limits,
    http: Http,
    pub(super) url: String,
    /// Host and port.
    pub(super) address: String,
    admin: String,
}

impl Target {
    pub(super) async fn start(limits: Limits) -> Result<Target> {
        let files = service::open_files::raise();
        ensure!(files.is_none_or(|files| files > 12_000), "raise the hard limit of open files: ulimit -Hn 20000");
        let (nats, folder) = (NatsServer::start().await?, tempfile::tempdir()?);
        let Limits { connections, memory, header_timeout, body_timeout, tls } = limits;
        let file = |end: &str| fixtures::path(&format!("tls/first.{end}")).display().to_string();
        let tls =
            if tls { format!("  tls: {{ cert: {}, key: {} }}\n", file("crt"), file("key")) } else { String::new() };
        let config = folder.path().join("roomwire.yaml");
        fs::write(
            &config,
            format!(
                "livekit: {{ keys: {{ {KEY}: {SECRET} }} }}\nreceiver:\n  answer_within: 10s\n  limits: {{ connections: \
                 {connections}, memory: {memory}MiB, header_timeout: {header_timeout}, body_timeout: {body_timeout}, \
                 answer_timeout: 2s }}\n{tls}"
            ),
        )?;
        let ready = folder.path().join("ready.json");
        let mut command = std::process::Command::new(testkit::release_binary("roomwire-receiver")?);
        command.arg("--config").arg(&config).arg("--ready-file").arg(&ready).arg("--data").arg(folder.path());
        command.args(["--listen=127.0.0.1:0", "--admin=127.0.0.1:0", "--nats", &nats.url()]);
        let process = Process::spawn("roomwire-receiver", command)?;
        let ready: serde_json::Value = serde_json::from_str(&process.wait_file(&ready, SOON).await?)?;
        let text = |name: &str| ready[name].as_str().map(str::to_owned).context("a ready file");
        let (url, admin) = (text("webhook")?, text("admin")?);
        let address = url.trim_end_matches("/livekit").rsplit('/').next().context("an address")?.to_owned();
        Ok(Target { _nats: nats, _folder: folder, process, limits, http: Http::new(), url, address, admin })
    }

    /// Lets an attack run to its end. Meanwhile each webhook of others, on a connection that is kept and on new ones, is
    /// answered 200; and the receiver never takes more memory than its limits allow, nor than `mebibytes`, which is some
    /// more than this attack was seen to take.
    pub(super) fn survives<'a>(
        &'a self,
        attack: &'a str,
        mebibytes: usize,
        attacking: impl Future<Output = Result<()>> + 'a,
    ) -> LocalBoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let served = self.serves_others(attacking).await?;
            let (peak, most) = (self.peak()?, self.most().min(mebibytes << 20));
            #[expect(clippy::print_stderr, reason = "the figure is to be read")]
            {
                let (peak, most) = (peak >> 20, most >> 20);
                eprintln!("{attack}: at most {peak} MiB of {most} MiB, {served} webhooks of others answered 200");
            }
            ensure!(peak <= most, "{attack}: {peak} bytes of memory, and no more than {most} are allowed");
            Ok(())
        })
    }

    /// How many webhooks of others were answered during an attack.
    async fn serves_others(&self, attacking: impl Future<Output = Result<()>>) -> Result<usize> {
        let stop = CancellationToken::new();
        let others = async {
            let kept = self.others(&self.http, &stop);
            let new = async {
                let mut sent = 0;
                while !stop.is_cancelled() {
                    self.other(&Http::new()).await?;
                    sent += 1;
                }
                anyhow::Ok(sent)
            };
            let (kept, new) = tokio::try_join!(kept, new)?;
            anyhow::Ok(kept + new)
        };
        let attacking = async {
            attacking.await?;
            stop.cancel();
            anyhow::Ok(())
        };
        let both = async { tokio::try_join!(others, attacking) };
        let both = tokio::time::timeout(PATIENCE, both).await.context("the attack goes on")?;
        both.map(|(served, ())| served).with_context(|| self.tail())
    }

    /// The documented bound: base + `limits.memory` + connections x (2 x `header_bytes` + `http2_window` + a connection) +
    /// cores x 12 x `max_body`.
    fn most(&self) -> usize {
        let Limits { connections, memory, .. } = self.limits;
        let cores = std::thread::available_parallelism().map_or(1, Into::into);
        BASE + (memory << 20) + connections * (2 * (32 << 10) + (64 << 10) + CONNECTION) + cores * 12 * (8 << 20)
    }

    async fn others(&self, http: &Http, stop: &CancellationToken) -> Result<usize> {
        let mut sent = 0;
        while !stop.is_cancelled() || sent < OTHERS {
            self.other(http).await?;
            sent += 1;
        }
        Ok(sent)
    }

    /// LiveKit sends again when a kept connection was closed before the request arrived, and so does this.
    async fn other(&self, http: &Http) -> Result<()> {
        let body = room_started("others");
        let token = token(&body)?;
        if self.limits.tls {
            let status = Https::connect(&self.address, "http/1.1").await?.webhook("/livekit", &token, &body).await?;
            ensure!(status == 200, "a webhook of others is answered {status}");
            return Ok(());
        }
        let answer = match http.webhook(&self.url, &token, body.clone()).await {
            Ok(answer) => answer,
            Err(_) => Http::new().webhook(&self.url, &token, body).await.context("a webhook of others")?,
        };
        ensure!(answer.status == 200, "a webhook of others is answered {}", answer.status);
        Ok(())
    }

    pub(super) async fn connect(&self) -> Result<TcpStream> {
        TcpStream::connect(&self.address).await.context("cannot connect")
    }

    /// A connection on which few bytes fit that are not read.
    pub(super) async fn connect_narrowly(&self) -> Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(4096)?;
        socket.connect(self.address.parse()?).await.context("cannot connect")
    }

    /// The sum of the series that begin like this.
    pub(super) async fn metric(&self, series: &str) -> Result<u64> {
        let text = self.http.get(&format!("{}/metrics", self.admin)).await?.text();
        let values = text.lines().filter(|line| line.starts_with(series)).filter_map(|line| line.rsplit_once(' '));
        Ok(values.filter_map(|(_, value)| value.parse::<u64>().ok()).sum())
    }

    pub(super) async fn closed(&self, reason: &str) -> Result<u64> {
        self.metric(&format!("roomwire_receiver_connections_closed_total{{reason=\"{reason}\"}}")).await
    }

    pub(super) async fn answered(&self, status: u16, reason: &str) -> Result<u64> {
        self.metric(&format!("roomwire_receiver_requests_total{{status=\"{status}\",reason=\"{reason}\"}}")).await
    }

    pub(super) async fn until(&self, series: &str, least: u64) -> Result<()> {
        wait_until(SOON, series, || async { self.metric(series).await.is_ok_and(|value| value >= least) })
            .await
            .with_context(|| self.tail())
    }

    /// The most memory that the process has had.
    fn peak(&self) -> Result<usize> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.pid()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<usize>()? << 10)
    }

    fn tail(&self) -> String {
        let log = self.process.log();
        log.lines().rev().take(20).collect::<Vec<_>>().join("\n")
    }
}

/// Reads whatever comes until the other side closes.
pub(super) async fn drain(stream: &mut (impl tokio::io::AsyncRead + Unpin)) {
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
}

fn token(body: &str) -> Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    Ok(sign(KEY, &Secret::new(SECRET)?, body.as_bytes(), now))
}
