//! What the server itself can do: the same bodies published in a pipeline, without anybody who verifies or answers.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use async_nats::header::NATS_MESSAGE_ID;
use async_nats::{Client, HeaderMap};
use bench_receiver::process::as_f64;
use bytes::Bytes;
use futures_util::StreamExt as _;
use testkit::NatsServer;
use tokio::sync::Semaphore;

use crate::contestant::{Contestant, MAX_BYTES, check_stored, stream_of};
use crate::load::Lasting;
use crate::results::Measured;
use bench_receiver::signed::Signed;

/// Messages that wait for their acknowledgement.
const IN_FLIGHT: usize = 1024;

struct Pipeline {
    client: Client,
    shards: u16,
    bodies: Vec<Bytes>,
    places: Semaphore,
    acknowledged: AtomicU64,
    stopped: AtomicBool,
}

/// Publishes to so many streams for as long as asked.
pub(crate) fn measure(
    nats: impl Future<Output = Result<NatsServer>>,
    shards: u16,
    signed: &Signed,
    lasting: Lasting,
) -> Result<Measured> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let nats = nats.await?;
        let context = nats.jetstream().await?;
        for shard in 0..shards {
            let (name, subject) = (format!("BENCH_{shard}"), format!("bench.ev.{shard}.>"));
            let stream = stream_of(&name, &subject, MAX_BYTES / i64::from(shards));
            context.create_stream(stream).await.context("cannot make a stream")?;
        }
        let pipeline = Arc::new(Pipeline {
            client: nats.client().await?,
            shards,
            bodies: signed.bodies.iter().map(|body| Bytes::from(body.clone())).collect(),
            places: Semaphore::new(IN_FLIGHT),
            acknowledged: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
        });
        let inbox = pipeline.client.new_inbox();
        let mut acks = pipeline.client.subscribe(inbox.clone()).await?;
        let counting = pipeline.clone();
        let counting = tokio::spawn(async move {
            while let Some(ack) = acks.next().await {
                ensure!(!ack.payload.starts_with(b"{\"error\""), "refused: {}", String::from_utf8_lossy(&ack.payload));
                counting.acknowledged.fetch_add(1, Ordering::Relaxed);
                counting.places.add_permits(1);
            }
            Ok(())
        });
        let publishing = tokio::spawn(pipeline.clone().publish(inbox));
        tokio::time::sleep(lasting.warm_up).await;
        let (begin, before) = (Instant::now(), pipeline.acknowledged.load(Ordering::Relaxed));
        tokio::time::sleep(lasting.measured).await;
        let (end, after) = (Instant::now(), pipeline.acknowledged.load(Ordering::Relaxed));
        pipeline.stopped.store(true, Ordering::Relaxed);
        let sent = publishing.await??;
        let _all = pipeline.places.acquire_many(u32::try_from(IN_FLIGHT)?).await?;
        ensure!(!counting.is_finished(), "publishing was refused: {:?}", counting.await);
        check_stored(Contestant::Raw(shards), &nats, sent).await?;
        Ok(Measured { rate: as_f64(after - before) / (end - begin).as_secs_f64(), ..Measured::default() })
    })
}

impl Pipeline {
    async fn publish(self: Arc<Self>, inbox: String) -> Result<u64> {
        let mut sent = 0;
        for body in self.bodies.iter().cycle() {
            if self.stopped.load(Ordering::Relaxed) {
                break;
            }
            self.places.acquire().await?.forget();
            let mut headers = HeaderMap::new();
            headers.insert(NATS_MESSAGE_ID, format!("EV_{sent:012}"));
            let subject = format!("bench.ev.{}.event", sent % u64::from(self.shards));
            self.client.publish_with_reply_and_headers(subject, inbox.clone(), headers, body.clone()).await?;
            sent += 1;
        }
        Ok(sent)
    }
}
