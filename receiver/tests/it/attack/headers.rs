//! Headers that are huge or many.

use anyhow::Result;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::io::AsyncWriteExt as _;

use super::target::{Limits, Target, drain};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn huge_and_many_headers_are_refused() -> Result<()> {
    let target = Target::start(Limits::default()).await?;
    let huge = |n: usize| {
        let target = &target;
        async move {
            let mut stream = target.connect().await?;
            let header = match n % 4 {
                0 => format!("x: {}\r\n", "x".repeat(10 << 20)),
                1 => "a: b\r\n".repeat(500_000),
                2 => format!("{}: x\r\n", "x".repeat(1 << 20)),
                // As large as is allowed, on a connection that goes on.
                _ => format!("x: {}\r\n\r\n", "x".repeat(30 << 10)),
            };
            let request = if n % 4 == 2 { "" } else { "POST /livekit HTTP/1.1\r\nhost: x\r\n" };
            let _closed = stream.write_all(request.as_bytes()).await;
            let _closed = stream.write_all(header.as_bytes()).await;
            let _closed = stream.shutdown().await;
            drain(&mut stream).await;
            anyhow::Ok(())
        }
    };
    let attack = async {
        stream::iter(0..400).map(huge).buffer_unordered(40).try_collect::<Vec<()>>().await?;
        assert!(target.closed("header_too_large").await? + target.closed("not_http").await? >= 250);
        Ok(())
    };
    target.survives("huge and many headers, 40 at a time", attack).await
}
