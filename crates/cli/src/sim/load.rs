//! `roomwire sim load`: meetings in many rooms at a steady rate, and a verdict.

mod chaos;
mod plan;
mod tally;
mod times;
mod verdict;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use livekit::notifier::Notifier;
use livekit::sender::Sender;
use service::{exit, shutdown::Shutdown};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::flags::TargetFlags;
use crate::args::Globals;
use chaos::Chaos;
use plan::{Plan, Planned};
use tally::Tally;
use verdict::Sent;

/// How often events are handed over and the progress is shown.
const TICK: Duration = Duration::from_millis(10);

/// After Ctrl-C, how long answers are waited for that are on their way.
const GRACE: Duration = Duration::from_secs(2);

/// A day.
const LONGEST: Duration = Duration::from_hours(24);

/// Many meetings, at a steady rate.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// Rooms in which there are meetings at the same time
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000), value_name = "NUMBER")]
    rooms: u32,
    /// Events a second, all rooms together
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=20_000), value_name = "NUMBER")]
    rate: u32,
    /// How long events are sent
    #[arg(long, default_value = "10s", value_parser = duration, value_name = "TIME")]
    duration: Duration,
    /// Disturbances, with commas between them
    #[arg(long, value_enum, value_delimiter = ',', value_name = "WHAT")]
    chaos: Vec<Chaos>,
    /// Repeats the run of this number: the same events under the same ids, which a receiver that has them still takes for
    /// duplicates [default: a new one, told at the end]
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    #[command(flatten)]
    target: TargetFlags,
}

fn duration(text: &str) -> Result<Duration, String> {
    let fits = |duration: &Duration| *duration > Duration::ZERO && *duration <= LONGEST;
    crate::duration::parse(text)
        .ok()
        .filter(fits)
        .ok_or_else(|| format!("`{text}` is no duration; write for example `30s` or `10m`, at most `24h`"))
}

pub(super) async fn run(globals: &Globals, flags: Flags) -> anyhow::Result<ExitCode> {
    let chaos: BTreeSet<Chaos> = flags.chaos.iter().copied().collect();
    let seed = flags.seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    let tally = Arc::new(Mutex::new(Tally::new()?));
    let servers = servers(&flags.target.sender(globals)?, &flags.target, &chaos, &tally);
    let plan = Plan::new(seed, usize::try_from(flags.rooms)?, chaos);
    let stop = Shutdown::on_signals()?.token();
    let mut load = Load { servers, plan, tally, progress: progress(), webhooks: 0, copies: 0 };
    let start = Instant::now();
    load.hand_over(flags.rate, flags.duration, &stop).await;
    let took = start.elapsed();
    load.settle(&stop).await;
    load.progress.finish_and_clear();
    let sent = Sent {
        seed,
        rooms: usize::try_from(flags.rooms)?,
        meetings: load.plan.meetings(),
        webhooks: load.webhooks,
        copies: load.copies,
        took,
        interrupted: stop.is_cancelled(),
    };
    let tally = load.tally();
    verdict::write(globals.output, &sent, &tally)?;
    Ok(if verdict::passed(&sent, &tally) { ExitCode::SUCCESS } else { ExitCode::from(exit::FAILURE) })
}

/// One LiveKit server: its clock, its queues.
struct Server {
    notifier: Notifier<Sender>,
    sender: Sender,
}

fn servers(sender: &Sender, target: &TargetFlags, chaos: &BTreeSet<Chaos>, tally: &Arc<Mutex<Tally>>) -> Vec<Server> {
    let server = |ahead_s: &i64| {
        let (sender, tally) = (sender.with_clock_ahead(*ahead_s), tally.clone());
        let may_be_refused = chaos::may_be_refused(*ahead_s);
        let hook = Arc::new(move |delivery: &_| lock(&tally).add(delivery, may_be_refused));
        Server { notifier: Notifier::with_hook(sender.clone(), target.rules(), hook), sender }
    };
    chaos::clocks(chaos).iter().map(server).collect()
}

struct Load {
    servers: Vec<Server>,
    plan: Plan,
    tally: Arc<Mutex<Tally>>,
    progress: ProgressBar,
    webhooks: u64,
    copies: u64,
}

impl Load {
    /// Hands events over at this rate for so long, or until it is stopped. Time that was lost is made up for.
    async fn hand_over(&mut self, rate: u32, duration: Duration, stop: &CancellationToken) {
        let (start, mut events) = (Instant::now(), 0);
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let elapsed = start.elapsed().min(duration);
            let due = u64::try_from(elapsed.as_millis() * u128::from(rate) / 1000).unwrap_or(u64::MAX);
            while events < due {
                let Some(planned) = self.plan.next() else { return };
                self.send(planned);
                events += 1;
            }
            self.show();
            if elapsed == duration {
                return;
            }
        }
    }

    fn send(&mut self, planned: Planned) {
        let Some(server) = self.servers.get(planned.server) else { return };
        let copies = if planned.copied { std::slice::from_ref(&server.sender) } else { &[] };
        // The hook hears what becomes of them.
        let webhooks = u64::try_from(server.notifier.notify_with(planned.body, copies).len()).unwrap_or_default();
        self.webhooks += webhooks;
        self.copies += webhooks.saturating_sub(1);
    }

    /// Waits until everything that was handed over has ended; after Ctrl-C only for what is on its way.
    async fn settle(&self, stop: &CancellationToken) {
        let all = async {
            let mut ticks = interval(TICK);
            while self.tally().ended() < self.webhooks {
                ticks.tick().await;
                self.show();
            }
        };
        let enough = async {
            stop.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            () = all => {}
            () = enough => {}
        }
    }

    fn show(&self) {
        if self.progress.is_hidden() {
            return;
        }
        let tally = self.tally();
        let (delivered, failed) = (tally.delivered, tally.failed());
        let waiting = self.webhooks.saturating_sub(tally.ended());
        drop(tally);
        let sent = self.webhooks;
        self.progress.set_message(format!("{sent} sent, {delivered} delivered, {failed} failed, {waiting} under way"));
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        lock(&self.tally)
    }
}

fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Shown on a terminal only.
fn progress() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    let style = ProgressStyle::with_template("{elapsed_precise}  {msg}");
    style.map(|style| bar.clone().with_style(style)).unwrap_or(bar)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_above_zero_and_at_most_a_day() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1m 30s"), Ok(Duration::from_secs(90)));
        for text in ["", "0s", "-1s", "25h", "soon", "10"] {
            assert!(duration(text).unwrap_err().contains("is no duration"), "{text}");
        }
    }
}
