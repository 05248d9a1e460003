//! The spool of a receiver that is killed, as a process of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use futures_util::StreamExt as _;
use livekit::token::{Secret, sign};
use service::config::NatsSection;
use service::nats::FirstConnect;
use testkit::http::Http;
use testkit::{Fault, FaultProxy, NatsServer, Process, Stored, wait_until};

use super::folder;
use crate::rig::{KEY, SECRET, SOON, id_of, room_started};

/// The section `receiver` of one with a spool.
const SPOOL: &str = "answer_within: 10s, spool: {}";

pub(super) struct Receiver {
    pub(super) process: Process,
    webhook: String,
    admin: String,
    spool: PathBuf,
    http: Http,
}

impl Receiver {
    pub(super) async fn start(folder: &Path, nats: &str, limits: &str, section: &str) -> Result<Receiver> {
        let config = folder.join("roomwire.yaml");
        fs::write(&config, format!("livekit: {{ keys: {{ {KEY}: {SECRET} }} }}\nreceiver: {{ {section} }}\n"))?;
        let ready = folder.join("ready.json");
        // That of an earlier one.
        let _absent = fs::remove_file(&ready);
        let binary = testkit::release_binary("roomwire-receiver")?;
        let mut command = Command::new("sh");
        // A write beyond a limit of the shell shall be an error, not a signal.
        command.arg("-c").arg(format!("trap '' XFSZ; {limits} exec \"$0\" \"$@\"")).arg(binary);
        command.arg("--config").arg(&config).arg("--data").arg(folder).arg("--ready-file").arg(&ready);
        command.args(["--listen=127.0.0.1:0", "--admin=127.0.0.1:0", "--nats", nats]);
        let process = Process::spawn("roomwire-receiver", command)?;
        // Without NATS it is not ready, and listens all the same.
        process.wait_log("listening", SOON).await?;
        let log = process.log();
        let find = |name: &str| {
            let rest = log.split_once(&format!("{name}=")).map(|(_, rest)| rest).with_context(|| log.clone())?;
            let word = rest.split_whitespace().next().unwrap_or_default().trim_matches('"').to_owned();
            anyhow::Ok(if word.starts_with("http") { word } else { format!("http://{word}") })
        };
        let (webhook, admin) = (find("webhook")?, find("admin")?);
        Ok(Receiver { process, webhook, admin, spool: folder.join("spool.db"), http: Http::new() })
    }

    pub(super) async fn send(&self, body: &str) -> Result<u16> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let token = sign(KEY, &Secret::new(SECRET)?, body.as_bytes(), now);
        Ok(self.http.webhook(&self.webhook, &token, body.to_owned()).await?.status)
    }

    /// The value of a series, `None` when there is none or no answer.
    pub(super) async fn metric(&self, series: &str) -> Option<u64> {
        let text = self.http.get(&format!("{}/metrics", self.admin)).await.ok()?.text();
        text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
    }

    /// Asked of the file: before the spool is opened, the metric shows 0.
    pub(super) async fn empty(&self) -> Result<()> {
        wait_until(SOON * 2, "the spool is empty", || async {
            receiver::report(&self.spool).await.is_ok_and(|report| report.events == 0)
        })
        .await
    }
}

async fn ids(nats: &NatsServer) -> Result<Vec<String>> {
    let stored: Vec<Stored> = testkit::stored(&nats.url(), "RW_EVENTS_").await?;
    Ok(stored.iter().map(|message| message.header("ce-id").to_owned()).collect())
}

#[tokio::test]
async fn what_was_accepted_into_the_spool_survives_kill_9() -> Result<()> {
    let (folder, path) = folder()?;
    let nats = NatsServer::start().await?;
    nats.kill()?;
    let receiver = Receiver::start(folder.path(), &nats.url(), "", SPOOL).await?;
    let mut sent = Vec::new();
    for _ in 0..40 {
        let body = room_started("killed");
        assert_eq!(receiver.send(&body).await?, 200, "{}", receiver.process.log());
        sent.push(id_of(&body));
    }
    receiver.process.kill9()?;
    assert_eq!(receiver::report(&path).await?.events, 40);
    let receiver = Receiver::start(folder.path(), &nats.url(), "", SPOOL).await?;
    nats.restart().await?;
    receiver.empty().await?;
    assert_eq!(ids(&nats).await?, sent);
    Ok(())
}

