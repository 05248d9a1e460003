//! Requests without end that are refused one by one, and bodies that cost much to look at.

use anyhow::Result;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use livekit::token::{Secret, sign};
use testkit::http::Http;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::target::{Limits, Target};
use crate::rig::{KEY, room_started};

/// No figure but the documented bound, which grows with the cores: each looks at one such body.
const PER_CORE: usize = 1 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_tiny_requests_on_kept_connections_take_nothing_from_others() -> Result<()> {
    let target = Target::start(Limits::default()).await?;
    let endless = |n: usize| {
        let target = &target;
        async move {
            let mut stream = target.connect().await?;
            let request = match n % 3 {
                0 => &b"POST /livekit HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n"[..],
                1 => b"POST /livekit HTTP/1.1\r\nhost: x\r\nauthorization: a.b.c\r\ncontent-length: 1\r\n\r\n{",
                _ => b"GET / HTTP/1.1\r\nhost: x\r\n\r\n",
            };
            let batch = request.repeat(20);
            for _ in 0..100 {
                stream.write_all(&batch).await?;
                let mut answers = Vec::new();
                while answers.windows(9).filter(|bytes| bytes == b"HTTP/1.1 ").count() < 20 {
                    anyhow::ensure!(stream.read_buf(&mut answers).await? > 0, "the connection is kept");
                }
            }
            Ok(())
        }
    };
    let attack =
        async { stream::iter(0..30).map(endless).buffer_unordered(15).try_collect::<Vec<()>>().await.map(drop) };
    target.survives("60,000 tiny requests on 15 kept connections", 64, attack).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_into_the_quarantine_takes_nothing_from_others() -> Result<()> {
    let target = Target::start(Limits::default()).await?;
    let http = Http::new();
    let flood = |n: usize| {
        let (target, http) = (&target, &http);
        async move {
            // Of a key that is known (`named`) and of one that is not (`unknown`), of sizes that are kept whole and cut.
            let body = format!(r#"{{"pad":"{}",{}"#, "x".repeat(100 << 10), &room_started("flood")[1..]);
            let key = if n.is_multiple_of(2) { KEY } else { "nobody" };
            let token = sign(key, &Secret::new("a guess at the secret of somebody else")?, body.as_bytes(), 1);
            let status = http.webhook(&target.url, &token, body).await?.status;
            anyhow::ensure!(status == 401 || status == 503, "{status}");
            Ok(())
        }
    };
    let attack = async {
        stream::iter(0..4_000).map(flood).buffer_unordered(64).try_collect::<Vec<()>>().await?;
        assert!(target.metric("roomwire_receiver_quarantined_total").await? > 0);
        Ok(())
    };
    target.survives("4,000 refused bodies of 100 KB", 128, attack).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_cost_much_to_look_at_are_looked_at_one_by_one() -> Result<()> {
    let target = Target::start(Limits::default()).await?;
    let many_fields = (0..600_000).map(|n| format!("\"{n:x}\":0,")).collect::<Vec<_>>().concat();
    let bodies = [
        format!("{{{many_fields}\"id\":\"EV_1\",\"event\":\"x\"}}"),
        format!("{}{}", "[".repeat(4 << 20), "]".repeat(1 << 20)),
        format!("{{\"id\":{}", "{\"a\":".repeat(1 << 20)),
        format!("{{\"id\":\"{}\",\"event\":\"x\"}}", "\\u0000".repeat(1 << 20)),
    ];
    let http = Http::new();
    let send = |n: usize| {
        let (target, http, bodies) = (&target, &http, &bodies);
        async move {
            let body = bodies[n % bodies.len()].clone();
            let status = http.webhook(&target.url, "a.b.c", body).await?.status;
            anyhow::ensure!(status == 401 || status == 503, "{status}");
            Ok(())
        }
    };
    let attack = async { stream::iter(0..60).map(send).buffer_unordered(8).try_collect::<Vec<()>>().await.map(drop) };
    target.survives("JSON that costs much, 8 at a time", PER_CORE, attack).await
}
