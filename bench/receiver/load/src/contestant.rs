//! Who is measured, and how each is started.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use async_nats::jetstream::{self, stream};
use futures_util::TryStreamExt as _;
use tempfile::TempDir;
use testkit::{NatsServer, Process, wait_for};

use bench_receiver::signed::{KEY, SECRET};

const SOON: Duration = Duration::from_secs(20);
/// Of all streams together, and as Roomwire has it.
pub(crate) const MAX_BYTES: i64 = 8 << 30;
/// As Roomwire's streams have it.
const DUPLICATE_WINDOW: Duration = Duration::from_mins(10);

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Contestant {
    /// The receiver of LiveKit's guide, on Node.
    Express,
    /// The same in Go.
    Go,
    /// Ours, with so many shards.
    Roomwire(u16),
    /// No receiver: publishing to so many streams as fast as the server takes it.
    Raw(u16),
}

impl Contestant {
    /// Whether it answers HTTP.
    pub(crate) fn has_connections(self) -> bool {
        !matches!(self, Contestant::Raw(_))
    }
}

impl fmt::Display for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Contestant::Express => f.write_str("express"),
            Contestant::Go => f.write_str("go"),
            Contestant::Roomwire(shards) => write!(f, "roomwire-{shards}"),
            Contestant::Raw(shards) => write!(f, "raw-{shards}"),
        }
    }
}

impl FromStr for Contestant {
    type Err = String;

    fn from_str(text: &str) -> Result<Contestant, String> {
        let shards = |count: &str| count.parse().ok().filter(|count| (1..=64).contains(count));
        match text.split_once('-') {
            None if text == "express" => Some(Contestant::Express),
            None if text == "go" => Some(Contestant::Go),
            Some(("roomwire", count)) => shards(count).map(Contestant::Roomwire),
            Some(("raw", count)) => shards(count).map(Contestant::Raw),
            _ => None,
        }
        .ok_or_else(|| format!("`{text}` is not measured; write express, go, roomwire-4 or raw-4"))
    }
}

/// Where the receivers are.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    pub(crate) receiver: PathBuf,
    pub(crate) express: PathBuf,
    pub(crate) go: PathBuf,
}

/// A receiver that takes webhooks.
pub(crate) struct Running {
    pub(crate) process: Process,
    /// Host and port.
    pub(crate) address: String,
    /// Its configuration and its spool.
    _folder: TempDir,
}

/// Starts one and waits until it takes webhooks.
pub(crate) async fn start(contestant: Contestant, programs: &Programs, nats: &NatsServer) -> Result<Running> {
    let folder = tempfile::Builder::new().prefix("rw-bench-").tempdir().context("cannot make a folder")?;
    match contestant {
        Contestant::Roomwire(shards) => roomwire(programs, shards, nats, folder).await,
        Contestant::Go => peer(Command::new(&programs.go), nats, folder).await,
        Contestant::Express | Contestant::Raw(_) => {
            let mut node = Command::new("node");
            node.arg("server.mjs").current_dir(&programs.express).env("NODE_ENV", "production");
            peer(node, nats, folder).await
        }
    }
}

async fn roomwire(programs: &Programs, shards: u16, nats: &NatsServer, folder: TempDir) -> Result<Running> {
    let config = format!(
        "livekit: {{ keys: {{ {KEY}: {SECRET} }} }}\nstreams: {{ shards: {shards} }}\n\
         receiver: {{ spool: {{ path: spool.db }} }}\n"
    );
    let (file, ready) = (folder.path().join("roomwire.yaml"), folder.path().join("ready.json"));
    std::fs::write(&file, config).context("cannot write the configuration")?;
    let mut command = Command::new(&programs.receiver);
    command.args(["--listen=127.0.0.1:0", "--admin=127.0.0.1:0", "--nats", &nats.url()]);
    command.arg("--config").arg(&file).arg("--ready-file").arg(&ready).arg("--data").arg(folder.path());
    let process = Process::spawn("receiver", command)?;
    let ready: serde_json::Value = serde_json::from_str(&process.wait_file(&ready, SOON).await?)?;
    let url = ready.get("webhook").and_then(serde_json::Value::as_str).context("the ready file has no webhook")?;
    let address = url.trim_start_matches("http://").split('/').next().unwrap_or_default().to_owned();
    Ok(Running { process, address, _folder: folder })
}