#[tokio::test]
async fn killed_between_acknowledgement_and_removal_it_stores_nothing_twice() -> Result<()> {
    let (folder, _path) = folder()?;
    let nats = NatsServer::start().await?;
    let proxy = FaultProxy::start(nats.port()).await?;
    nats.kill()?;
    let receiver = Receiver::start(folder.path(), &proxy.nats_url(), "", SPOOL).await?;
    let mut sent = Vec::new();
    for _ in 0..20 {
        let body = room_started("acknowledged");
        assert_eq!(receiver.send(&body).await?, 200, "{}", receiver.process.log());
        sent.push(id_of(&body));
    }
    nats.restart().await?;
    wait_until(SOON, "the first are stored", || async { ids(&nats).await.is_ok_and(|ids| !ids.is_empty()) }).await?;
    // What JetStream stores from here on, the receiver does not hear of.
    proxy.set(Fault::SwallowAnswers);
    receiver.process.kill9()?;
    proxy.set(Fault::None);
    let receiver = Receiver::start(folder.path(), &proxy.nats_url(), "", SPOOL).await?;
    receiver.empty().await?;
    assert_eq!(ids(&nats).await?, sent);
    Ok(())
}

#[tokio::test]
async fn a_disk_that_takes_no_more_is_answered_503_and_what_is_there_stays() -> Result<()> {
    let (folder, _path) = folder()?;
    let nats = NatsServer::start().await?;
    nats.kill()?;
    // In blocks of 512 bytes.
    let receiver = Receiver::start(folder.path(), &nats.url(), "ulimit -f 1000;", SPOOL).await?;
    let mut sent = Vec::new();
    let refused = loop {
        let body = room_started("disk");
        match receiver.send(&body).await? {
            200 => sent.push(id_of(&body)),
            status => break (status, body),
        }
    };
    let reason = "roomwire_receiver_requests_total{status=\"503\",reason=\"spool_failed\"}";
    assert_eq!((refused.0, receiver.metric(reason).await), (503, Some(1)), "{}", receiver.process.log());
    assert!(sent.len() > 20, "{}", sent.len());
    receiver.process.kill9()?;
    let receiver = Receiver::start(folder.path(), &nats.url(), "", SPOOL).await?;
    nats.restart().await?;
    receiver.empty().await?;
    assert_eq!(ids(&nats).await?, sent);
    assert_eq!(receiver.send(&refused.1).await?, 200);
    Ok(())
}

#[tokio::test]
async fn the_spool_of_a_receiver_that_is_gone_can_be_emptied_by_hand() -> Result<()> {
    let (folder, path) = folder()?;
    let nats = NatsServer::start().await?;
    nats.kill()?;
    let receiver = Receiver::start(folder.path(), &nats.url(), "", SPOOL).await?;
    let mut sent = Vec::new();
    for _ in 0..10 {
        let body = room_started("orphan");
        assert_eq!(receiver.send(&body).await?, 200);
        sent.push(id_of(&body));
    }
    receiver.process.kill9()?;
    nats.restart().await?;
    let section = NatsSection { url: Some(nats.url()), ..NatsSection::default() };
    let connection = service::nats::connect(&section, "test", FirstConnect::Fail).await?;
    let streams = service::config::Config::default().topology();
    let seen = std::sync::Mutex::new((0, 0));
    let drained =
        receiver::drain_orphan(&path, connection, streams, |sent, of| *seen.lock().unwrap() = (sent, of)).await?;
    assert_eq!((drained, seen.into_inner().unwrap()), (10, (10, 10)));
    assert_eq!(ids(&nats).await?, sent);
    assert_eq!(receiver::report(&path).await?.events, 0);
    Ok(())
}

#[tokio::test]
async fn acknowledgements_that_never_come_cost_no_memory() -> Result<()> {
    let (folder, nats) = (tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?, NatsServer::start().await?);
    let receiver = Receiver::start(folder.path(), &nats.url(), "", "answer_within: 50ms, spool: off").await?;
    let body = room_started("unanswered");
    wait_until(SOON, "ready", || async { receiver.send(&body).await.is_ok_and(|status| status == 200) }).await?;
    let js = nats.jetstream().await?;
    for shard in 0..4 {
        js.delete_stream(format!("RW_EVENTS_{shard}")).await?;
    }
    // Somebody listens, so the server does not say that nobody does, and nobody answers.
    let client = nats.client().await?;
    let _listener = client.subscribe("rw.ev.>").await?;
    client.flush().await?;
    let unanswered = async |requests: usize| {
        let sends = (0..requests).map(|_| receiver.send(&body));
        let mut sends = futures_util::stream::iter(sends).buffer_unordered(200);
        while sends.next().await.is_some() {}
        let reason = "roomwire_receiver_requests_total{status=\"503\",reason=\"deadline\"}";
        receiver.metric(reason).await.unwrap_or_default()
    };
    let warm = unanswered(8_000).await;
    let before = resident(receiver.process.pid())?;
    let more = unanswered(16_000).await - warm;
    let grown = resident(receiver.process.pid())?.saturating_sub(before);
    assert!(more > 15_000, "{more}");
    // The leak of the client library's own requests is 0.4 KB each: 6 MB.
    assert!(grown < 3 << 20, "{grown} bytes more after {more} unanswered events");
    Ok(())
}

fn resident(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes * 1024)
}
