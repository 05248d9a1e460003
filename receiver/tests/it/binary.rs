//! The program as an operator starts it: flags, ready file, exit codes.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use livekit::token::{Secret, sign};
use testkit::http::Http;
use testkit::{NatsServer, Process, wait_until};

use crate::rig::{KEY, SECRET, SOON, room_started};

const BINARY: &str = "roomwire-receiver";

fn args<'a>(folder: &'a Path, nats: &'a str) -> Result<Vec<String>> {
    let config = folder.join("roomwire.yaml");
    fs::write(&config, format!("livekit:\n  keys:\n    {KEY}: {SECRET}\n"))?;
    let path = |name: &str| folder.join(name).display().to_string();
    let [listen, admin] = ["--listen=127.0.0.1:0", "--admin=127.0.0.1:0"];
    let args = ["--config", &path("roomwire.yaml"), listen, admin, "--nats", nats, "--ready-file", &path("ready.json")];
    Ok(args.map(str::to_owned).to_vec())
}

async fn ready(process: &Process, folder: &Path) -> Result<serde_json::Value> {
    Ok(serde_json::from_str(&process.wait_file(&folder.join("ready.json"), SOON).await?)?)
}

async fn send(http: &Http, url: &str) -> Result<u16> {
    let body = room_started("binary");
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let token = sign(KEY, &Secret::new(SECRET)?, body.as_bytes(), now);
    Ok(http.webhook(url, &token, body).await?.status)
}

#[tokio::test]
async fn it_tells_where_it_listens_takes_events_and_ends_with_0() -> Result<()> {
    let (nats, folder, http) = (NatsServer::start().await?, tempfile::tempdir()?, Http::new());
    let process = Process::start(BINARY, args(folder.path(), &nats.url())?)?;
    let ready = ready(&process, folder.path()).await?;
    assert_eq!((&ready["nats"], &ready["pid"]), (&nats.url().into(), &process.pid().into()));
    assert_eq!(send(&http, ready["webhook"].as_str().unwrap()).await?, 200);
    let admin = ready["admin"].as_str().unwrap();
    assert_eq!(http.get(&format!("{admin}/readyz")).await?.status, 200);
    let metrics = http.get(&format!("{admin}/metrics")).await?.text();
    let line = "roomwire_receiver_requests_total{status=\"200\",reason=\"stored\"} 1\n";
    assert!(metrics.contains(line), "{metrics}");
    assert_eq!(http.post(ready["webhook"].as_str().unwrap(), &[], room_started("unsigned")).await?.status, 401);
    process.wait_log("no Authorization header", SOON).await?;
    assert!(process.log().contains("reason=\"no_header\""), "{}", process.log());
    process.sigterm()?;
    assert_eq!(process.wait_exit(SOON).await?.code(), Some(0), "{}", process.log());
    Ok(())
}

#[tokio::test]
async fn killed_and_started_again_it_takes_events_as_before() -> Result<()> {
    let (nats, http) = (NatsServer::start().await?, Http::new());
    for stored in 1..=2 {
        let folder = tempfile::tempdir()?;
        let process = Process::start(BINARY, args(folder.path(), &nats.url())?)?;
        let ready = ready(&process, folder.path()).await?;
        assert_eq!(send(&http, ready["webhook"].as_str().unwrap()).await?, 200);
        process.kill9()?;
        assert_eq!(testkit::stored(&nats.url(), "RW_EVENTS_").await?.len(), stored);
    }
    Ok(())
}

#[tokio::test]
async fn without_nats_it_runs_unready_and_still_ends_with_0() -> Result<()> {
    let (nats, folder, http) = (NatsServer::start().await?, tempfile::tempdir()?, Http::new());
    nats.kill()?;
    let process = Process::start(BINARY, args(folder.path(), &nats.url())?)?;
    process.wait_log("listening", SOON).await?;
    let log = process.log();
    let field = |name: &str| {
        let (_, rest) = log.split_once(&format!("{name}=")).unwrap();
        rest.trim_start_matches('"').chars().take_while(|c| !c.is_whitespace() && *c != '"').collect::<String>()
    };
    let (webhook, admin) = (field("webhook"), field("admin"));
    assert_eq!(send(&http, &webhook).await?, 503);
    assert_eq!(http.get(&format!("http://{admin}/livez")).await?.status, 200);
    assert_eq!(http.get(&format!("http://{admin}/readyz")).await?.status, 503);
    assert!(!folder.path().join("ready.json").exists());
    nats.restart().await?;
    let accepted = || async { send(&http, &webhook).await.is_ok_and(|status| status == 200) };
    wait_until(SOON, "an event is accepted", accepted).await?;
    process.sigint()?;
    assert_eq!(process.wait_exit(SOON).await?.code(), Some(0), "{}", process.log());
    Ok(())
}

#[tokio::test]
async fn a_bad_command_line_or_configuration_ends_with_64_and_says_why() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let bad = folder.path().join("bad.yaml");
    fs::write(&bad, "reciever: {}\n")?;
    let short = folder.path().join("short.yaml");
    fs::write(&short, "livekit:\n  keys:\n    devkey: short\n")?;
    let unset = folder.path().join("unset.yaml");
    fs::write(&unset, "livekit:\n  keys:\n    devkey: ${NOBODY_SETS_THIS}\n")?;
    let config = |path: &Path| vec!["--config".to_owned(), path.display().to_string()];
    for (args, words) in [
        (vec!["--lisen=x".to_owned()], "--lisen"),
        (vec!["--listen=x".to_owned()], "--listen"),
        (config(&bad), "reciever"),
        (config(&short), "32"),
        (config(&unset), "NOBODY_SETS_THIS"),
        (config(&folder.path().join("absent.yaml")), "absent.yaml"),
    ] {
        let process = Process::start(BINARY, &args)?;
        let code = process.wait_exit(SOON).await?.code();
        assert_eq!((code, process.log().contains(words)), (Some(64), true), "{args:?}: {}", process.log());
    }
    Ok(())
}

#[tokio::test]
async fn what_must_not_be_stored_to_ends_with_1_and_says_why() -> Result<()> {
    let (nats, folder) = (NatsServer::start().await?, tempfile::tempdir()?);
    let args = args(folder.path(), &nats.url())?;
    let process = Process::start(BINARY, &args)?;
    ready(&process, folder.path()).await?;
    process.sigterm()?;
    process.wait_exit(SOON).await?;
    let config = folder.path().join("roomwire.yaml");
    fs::write(&config, format!("{}streams:\n  shards: 2\n", fs::read_to_string(&config)?))?;
    let process = Process::start(BINARY, &args)?;
    assert_eq!(process.wait_exit(Duration::from_secs(30)).await?.code(), Some(1));
    assert!(process.log().contains("shards"), "{}", process.log());
    Ok(())
}

#[tokio::test]
async fn a_port_that_is_taken_ends_with_1_and_names_the_option() -> Result<()> {
    let (taken, folder) = (tokio::net::TcpListener::bind("127.0.0.1:0").await?, tempfile::tempdir()?);
    let mut args = args(folder.path(), "nats://127.0.0.1:1")?;
    args[2] = format!("--listen={}", taken.local_addr()?);
    let process = Process::start(BINARY, &args)?;
    assert_eq!(process.wait_exit(SOON).await?.code(), Some(1));
    assert!(process.log().contains("--listen"), "{}", process.log());
    Ok(())
}
