//! Connections that do nothing, or as little as keeps them open.

use std::time::Duration;

use anyhow::Result;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use testkit::https::handshake;
use testkit::wait_until;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use super::target::{Limits, Target};
use crate::rig::SOON;

const IDLE: usize = 10_000;

/// One process may not open as many files as all of these tests at once.
static FILES: Mutex<()> = Mutex::const_new(());

/// Many connections, each second one after a request.
async fn open(target: &Target, connections: usize) -> Result<Vec<TcpStream>> {
    let opened = stream::iter(0..connections).map(|n| async move {
        let mut stream = target.connect().await?;
        if n.is_multiple_of(2) {
            stream.write_all(b"GET /livekit HTTP/1.1\r\nhost: x\r\n\r\n").await?;
            // It may have had to make room already.
            let _either = stream.read(&mut [0; 512]).await;
        }
        anyhow::Ok(stream)
    });
    opened.buffer_unordered(64).try_collect().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_idle_connections_are_kept_where_they_are_allowed() -> Result<()> {
    let _alone = FILES.lock().await;
    let limits = Limits { connections: 12_000, header_timeout: "2m", ..Limits::default() };
    let target = Target::start(limits).await?;
    let attack = async {
        let open = open(&target, IDLE).await?;
        let all = || async { target.metric("roomwire_receiver_connections ").await.is_ok_and(|n| n >= IDLE as u64) };
        wait_until(SOON, "all are open", all).await?;
        assert_eq!(target.closed("made_room").await?, 0);
        drop(open);
        Ok(())
    };
    target.survives("10,000 idle connections, all allowed", 320, attack).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_idle_connections_over_the_limit_make_room_for_others() -> Result<()> {
    let _alone = FILES.lock().await;
    let target = Target::start(Limits { connections: 4096, header_timeout: "2m", ..Limits::default() }).await?;
    let attack = async {
        let open = open(&target, IDLE).await?;
        target.until("roomwire_receiver_connections_closed_total{reason=\"made_room\"}", 5_000).await?;
        assert!(target.metric("roomwire_receiver_connections ").await? <= 4096 + 64);
        assert_eq!(target.closed("connections").await?, 0, "nobody was refused");
        drop(open);
        Ok(())
    };
    target.survives("10,000 idle connections, 4,096 allowed", 192, attack).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handshakes_that_do_not_end_and_encrypted_connections_that_rest_make_room_for_others() -> Result<()> {
    let _alone = FILES.lock().await;
    let target =
        Target::start(Limits { connections: 1024, header_timeout: "2m", tls: true, ..Limits::default() }).await?;
    let open = |n: usize| {
        let target = &target;
        async move {
            if n.is_multiple_of(2) {
                let mut half = target.connect().await?;
                // It may have had to make room already.
                let _either = half.write_all(b"\x16\x03\x01\x02\x00\x01").await;
                return Ok((Some(half), None));
            }
            anyhow::Ok((None, handshake(&target.address, "h2").await.ok()))
        }
    };
    let attack = async {
        let open: Vec<_> = stream::iter(0..3_000).map(open).buffer_unordered(32).try_collect().await?;
        target.until("roomwire_receiver_connections_closed_total{reason=\"made_room\"}", 1_900).await?;
        assert_eq!(target.closed("connections").await?, 0, "nobody was refused");
        drop(open);
        Ok(())
    };
    target.survives("3,000 idle TLS connections and half handshakes, 1,024 allowed", 96, attack).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_in_drops_do_not_keep_connections_from_others() -> Result<()> {
    let target = Target::start(Limits::default()).await?;
    let drops = |n: usize| {
        let target = &target;
        async move {
            let mut stream = target.connect().await?;
            let begin = if n.is_multiple_of(2) { &b"POST /livekit HTTP/1.1\r\nx: "[..] } else { b"" };
            let _closed = stream.write_all(begin).await;
            while stream.write_all(b"P").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            anyhow::Ok(())
        }
    };
    let attack = async {
        stream::iter(0..3_000).map(drops).buffer_unordered(700).try_collect::<Vec<()>>().await?;
        assert!(target.closed("slow_header").await? > 0 && target.closed("made_room").await? > 0);
        // How many ended is not counted: the system itself drops some when many connect at once.
        let gone = || async { target.metric("roomwire_receiver_connections ").await.is_ok_and(|open| open <= 8) };
        wait_until(SOON, "only the connections of others are open", gone).await
    };
    target.survives("slow headers, 700 at a time", 96, attack).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_nobody_reads_are_not_collected() -> Result<()> {
    let target = Target::start(Limits::default()).await?;
    let never_reads = |_| {
        let target = &target;
        async move {
            let mut stream = target.connect_narrowly().await?;
            let requests = b"GET /livekit HTTP/1.1\r\nhost: x\r\n\r\n".repeat(2_000);
            // 30 MiB of answers, if it takes all of them.
            for _ in 0..200 {
                if stream.write_all(&requests).await.is_err() {
                    break;
                }
            }
            anyhow::Ok(())
        }
    };
    let attack = async {
        stream::iter(0..60).map(never_reads).buffer_unordered(30).try_collect::<Vec<()>>().await?;
        // The beginning of a request that is not read on is late, too.
        target.until("roomwire_receiver_connections_closed_total{reason=\"slow_", 60).await?;
        assert!(target.closed("slow_reader").await? > 0);
        Ok(())
    };
    target.survives("requests without end and answers that are not read", 64, attack).await
}
