//! Webhooks at a fixed rate, whether or not the earlier ones were answered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bench_receiver::answer::{self, ANSWER_WITHIN};
use bench_receiver::signed::Signed;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Connections that take turns.
const CONNECTIONS: usize = 64;

/// One webhook on its way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    /// Which one.
    pub(crate) number: usize,
    /// When it was sent; or, if its connection was still busy, when it should have been.
    pub(crate) at: Instant,
    /// From then to its whole answer.
    pub(crate) answered: Duration,
}

/// Sends all of them, so many a second.
pub(crate) async fn send(signed: Arc<Signed>, address: &str, rate: f64) -> Result<Vec<Sent>> {
    // Connections are made before the first one is due.
    let begin = Instant::now() + Duration::from_millis(200);
    let mut connections = JoinSet::new();
    for first in 0..CONNECTIONS {
        let stream = TcpStream::connect(address).await.context("cannot connect to the receiver")?;
        stream.set_nodelay(true)?;
        connections.spawn(turns(signed.clone(), stream, first, begin, rate));
    }
    let mut sent = Vec::with_capacity(signed.requests.len());
    while let Some(of_one) = connections.join_next().await {
        sent.extend(of_one.context("a connection broke")??);
    }
    Ok(sent)
}

/// What one connection sends: every so many-th webhook, each when it is due.
async fn turns(
    signed: Arc<Signed>,
    mut stream: TcpStream,
    first: usize,
    begin: Instant,
    rate: f64,
) -> Result<Vec<Sent>> {
    let mut sent = Vec::with_capacity(signed.requests.len() / CONNECTIONS + 1);
    let mut answer = Vec::with_capacity(4096);
    for (number, request) in signed.requests.iter().enumerate().skip(first).step_by(CONNECTIONS) {
        let due = begin + Duration::from_secs_f64(bench_receiver::process::as_f64(number as u64) / rate);
        // A timer is late by up to two milliseconds, for which nobody but this program is to blame; a connection that
        // is busy is late for what it waits for.
        let early = Instant::now() < due;
        if early {
            tokio::time::sleep_until(due.into()).await;
        }
        let at = if early { Instant::now() } else { due };
        stream.write_all(request).await.context("cannot send")?;
        tokio::time::timeout(ANSWER_WITHIN, answer::read(&mut stream, &mut answer)).await.context("no answer")??;
        sent.push(Sent { number, at, answered: at.elapsed() });
    }
    Ok(sent)
}
