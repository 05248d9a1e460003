//! One drain, from the moment that the worker is let go to its last commit.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bench_receiver::process::{as_f64, usage};
use rustix::process::Signal;
use serde_json::Value;
use testkit::Process;

use crate::backlog::Backlog;
use crate::contestant::{self, Contestant, Programs};
use crate::site;
use crate::state::{Look, Prefilled};

/// A drain in which nothing is committed for so long has failed.
const STUCK: Duration = Duration::from_secs(30);

/// How often the database is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// What a drain took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Measured {
    /// Events a second; where several handlers take an event, each of them counts.
    pub(crate) rate: f64,
    /// What the worker took of a processor for one event; the servers take their own.
    pub(crate) cpu_us: f64,
    /// The most memory that it held.
    pub(crate) peak_mb: f64,
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rate, cpu_us, peak_mb } = self;
        write!(f, "{rate:.0} ev/s, {cpu_us:.1} µs, {peak_mb:.0} MB")
    }
}

/// What is drained, and by which handlers.
pub(crate) struct Course<'a> {
    pub(crate) programs: &'a Programs,
    pub(crate) prefilled: &'a Prefilled,
    pub(crate) backlog: &'a Backlog,
    pub(crate) handlers: Vec<Value>,
    /// So many are done in the end, over all handlers.
    pub(crate) due: u64,
}

impl<'a> Course<'a> {
    /// That of the plugin that Roomwire is compared with.
    pub(crate) fn plain(programs: &'a Programs, prefilled: &'a Prefilled, backlog: &'a Backlog) -> Self {
        Self { programs, prefilled, backlog, handlers: vec![site::event_log(programs)], due: backlog.len() as u64 }
    }

    /// Drains it with servers and a database of its own.
    pub(crate) async fn drain(&self, contestant: Contestant) -> Result<Measured> {
        let folder = tempfile::Builder::new().prefix("rw-bench-").tempdir().context("cannot make a folder")?;
        let state = self.prefilled.state(contestant, folder.path()).await?;
        let nats = site::nats("2m").await?;
        self.backlog.make_streams(contestant, &nats).await?;
        let process = match contestant {
            Contestant::Node(batch, synchronous) => {
                contestant::node((batch, synchronous), self.programs, &nats, &state).await?
            }
            Contestant::Sqlite | Contestant::Postgres => {
                site::runner(self.programs, &nats, &state, folder.path(), &self.handlers).await?
            }
        };
        let look = state.look().await?;
        // It is stopped while the backlog comes in, so that it begins with all of it and with nothing to start or compile.
        process.signal(Signal::STOP)?;
        self.backlog.publish(contestant, &nats).await?;
        self.until_done(&process, look).await
    }

    async fn until_done(&self, process: &Process, mut look: Look) -> Result<Measured> {
        let (began, before) = (Instant::now(), usage(process.pid())?);
        process.signal(Signal::CONT)?;
        let (mut done, mut since) = (0, began);
        while done < self.due {
            tokio::time::sleep(LOOK).await;
            let now = look.done().await?;
            if now > done {
                (done, since) = (now, Instant::now());
            }
            let due = self.due;
            ensure!(since.elapsed() < STUCK, "{done} of {due} were drained, and no more: {}", process.log());
        }
        let (took, after) = (began.elapsed(), usage(process.pid())?);
        ensure!(done == self.due, "{done} were drained of {}", self.due);
        process.sigterm()?;
        process.wait_exit(STUCK).await?;
        // Whoever ends writes what is left: nothing may have been done twice.
        let done = look.done().await?;
        ensure!(done == self.due, "{done} were drained of {}", self.due);
        Ok(Measured {
            rate: as_f64(self.due) / took.as_secs_f64(),
            cpu_us: (after.cpu_s - before.cpu_s) * 1e6 / as_f64(self.due),
            peak_mb: as_f64(after.peak) / 1e6,
        })
    }
}
