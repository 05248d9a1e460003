//! HTTPS: both protocols, certificates replaced while connections are open, and what is not TLS.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use livekit::token::{Secret, sign};
use service::certificate::Certificate;
use service::config::TlsSection;
use testkit::http::{Http, raw};
use testkit::https::{Https, certificate, handshake};
use testkit::{NatsServer, Process, fixtures, wait_until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::rig::{KEY, Rig, SECRET, SOON, room_started};

fn first() -> Certificate {
    let file = |name: &str| fixtures::path(&format!("tls/{name}"));
    Certificate::load(&TlsSection { cert: file("first.crt"), key: file("first.key") }).unwrap()
}

async fn closed(rig: &Rig, reason: &str) -> Result<()> {
    let series = format!("roomwire_receiver_connections_closed_total{{reason=\"{reason}\"}}");
    wait_until(SOON, reason, || async { rig.metric(&series) == 1 }).await
}

#[tokio::test]
async fn https_is_served_to_http2_and_to_http1() -> Result<()> {
    let rig = Rig::start(|config| config.certificate = Some(first())).await?;
    for protocol in ["h2", "http/1.1"] {
        let mut https = Https::connect(&rig.address, protocol).await?;
        for _ in 0..3 {
            let body = room_started(protocol);
            assert_eq!(https.webhook("/livekit", &rig.token(&body), &body).await?, 200, "{protocol}");
        }
        assert_eq!(https.certificate, certificate("first.crt")?);
    }
    assert_eq!(rig.stored().await?.len(), 6);
    assert!(Https::connect(&rig.address, "h3").await.is_err(), "a protocol that nobody speaks here is refused");
    Ok(())
}

#[tokio::test]
async fn a_handshake_that_does_not_end_is_closed() -> Result<()> {
    let rig = Rig::start(|config| {
        config.certificate = Some(first());
        config.limits.tls_timeout = Duration::from_millis(100);
    })
    .await?;
    let mut stream = TcpStream::connect(&rig.address).await?;
    // The beginning of a ClientHello.
    stream.write_all(b"\x16\x03\x01\x02\x00\x01").await?;
    let _either_closed_or_reset = stream.read_to_end(&mut Vec::new()).await;
    closed(&rig, "slow_tls").await?;
    let _encrypted = handshake(&rig.address, "h2").await?;
    Ok(())
}

#[tokio::test]
async fn an_encrypted_connection_that_sends_no_request_is_closed_like_a_plain_one() -> Result<()> {
    let rig = Rig::start(|config| {
        config.certificate = Some(first());
        config.limits.header_timeout = Duration::from_millis(100);
    })
    .await?;
    let mut stream = handshake(&rig.address, "http/1.1").await?;
    stream.write_all(b"POST /livekit HTTP/1.1\r\n").await?;
    let _either_closed_or_reset = stream.read_to_end(&mut Vec::new()).await;
    closed(&rig, "slow_header").await
}

#[tokio::test]
async fn plain_http_is_closed_without_an_answer_and_harms_nobody() -> Result<()> {
    let rig = Rig::start(|config| config.certificate = Some(first())).await?;
    let answer = raw(&rig.address, b"POST /livekit HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").await?;
    assert!(!answer.contains("HTTP/1.1"), "{answer}");
    closed(&rig, "not_tls").await?;
    let (mut https, body) = (Https::connect(&rig.address, "http/1.1").await?, room_started("others"));
    assert_eq!(https.webhook("/livekit", &rig.token(&body), &body).await?, 200);
    Ok(())
}

fn token(body: &str) -> Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    Ok(sign(KEY, &Secret::new(SECRET)?, body.as_bytes(), now))
}

/// Puts a certificate and a key of the fixtures where the receiver looks for its own, as a renewal does.
fn put(folder: &Path, cert: &str, key: &str) -> Result<()> {
    for (fixture, goal) in [(cert, "tls.crt"), (key, "tls.key")] {
        let new = folder.join("new");
        fs::copy(fixtures::path(&format!("tls/{fixture}")), &new)?;
        fs::rename(new, folder.join(goal))?;
    }
    Ok(())
}

