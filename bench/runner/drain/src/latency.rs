//! From a webhook to the commit of what a handler made of it, with a receiver, a server and a runner.

use std::fmt;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bench_receiver::process::as_f64;
use bench_receiver::report::quantile;
use bench_receiver::signed::Signed;
use serde_json::Value;

use crate::bare::Bare;
use crate::contestant::{Contestant, Programs};
use crate::load;
use crate::site;
use crate::state::Prefilled;
use crate::watch::Watch;

/// What was sent is to be done so much later.
const DONE_WITHIN: Duration = Duration::from_mins(1);

/// How often it is looked whether all are done.
const LOOK: Duration = Duration::from_millis(50);

/// How often the disk is asked what it takes.
const PAGES: usize = 200;

/// The part of the events that comes before anything is measured.
const WARM_UP: usize = 10;

/// What is sent, and to whom.
pub(crate) struct Steady<'a> {
    pub(crate) programs: &'a Programs,
    pub(crate) prefilled: &'a Prefilled,
    pub(crate) handlers: Vec<Value>,
    /// Consumers beside theirs, of each shard.
    pub(crate) bare: usize,
    pub(crate) signed: Arc<Signed>,
    /// Webhooks a second.
    pub(crate) rate: u32,
    /// Those that count.
    pub(crate) counts: fn(usize) -> bool,
    /// So many are done in the end, over all handlers.
    pub(crate) due: u64,
}

/// Quantiles in milliseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Quantiles {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
}

impl Quantiles {
    fn of(mut values: Vec<Duration>) -> Self {
        values.sort_unstable();
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|part| quantile(&values, part) * 1000.0);
        Self { p50, p99, p999 }
    }
}

impl fmt::Display for Quantiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} / {:.2} / {:.2} ms", self.p50, self.p99, self.p999)
    }
}

/// What was measured of the webhooks that count.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Latencies {
    /// From sending to the answer, which waits for JetStream's acknowledgement.
    pub(crate) answered: Quantiles,
    /// From sending to the commit.
    pub(crate) committed: Quantiles,
    /// Commits a second, of those that count, from the first webhook to the last commit.
    pub(crate) rate: f64,
    /// What the disk alone took at that time to make a page durable, median in milliseconds.
    pub(crate) disk: f64,
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { answered, committed, rate, disk } = self;
        write!(f, "answered {answered}, committed {committed}, {rate:.0} ev/s; disk {disk:.2} ms")
    }
}

impl Steady<'_> {
    /// Sends, waits until all is done, and says how long each took. The server waits for the disk at each message.
    pub(crate) async fn measure(&self) -> Result<Latencies> {
        let folder = tempfile::Builder::new().prefix("rw-bench-").tempdir().context("cannot make a folder")?;
        let state = self.prefilled.state(Contestant::Sqlite, folder.path()).await?;
        let file = state.file().context("commits are watched on SQLite")?;
        let disk = disk(folder.path())?;
        let nats = site::nats("always").await?;
        let runner = site::runner(self.programs, &nats, &state, folder.path(), &self.handlers).await?;
        let (receiver, address) = site::receiver(self.programs, &nats, folder.path()).await?;
        let bare = Bare::begin(&nats, self.bare).await?;
        let watch = Watch::begin(file);
        let sent = load::send(self.signed.clone(), &address, f64::from(self.rate)).await;
        let sent = sent.with_context(|| format!("the receiver says: {}", receiver.log()))?;
        let (mut look, waiting) = (state.look().await?, Instant::now());
        let due_bare = (self.bare * sent.len()) as u64;
        while look.done().await? < self.due || bare.had() < due_bare {
            let (due, had) = (self.due, bare.had());
            ensure!(waiting.elapsed() < DONE_WITHIN, "{due} are due, bare {had} of {due_bare}: {}", runner.log());
            tokio::time::sleep(LOOK).await;
        }
        let committed = watch.end(file).await?;
        bare.end()?;
        // It ends before it is looked whether it has done too much.
        runner.sigterm()?;
        runner.wait_exit(DONE_WITHIN).await?;
        let done = look.done().await?;
        ensure!(done == self.due, "{done} are done of {}", self.due);
        let warm = self.signed.requests.len() / WARM_UP;
        let counted: Vec<_> = sent.iter().filter(|sent| sent.number >= warm && (self.counts)(sent.number)).collect();
        let taken: Vec<Duration> = counted
            .iter()
            .map(|sent| Some(committed.get(&sent.number)?.saturating_duration_since(sent.at)))
            .collect::<Option<_>>()
            .context("an event that was answered has no commit")?;
        let (first, last) = (
            counted.iter().map(|sent| sent.at).min().context("nothing was sent")?,
            counted.iter().filter_map(|sent| committed.get(&sent.number)).max().context("nothing was committed")?,
        );
        Ok(Latencies {
            answered: Quantiles::of(counted.iter().map(|sent| sent.answered).collect()),
            committed: Quantiles::of(taken),
            rate: as_f64(counted.len() as u64) / last.saturating_duration_since(first).as_secs_f64(),
            disk,
        })
    }
}

/// What the disk takes to make a page durable that is appended to a file, while nothing else runs: the server does so at
/// least once for each webhook, and the runner for each commit.
fn disk(folder: &Path) -> Result<f64> {
    let mut file = File::create(folder.join("disk")).context("cannot make a file")?;
    let mut took = Vec::with_capacity(PAGES);
    for _ in 0..PAGES {
        let began = Instant::now();
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        took.push(began.elapsed());
    }
    Ok(Quantiles::of(took).p50)
}
