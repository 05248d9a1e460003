//! The receiver and the runner inside this process.

use std::thread;

use anyhow::{Context, anyhow};
use service::admin::{Health, Metrics};
use service::nats::Connection;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;

/// The receiver and the runner, each with a token of its own: the receiver stops first.
pub(super) struct Parts {
    receiver: Part,
    runner: Part,
}

struct Part {
    stop: CancellationToken,
    ended: JoinHandle<anyhow::Result<()>>,
    /// Whether its end has been seen, after which it must not be waited for.
    seen: bool,
}

impl Parts {
    pub(super) fn start(
        listener: TcpListener,
        connection: Connection,
        receiver: receiver::Config,
        runner: runner::Config,
        health: &Health,
        metrics: &Metrics,
    ) -> anyhow::Result<Self> {
        // Known to `/readyz` from the first moment, whenever the parts themselves get to it.
        let _ = (health.component("receiver"), health.component("runner"));
        Ok(Self {
            receiver: start_receiver(listener, connection, receiver, health, metrics),
            runner: start_runner(runner, health, metrics)?,
        })
    }

    /// Waits until one of them ends by itself, which is a failure.
    pub(super) async fn failed(&mut self) -> anyhow::Error {
        let (name, ended) = tokio::select! {
            ended = self.receiver.ended() => ("receiver", ended),
            ended = self.runner.ended() => ("runner", ended),
        };
        match ended {
            Ok(Ok(())) => anyhow!("the {name} ended by itself"),
            Ok(Err(error)) => error.context(format!("the {name} stopped")),
            Err(error) => anyhow::Error::new(error).context(format!("the {name} crashed")),
        }
    }

    /// Stops the receiver, and when all that it accepted is stored, the runner.
    pub(super) async fn drain(self) -> anyhow::Result<()> {
        let received = self.receiver.drain("receiver").await;
        let ran = self.runner.drain("runner").await;
        received.and(ran)
    }
}

impl Part {
    fn new(stop: CancellationToken, ended: JoinHandle<anyhow::Result<()>>) -> Self {
        Self { stop, ended, seen: false }
    }

    async fn ended(&mut self) -> Result<anyhow::Result<()>, JoinError> {
        let ended = (&mut self.ended).await;
        self.seen = true;
        ended
    }

    async fn drain(mut self, name: &str) -> anyhow::Result<()> {
        self.stop.cancel();
        if self.seen {
            // That it ended by itself was reported.
            return Ok(());
        }
        let ended = self.ended().await.with_context(|| format!("the {name} crashed"))?;
        tracing::info!("{name} drained");
        ended.with_context(|| format!("the {name} stopped badly"))
    }
}

fn start_receiver(
    listener: TcpListener,
    connection: Connection,
    config: receiver::Config,
    health: &Health,
    metrics: &Metrics,
) -> Part {
    let stop = CancellationToken::new();
    let (health, metrics, token) = (health.clone(), metrics.clone(), stop.clone());
    let ended =
        tokio::spawn(async move { Ok(receiver::run(listener, connection, config, &health, &metrics, token).await?) });
    Part::new(stop, ended)
}

/// The runner has a runtime of its own, so that what plugins do cannot delay the answers to webhooks.
fn start_runner(config: runner::Config, health: &Health, metrics: &Metrics) -> anyhow::Result<Part> {
    let stop = CancellationToken::new();
    let (health, metrics, token) = (health.clone(), metrics.clone(), stop.clone());
    let (sender, ended) = oneshot::channel();
    let run = move || -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread().thread_name("runner").enable_all().build()?;
        Ok(runtime.block_on(runner::run(config, health, &metrics, token))?)
    };
    thread::Builder::new()
        .name("runner".to_owned())
        .spawn(move || {
            // Nobody listens any more when the process is about to end.
            let _ = sender.send(run());
        })
        .context("cannot start the runner's thread")?;
    let ended = tokio::spawn(async move { ended.await.context("the runner's thread panicked")? });
    Ok(Part::new(stop, ended))
}