#[tokio::test]
async fn a_renewed_certificate_is_served_without_a_restart_and_a_wrong_one_is_not() -> Result<()> {
    let (nats, folder, http) = (NatsServer::start().await?, tempfile::tempdir()?, Http::new());
    let folder = folder.path();
    put(folder, "first.crt", "first.key")?;
    let config = format!(
        "livekit: {{ keys: {{ {KEY}: {SECRET} }} }}\nreceiver: {{ answer_within: 10s, tls: {{ cert: tls.crt, key: tls.key }} }}\n"
    );
    fs::write(folder.join("roomwire.yaml"), config)?;
    let path = |name: &str| folder.join(name).display().to_string();
    let (config, ready) = (path("roomwire.yaml"), path("ready.json"));
    let args = ["--config", &config, "--listen=127.0.0.1:0", "--admin=127.0.0.1:0", "--nats", &nats.url()];
    let process = Process::start("roomwire-receiver", args.into_iter().chain(["--ready-file", &ready]))?;
    let ready: serde_json::Value = serde_json::from_str(&process.wait_file(&folder.join("ready.json"), SOON).await?)?;
    let webhook = ready["webhook"].as_str().context("a webhook")?;
    let address = webhook.strip_prefix("https://").and_then(|url| url.strip_suffix("/livekit")).context("https")?;
    let metrics = format!("{}/metrics", ready["admin"].as_str().context("an admin")?);
    let until = async |line: &str| {
        let seen = || async { http.get(&metrics).await.is_ok_and(|answer| answer.text().contains(line)) };
        wait_until(SOON, line, seen).await.with_context(|| process.log())
    };

    let mut open = [Https::connect(address, "h2").await?, Https::connect(address, "http/1.1").await?];
    let sends = async |open: &mut [Https; 2]| {
        for https in open {
            let body = room_started("open");
            assert_eq!(https.webhook("/livekit", &token(&body)?, &body).await?, 200);
        }
        anyhow::Ok(())
    };
    sends(&mut open).await?;

    put(folder, "second.crt", "first.key")?;
    until("roomwire_certificate_refused 1\n").await?;
    process.wait_log("is not that of the first certificate", SOON).await?;
    assert_eq!(Https::connect(address, "h2").await?.certificate, certificate("first.crt")?, "the old one stays");

    put(folder, "second.crt", "second.key")?;
    until("roomwire_certificate_reloads_total{outcome=\"applied\"} 1\n").await?;
    until("roomwire_certificate_refused 0\n").await?;
    assert_eq!(Https::connect(address, "h2").await?.certificate, certificate("second.crt")?);
    sends(&mut open).await?;

    process.sighup()?;
    until("roomwire_certificate_reloads_total{outcome=\"applied\"} 2\n").await?;
    sends(&mut open).await?;
    assert_eq!(testkit::stored(&nats.url(), "RW_EVENTS_").await?.len(), 6);
    process.sigterm()?;
    assert_eq!(process.wait_exit(SOON).await?.code(), Some(0), "{}", process.log());
    Ok(())
}

#[tokio::test]
async fn a_certificate_that_cannot_be_served_ends_the_start_with_64_and_says_why() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    let config = folder.join("roomwire.yaml");
    fs::write(&config, "receiver: { tls: { cert: tls.crt, key: tls.key } }\n")?;
    for (prepared, words) in [(false, "receiver.tls.cert"), (true, "is not that of the first certificate")] {
        if prepared {
            put(folder, "first.crt", "second.key")?;
        }
        let process = Process::start("roomwire-receiver", ["--config".as_ref(), config.as_os_str()])?;
        assert_eq!(process.wait_exit(SOON).await?.code(), Some(64));
        assert!(process.log().contains(words), "{}", process.log());
    }
    Ok(())
}
