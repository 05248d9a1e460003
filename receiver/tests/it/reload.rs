//! Keys are replaced while the receiver runs: no restart, no event lost, and a wrong file changes nothing.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use livekit::token::{Secret, sign};
use tempfile::TempDir;
use testkit::http::Http;
use testkit::{NatsServer, Process, wait_until};
use tokio::sync::watch;

use crate::rig::{SOON, room_started};

const OLD: (&str, &str) = ("old", "the-old-secret-the-old-secret-the-old");
const NEW: (&str, &str) = ("new", "the-new-secret-the-new-secret-the-new");

/// A receiver as a process of its own.
struct Receiver {
    nats: NatsServer,
    folder: TempDir,
    process: Process,
    http: Http,
    webhook: String,
    admin: String,
}

impl Receiver {
    async fn start(keys: &str) -> Result<Receiver> {
        let (nats, folder, http) = (NatsServer::start().await?, tempfile::tempdir()?, Http::new());
        fs::write(folder.path().join("roomwire.yaml"), keys)?;
        let path = |name: &str| folder.path().join(name).display().to_string();
        let (config, ready) = (path("roomwire.yaml"), path("ready.json"));
        let [listen, admin] = ["--listen=127.0.0.1:0", "--admin=127.0.0.1:0"];
        let args =
            ["--config", &config, listen, admin, "--nats", &nats.url(), "--ready-file", &ready].map(str::to_owned);
        let process = Process::start("roomwire-receiver", args)?;
        let ready: serde_json::Value =
            serde_json::from_str(&process.wait_file(&folder.path().join("ready.json"), SOON).await?)?;
        let text = |name: &str| ready[name].as_str().map(str::to_owned).context("a ready file");
        Ok(Receiver { webhook: text("webhook")?, admin: text("admin")?, nats, folder, process, http })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn send(&self, (key, secret): (&str, &str)) -> Result<u16> {
        send(&self.http, &self.webhook, (key, secret)).await
    }

    async fn metric(&self, series: &str) -> Option<u64> {
        let text = self.http.get(&format!("{}/metrics", self.admin)).await.ok()?.text();
        text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
    }

    async fn until(&self, series: &str, value: u64) -> Result<()> {
        let what = format!("{series} {value}");
        let reached = wait_until(SOON, &what, || async { self.metric(series).await == Some(value) }).await;
        reached.with_context(|| self.process.log())
    }
}

async fn send(http: &Http, url: &str, (key, secret): (&str, &str)) -> Result<u16> {
    let body = room_started("reload");
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let token = sign(key, &Secret::new(secret)?, body.as_bytes(), now);
    Ok(http.webhook(url, &token, body).await?.status)
}

fn config(keys: &[(&str, &str)]) -> String {
    let lines: Vec<String> = keys.iter().map(|(name, secret)| format!("    {name}: {secret}\n")).collect();
    format!("livekit:\n  keys:\n{}", lines.concat())
}

#[tokio::test]
async fn a_key_is_rotated_under_load_and_no_event_is_lost_though_a_wrong_file_comes_between() -> Result<()> {
    let receiver = Receiver::start(&config(&[OLD])).await?;
    let (signer, mut signs) = watch::channel(OLD);
    let stop = Arc::new(AtomicBool::new(false));
    let load = {
        let (http, url, stop) = (receiver.http.clone(), receiver.webhook.clone(), stop.clone());
        tokio::spawn(async move {
            let mut accepted = 0_usize;
            while !stop.load(Ordering::Relaxed) {
                let key = *signs.borrow_and_update();
                let status = send(&http, &url, key).await?;
                anyhow::ensure!(status == 200, "{status} for the key {}", key.0);
                accepted += 1;
            }
            Ok(accepted)
        })
    };
    let file = receiver.path("roomwire.yaml");
    fs::write(&file, config(&[OLD, NEW]))?;
    receiver.until("roomwire_keys_known", 2).await?;
    assert_eq!((receiver.send(OLD).await?, receiver.send(NEW).await?), (200, 200), "both hold at a time");

    signer.send(NEW)?;
    fs::write(&file, "livekit:\n  keys:\n    new: short\n")?;
    receiver.until("roomwire_keys_refused", 1).await?;
    receiver.process.wait_log("the secret of key `new` has 5 characters", SOON).await?;
    assert_eq!((receiver.send(OLD).await?, receiver.send(NEW).await?), (200, 200), "a wrong file changes nothing");
    fs::write(&file, "")?;
    receiver.until("roomwire_keys_reloads_total{outcome=\"refused\"}", 2).await?;
    assert_eq!(receiver.send(("devkey", "secret")).await?, 401, "an empty file does not let the dev keys in");

    fs::write(&file, config(&[NEW]))?;
    receiver.until("roomwire_keys_known", 1).await?;
    assert_eq!(receiver.metric("roomwire_keys_refused").await, Some(0));
    assert_eq!((receiver.send(OLD).await?, receiver.send(NEW).await?), (401, 200));
    stop.store(true, Ordering::Relaxed);
    let accepted = load.await?? + 5;
    assert_eq!(testkit::stored(&receiver.nats.url(), "RW_EVENTS_").await?.len(), accepted);
    Ok(())
}

#[tokio::test]
async fn a_secret_in_a_file_of_its_own_is_read_again() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let secret = folder.path().join("secret");
    fs::write(&secret, OLD.1)?;
    let receiver =
        Receiver::start(&format!("livekit: {{ keys: {{ key: {{ file: {} }} }} }}\n", secret.display())).await?;
    assert_eq!(receiver.send(("key", OLD.1)).await?, 200);
    fs::write(&secret, format!("{}\n", NEW.1))?;
    receiver.until("roomwire_keys_reloads_total{outcome=\"applied\"}", 1).await?;
    assert_eq!((receiver.send(("key", OLD.1)).await?, receiver.send(("key", NEW.1)).await?), (401, 200));
    Ok(())
}

#[tokio::test]
async fn sighup_reads_the_keys_again_at_once_and_does_not_end_the_process() -> Result<()> {
    let receiver = Receiver::start(&config(&[OLD])).await?;
    for times in 1..=2 {
        receiver.process.sighup()?;
        receiver.until("roomwire_keys_reloads_total{outcome=\"applied\"}", times).await?;
    }
    assert_eq!(receiver.send(OLD).await?, 200);
    Ok(())
}
