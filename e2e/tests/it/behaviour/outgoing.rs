//! What a handler asks of others: sent where it is granted, sent again with the same key, and counted.

use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::site::{Site, Sums, WINDOW};
use crate::rig::handler;

/// Somebody else's server, which answers all but the first request. It keeps the heads of all.
struct Upstream {
    origin: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Upstream {
    async fn start() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let this = Self { origin: format!("http://{}", listener.local_addr()?), heads: Arc::default() };
        let heads = this.heads.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = serve(stream, &heads).await;
            }
        });
        Ok(this)
    }

    /// The values of a header, request by request.
    fn headers(&self, name: &str) -> Vec<String> {
        let start = format!("{name}: ");
        let heads = self.heads.lock().unwrap();
        let of = |head: &String| head.lines().find_map(|line| line.strip_prefix(&start)).map(str::to_owned);
        heads.iter().filter_map(of).collect()
    }
}

/// One request a connection: its body is so short that it comes with the head.
async fn serve(mut stream: TcpStream, heads: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    }
    let number = {
        let mut heads = heads.lock().unwrap();
        heads.push(String::from_utf8_lossy(&bytes).to_ascii_lowercase());
        heads.len()
    };
    if number > 1 {
        stream.write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await?;
    }
    stream.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_failed_is_sent_again_with_the_same_key_and_one_that_is_not_granted_never() -> Result<()> {
    let (granted, other) = (Upstream::start().await?, Upstream::start().await?);
    let request = |upstream: &Upstream| {
        let plan = json!({"url": upstream.origin, "method": "POST", "then": "retry"});
        format!("request:{plan}")
    };
    let behaviours = json!({
        "publish_to": "out.calls", "room:granted": request(&granted), "room:other": request(&other),
    });
    let rules = json!({
        "retry": { "for": "1s", "initial": "10ms" },
        // The time in which it is open would not count against `for`.
        "breaker": "off",
        "allow": { "publish": ["out.>"], "http": [granted.origin] },
    });
    let site = Site::start(WINDOW, &[handler("caller", "behave", behaviours, rules)?]).await?;
    site.post("participant_joined", "granted", "EV_1").await?;
    site.post("participant_joined", "other", "EV_2").await?;
    site.wait_state("caller", "EV_1", "done").await?;
    site.wait_state("caller", "EV_2", "dead").await?;

    let keys = granted.headers("idempotency-key");
    assert!(keys.len() == 2 && keys.first() == keys.last(), "{keys:?}");
    assert!(other.heads.lock().unwrap().is_empty());
    let shown = site.ask_one(&["dlq", "show", "EV_2"]).await?;
    let logs = shown["history"][0]["logs"].as_str().with_context(|| shown.to_string())?;
    assert!(logs.contains("add it to the handler's `allow.http`"), "{logs}");
    let counted = site.metric("roomwire_runner_outgoing_requests_total").await?;
    for outcome in ["2xx", "failed", "denied"] {
        assert!(counted.iter().any(|(labels, _)| labels.contains(outcome)), "{outcome}: {counted:?}");
    }
    assert_eq!(site.end().await?.books("caller")?, Sums { done: 1, dead: 1, ..Sums::default() });
    Ok(())
}
