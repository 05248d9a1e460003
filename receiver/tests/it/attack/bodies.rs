//! Bodies that are slow, huge, or nothing that can be read.

use std::time::Duration;

use anyhow::Result;
use fastrand::Rng;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::target::{Limits, Target, drain};

const MEGABYTE: usize = 1 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_in_drops_do_not_keep_connections_from_others() -> Result<()> {
    let target = Target::start(Limits::default()).await?;
    let drops = |_| {
        let target = &target;
        async move {
            let mut stream = target.connect().await?;
            let _closed = stream.write_all(b"POST /livekit HTTP/1.1\r\nhost: x\r\ncontent-length: 9999\r\n\r\n").await;
            while stream.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            anyhow::Ok(())
        }
    };
    let attack = async {
        stream::iter(0..3_000).map(drops).buffer_unordered(700).try_collect::<Vec<()>>().await?;
        target.until("roomwire_receiver_connections_closed_total{reason=\"made_room\"}", 1).await?;
        target.until("roomwire_receiver_requests_total{status=\"503\",reason=\"slow_body\"}", 1).await
    };
    target.survives("slow bodies, 700 at a time", 96, attack).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn halves_of_large_bodies_do_not_keep_the_memory_from_others() -> Result<()> {
    let target = Target::start(Limits::default()).await?;
    let half = |_| {
        let target = &target;
        async move {
            let mut stream = target.connect().await?;
            let head = format!("POST /livekit HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", 8 * MEGABYTE);
            let _closed = stream.write_all(head.as_bytes()).await;
            let _closed = stream.write_all(&vec![b' '; 4 * MEGABYTE]).await;
            drain(&mut stream).await;
            anyhow::Ok(())
        }
    };
    let attack = async {
        stream::iter(0..150).map(half).buffer_unordered(50).try_collect::<Vec<()>>().await?;
        assert!(target.closed("made_room").await? > 0, "50 halves of 4 MiB are more than 64 MiB");
        Ok(())
    };
    target.survives("halves of 8 MiB bodies, 50 at a time", 192, attack).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_of_100_mb_are_refused_whether_they_are_announced_or_not() -> Result<()> {
    let target = Target::start(Limits::default()).await?;
    let huge = |n: usize| {
        let target = &target;
        async move {
            let stream = target.connect().await?;
            let (mut read, mut write) = stream.into_split();
            let chunked = n.is_multiple_of(2);
            let length = if chunked { "transfer-encoding: chunked" } else { "content-length: 104857600" };
            write.write_all(format!("POST /livekit HTTP/1.1\r\nhost: x\r\n{length}\r\n\r\n").as_bytes()).await?;
            let sending = async move {
                let piece = vec![b'x'; MEGABYTE];
                for _ in 0..100 {
                    let sent = async {
                        if chunked {
                            write.write_all(b"100000\r\n").await?;
                        }
                        write.write_all(&piece).await?;
                        if chunked { write.write_all(b"\r\n").await } else { Ok(()) }
                    };
                    if sent.await.is_err() {
                        break;
                    }
                }
            };
            let answer = async {
                let mut answer = vec![0; 12];
                read.read_exact(&mut answer).await.map(|_| answer)
            };
            // The answer comes while it is still sending.
            let (answer, ()) = tokio::join!(answer, sending);
            anyhow::ensure!(answer? == b"HTTP/1.1 413", "413");
            Ok(())
        }
    };
    let attack = async {
        stream::iter(0..40).map(huge).buffer_unordered(10).try_collect::<Vec<()>>().await?;
        assert_eq!(target.answered(413, "body_too_large").await?, 40);
        Ok(())
    };
    target.survives("100 MB bodies, 10 at a time", 192, attack).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_for_chunks_is_refused() -> Result<()> {
    let target = Target::start(Limits::default()).await?;
    let garbage = |seed: usize| {
        let target = &target;
        async move {
            let mut rng = Rng::with_seed(seed as u64);
            let mut stream = target.connect().await?;
            stream.write_all(b"POST /livekit HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n").await?;
            let bytes = match seed % 5 {
                0 => b"ffffffffffffffff\r\n".to_vec(),
                1 => [b"1;".to_vec(), vec![b'e'; MEGABYTE], b"\r\nx\r\n".to_vec()].concat(),
                2 => b"1\r\nx\r\n".repeat(50_000),
                3 => [b"0\r\n".to_vec(), b"trailer: x\r\n".repeat(50_000)].concat(),
                _ => (0..100_000).map(|_| rng.u8(..)).collect(),
            };
            let _closed = stream.write_all(&bytes).await;
            let _closed = stream.shutdown().await;
            drain(&mut stream).await;
            anyhow::Ok(())
        }
    };
    let attack =
        async { stream::iter(0..500).map(garbage).buffer_unordered(50).try_collect::<Vec<()>>().await.map(drop) };
    target.survives("chunked garbage", 96, attack).await
}