/// One that finds everything in its environment and says where it listens.
async fn peer(mut command: Command, nats: &NatsServer, folder: TempDir) -> Result<Running> {
    let spec = stream_of("BENCH_0", "bench.ev.>", MAX_BYTES);
    nats.jetstream().await?.create_stream(spec).await.context("cannot make the stream")?;
    command.env("NATS_URL", nats.url()).env("LIVEKIT_API_KEY", KEY).env("LIVEKIT_API_SECRET", SECRET);
    let process = Process::spawn("peer", command)?;
    let listening = wait_for(SOON, "the receiver to listen", || async {
        if process.ended().ok().flatten().is_some() {
            return Some(Err(anyhow::anyhow!("it has ended: {}", process.log())));
        }
        let log = process.log();
        let (line, _) = log.split_once('\n')?;
        line.strip_prefix("listening on ").map(|address| Ok(address.trim().to_owned()))
    });
    let address = listening.await.with_context(|| process.log())??;
    Ok(Running { process, address, _folder: folder })
}

/// A stream for those who do not make their own, set up as Roomwire's.
pub(crate) fn stream_of(name: &str, subject: &str, max_bytes: i64) -> stream::Config {
    stream::Config {
        name: name.to_owned(),
        subjects: vec![subject.to_owned()],
        storage: stream::StorageType::File,
        discard: stream::DiscardPolicy::New,
        duplicate_window: DUPLICATE_WINDOW,
        max_bytes,
        ..stream::Config::default()
    }
}

/// Whether the streams hold so many events and no more: at once, or, where a receiver may keep events elsewhere until the
/// server takes them, soon.
pub(crate) async fn check_stored(contestant: Contestant, nats: &NatsServer, sent: u64) -> Result<()> {
    let prefix = if matches!(contestant, Contestant::Roomwire(_)) { "RW_EVENTS_" } else { "BENCH_" };
    let context = jetstream::new(nats.client().await?);
    let patience = if prefix == "BENCH_" { Duration::ZERO } else { SOON };
    let (started, mut stored) = (Instant::now(), None);
    while stored != Some(sent) {
        if let Some(stored) = stored.filter(|stored| *stored > sent || started.elapsed() > patience) {
            bail!("{sent} webhooks were answered 200, and the streams hold {stored} events");
        }
        let streams: Vec<stream::Info> = context.streams().try_collect().await.context("cannot list the streams")?;
        let of_it = streams.iter().filter(|info| info.config.name.starts_with(prefix));
        stored = Some(of_it.map(|info| info.state.messages).sum());
    }
    Ok(())
}

/// The binary of Go and the folder of Express are looked for before anything is measured.
pub(crate) fn check(contestants: &[Contestant], programs: &Programs) -> Result<()> {
    for contestant in contestants {
        let needed: &Path = match contestant {
            Contestant::Express => &programs.express.join("node_modules"),
            Contestant::Go => &programs.go,
            Contestant::Roomwire(_) => &programs.receiver,
            Contestant::Raw(_) => continue,
        };
        anyhow::ensure!(needed.exists(), "{} is not there: start this with bench/receiver/run", needed.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_written_as_it_is_read() {
        for name in ["express", "go", "roomwire-1", "roomwire-8", "raw-64"] {
            assert_eq!(name.parse::<Contestant>().unwrap().to_string(), name);
        }
        for name in ["", "rust", "roomwire", "roomwire-0", "raw-x", "go-1"] {
            assert!(name.parse::<Contestant>().is_err(), "{name}");
        }
    }
}
