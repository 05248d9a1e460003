//! LiveKit's notifier as a process: it is told what to send, and tells what became of it.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use testkit::webhook::{KEY, SECRET};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::rooms::Event;
use crate::rig::LONG;

/// The key that signs extra webhooks.
pub(super) const EXTRA_KEY: &str = "egresskey";
/// Its secret.
pub(super) const EXTRA_SECRET: &str = "another-secret-another-secret-another";

/// Go programs keep one idle connection more than this to one address.
const PROCESSORS: &str = "8";

/// What became of one webhook.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Report {
    pub(super) id: String,
    pub(super) extra: bool,
    pub(super) outcome: Outcome,
    /// The status of the answer, where it was sent.
    #[serde(default)]
    pub(super) status: u16,
    /// When the first attempt began, in Unix milliseconds.
    pub(super) sent_at_ms: u64,
    pub(super) send_duration_ms: u64,
}

/// How a webhook ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// It was answered with a status that is not tried again.
    Sent,
    /// Every attempt failed.
    Failed,
    /// It was never tried.
    Dropped,
}

/// The running program. Killed when dropped.
pub(super) struct Notifier {
    child: Child,
    commands: ChildStdin,
    handed_over: usize,
    reports: Reports,
    reading: JoinHandle<Result<()>>,
}

/// What was reported so far.
#[derive(Clone)]
struct Reports {
    all: Arc<Mutex<Vec<Report>>>,
    count: watch::Sender<usize>,
}

fn binary() -> Result<PathBuf> {
    let path = testkit::workspace().join(".tools/bin/livekit-notifier");
    ensure!(path.is_file(), "{} is not built: run `scripts/notifier`", path.display());
    Ok(path)
}

impl Notifier {
    /// Starts one that sends to this address.
    pub(super) fn start(url: &str) -> Result<Self> {
        let mut command = Command::new(binary()?);
        command.args(["--url", url, "--key", KEY, "--secret", SECRET]);
        command.args(["--extra-key", &format!("{EXTRA_KEY}={EXTRA_SECRET}")]).env("GOMAXPROCS", PROCESSORS);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start livekit-notifier")?;
        let commands = child.stdin.take().context("it has no stdin")?;
        let output = child.stdout.take().context("it has no stdout")?;
        let reports = Reports { all: Arc::default(), count: watch::Sender::new(0) };
        let reading = tokio::spawn(reports.clone().read(output));
        Ok(Self { child, commands, handed_over: 0, reports, reading })
    }

    /// Hands one event over.
    pub(super) async fn notify(&mut self, event: &Event) -> Result<()> {
        let extra = if event.copied { format!("{{\"signingKey\":\"{EXTRA_KEY}\"}}") } else { String::new() };
        let line = format!("{{\"webhook\":{},\"extra\":[{extra}]}}\n", event.body);
        self.handed_over += 1 + usize::from(event.copied);
        self.commands.write_all(line.as_bytes()).await.context("livekit-notifier does not listen any more")
    }

    /// Hands events over, as many at a time as are in `window`.
    pub(super) async fn notify_within(&mut self, events: &[Event], window: usize) -> Result<()> {
        let mut count = self.reports.count.subscribe();
        for event in events {
            let floor = (self.handed_over + 1).saturating_sub(window);
            let enough = timeout(LONG, count.wait_for(|reported| *reported >= floor)).await;
            enough.context("livekit-notifier reports nothing")?.context("livekit-notifier ended")?;
            self.notify(event).await?;
        }
        Ok(())
    }

    /// Hands events over, one each `pace`, beside whatever else goes on.
    pub(super) fn feed(mut self, events: Vec<Event>, pace: Duration) -> Feed {
        let reports = self.reports.clone();
        let feeding = tokio::spawn(async move {
            let mut ticks = interval(pace);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            for event in events {
                ticks.tick().await;
                self.notify(&event).await?;
            }
            Ok(self)
        });
        Feed { reports, feeding }
    }

    /// Waits until everything has ended, and returns what became of each webhook.
    pub(super) async fn finish(self) -> Result<Vec<Report>> {
        let Self { mut child, commands, reports, reading, .. } = self;
        drop(commands);
        let status = timeout(LONG, child.wait()).await.context("livekit-notifier does not end")??;
        ensure!(status.success(), "livekit-notifier ended with {status}");
        reading.await.context("the reports were not read to their end")??;
        Ok(reports.all())
    }
}

/// Events that are being handed over.
pub(super) struct Feed {
    reports: Reports,
    feeding: JoinHandle<Result<Notifier>>,
}

impl Feed {
    /// Waits until so many webhooks have ended.
    pub(super) async fn wait_reports(&self, wanted: usize) -> Result<()> {
        let mut count = self.reports.count.subscribe();
        let enough = timeout(LONG, count.wait_for(|count| *count >= wanted)).await;
        enough.with_context(|| format!("waited in vain for {wanted} reports"))?.context("livekit-notifier ended")?;
        Ok(())
    }

    /// Waits until everything is handed over and has ended, and returns what became of each webhook.
    pub(super) async fn finish(self) -> Result<Vec<Report>> {
        self.feeding.await.context("the events were not handed over")??.finish().await
    }
}

impl Reports {
    async fn read(self, output: ChildStdout) -> Result<()> {
        let mut lines = BufReader::new(output).lines();
        while let Some(line) = lines.next_line().await.context("cannot read a report")? {
            let report: Report = serde_json::from_str(&line).with_context(|| format!("not a report: {line}"))?;
            self.all.lock().unwrap_or_else(PoisonError::into_inner).push(report);
            self.count.send_modify(|count| *count += 1);
        }
        Ok(())
    }

    fn all(&self) -> Vec<Report> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
