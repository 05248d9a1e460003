//! Sends webhooks over many connections, each of which waits for its answer before it sends the next one.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bench_receiver::answer::{self, ANSWER_WITHIN};
use bench_receiver::process::{Usage, as_f64, usage};
use bench_receiver::report::quantile;
use bench_receiver::signed::Signed;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::LocalSet;

use crate::contestant::Running;
use crate::results::Measured;

/// How long it goes on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lasting {
    /// Before anything is measured.
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
}

/// What came of it.
pub(crate) struct Loaded {
    /// Webhooks that were answered 200, those of the warm-up too.
    pub(crate) sent: u64,
    pub(crate) measured: Measured,
}

/// What the connections share. All of them run on one thread.
struct Load<'a> {
    signed: &'a Signed,
    address: &'a str,
    next: Cell<usize>,
    stopped: Cell<bool>,
    answered: Cell<u64>,
    /// Since when answers are measured.
    measuring: Cell<bool>,
    latencies: RefCell<Vec<Duration>>,
}

/// What was seen at a moment.
struct Seen {
    at: Instant,
    usage: Usage,
}

/// Sends for as long as asked, or until all webhooks are used up.
pub(crate) async fn run(to: &Running, signed: &Signed, connections: usize, lasting: Lasting) -> Result<Loaded> {
    let load = Rc::new(Load {
        signed,
        address: &to.address,
        next: Cell::new(0),
        stopped: Cell::new(false),
        answered: Cell::new(0),
        measuring: Cell::new(false),
        latencies: RefCell::new(Vec::with_capacity(signed.requests.len())),
    });
    let see = || -> Result<Seen> { Ok(Seen { at: Instant::now(), usage: usage(to.process.pid())? }) };
    let senders = futures_util::future::try_join_all((0..connections).map(|_| load.clone().send()));
    let measuring = async {
        tokio::time::sleep(lasting.warm_up).await;
        let begin = see()?;
        load.measuring.set(true);
        tokio::time::sleep(lasting.measured).await;
        let end = see()?;
        load.stopped.set(true);
        anyhow::Ok((begin, end))
    };
    let local = LocalSet::new();
    let (_, (begin, end)) = local.run_until(async { tokio::try_join!(senders, measuring) }).await?;
    let at_end = see()?;
    let mut latencies = load.latencies.take();
    let seconds = (end.at - begin.at).as_secs_f64();
    ensure!(
        load.next.get() < signed.requests.len(),
        "all webhooks are used up before the end: raise --requests above {}",
        signed.requests.len()
    );
    ensure!(!latencies.is_empty(), "nothing was answered");
    latencies.sort_unstable();
    let count = as_f64(latencies.len() as u64);
    let measured = Measured {
        rate: count / seconds,
        p50_ms: quantile(&latencies, 0.5) * 1000.0,
        p99_ms: quantile(&latencies, 0.99) * 1000.0,
        peak_mb: as_f64(at_end.usage.peak) / f64::from(1 << 20),
        cpu_us: (end.usage.cpu_s - begin.usage.cpu_s) * 1e6 / count,
    };
    Ok(Loaded { sent: load.answered.get(), measured })
}

impl Load<'_> {
    async fn send(self: Rc<Self>) -> Result<()> {
        let mut stream = TcpStream::connect(self.address).await.context("cannot connect to the receiver")?;
        stream.set_nodelay(true)?;
        let mut answer = Vec::with_capacity(4096);
        while !self.stopped.get() {
            let Some(request) = self.signed.requests.get(self.next.replace(self.next.get() + 1)) else { break };
            let started = Instant::now();
            stream.write_all(request).await.context("cannot send")?;
            tokio::time::timeout(ANSWER_WITHIN, answer::read(&mut stream, &mut answer))
                .await
                .with_context(|| format!("no answer within {} s", ANSWER_WITHIN.as_secs()))??;
            self.answered.set(self.answered.get() + 1);
            if self.measuring.get() && !self.stopped.get() {
                self.latencies.borrow_mut().push(started.elapsed());
            }
        }
        Ok(())
    }
}
