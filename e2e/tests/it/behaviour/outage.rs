//! A handler whose upstream is down for a while: nothing dies of it, nothing changes its order, no neighbour notices.
//!
//! `ROOMWIRE_OUTAGE_SECONDS` says for how long (3 where it is not set; `make outage` is a minute).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures_util::future::try_join_all;
use serde_json::json;
use testkit::wait_until;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::site::{Site, Sums, WINDOW};
use crate::rig::{LONG, event_id, handler};

const ROOMS: usize = 8;
const EVENTS: usize = 10;

/// Somebody else's server, which hangs up on everybody while it is down.
struct Upstream {
    origin: String,
    is_down: Arc<AtomicBool>,
    refused: Arc<AtomicUsize>,
}

impl Upstream {
    async fn start_down() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let (is_down, refused) = (Arc::new(AtomicBool::new(true)), Arc::<AtomicUsize>::default());
        let this = Self {
            origin: format!("http://{}", listener.local_addr()?),
            is_down: is_down.clone(),
            refused: refused.clone(),
        };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if is_down.load(Ordering::Relaxed) {
                    refused.fetch_add(1, Ordering::Relaxed);
                } else {
                    tokio::spawn(answer(stream));
                }
            }
        });
        Ok(this)
    }
}

/// One request a connection: its body is so short that it comes with the head.
async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    }
    stream.write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await?;
    stream.shutdown().await
}

fn lasts() -> Result<Duration> {
    let seconds = match std::env::var("ROOMWIRE_OUTAGE_SECONDS") {
        Ok(text) => text.parse().with_context(|| format!("ROOMWIRE_OUTAGE_SECONDS is {text:?}, not a number"))?,
        Err(_) => 3,
    };
    Ok(Duration::from_secs(seconds))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_is_down_costs_no_dead_letter_no_order_and_no_neighbour_anything() -> Result<()> {
    let (upstream, lasts) = (Upstream::start_down().await?, lasts()?);
    let plan = json!({ "url": upstream.origin, "method": "POST", "then": "retry" });
    let behaviours = json!({ "publish_to": "out.caller", "default": format!("request:{plan}") });
    let rules = json!({
        "retry": { "initial": "50ms", "max": "1s" },
        "allow": { "publish": ["out.>"], "http": [upstream.origin] },
    });
    let handlers = [
        handler("caller", "behave", behaviours, rules)?,
        handler("neighbour", "behave", json!({ "publish_to": "out.neighbour" }), json!({}))?,
    ];
    let site = Site::start(WINDOW, &handlers).await?;
    let began = Instant::now();
    let ids: Vec<Vec<String>> =
        (0..ROOMS).map(|room| (0..EVENTS).map(|number| format!("EV_{room}-{number}")).collect()).collect();
    let rooms: Vec<String> = (0..ROOMS).map(|room| format!("room-{room}")).collect();
    try_join_all(rooms.iter().zip(&ids).map(|(room, ids)| site.post_all("track_published", room, ids))).await?;
    site.wait_out("out.neighbour", ROOMS * EVENTS).await?;
    assert!(upstream.is_down.load(Ordering::Relaxed), "the neighbour has done all while it is down");
    let long_enough = || async { began.elapsed() >= lasts && upstream.refused.load(Ordering::Relaxed) >= 3 };
    wait_until(lasts + LONG, "the outage to be over", long_enough).await?;
    upstream.is_down.store(false, Ordering::Relaxed);
    site.wait_out("out.caller", ROOMS * EVENTS).await?;
    let ended = site.end().await?;
    for subject in ["out.caller", "out.neighbour"] {
        let seen: Vec<String> = ended.messages(subject).into_iter().map(event_id).collect();
        assert_eq!(seen.len(), ROOMS * EVENTS);
        for ids in &ids {
            let of_room: Vec<&String> = seen.iter().filter(|id| ids.contains(id)).collect();
            assert_eq!(of_room, ids.iter().collect::<Vec<_>>(), "on {subject}");
        }
    }
    for handler in ["caller", "neighbour"] {
        assert_eq!(ended.books(handler)?, Sums { done: 80, ..Sums::default() }, "{handler}");
    }
    Ok(())
}
