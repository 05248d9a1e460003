//! A receiver with its nats-server and its folder, at an address that it keeps.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use testkit::NatsServer;
use testkit::webhook::{KEY, SECRET};

use super::notifier::{EXTRA_KEY, EXTRA_SECRET, Notifier};
use crate::rig::{LONG, Rig, Service, free_address};

/// Whether a receiver has a spool.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Spool {
    On,
    Off,
}

/// The folder of a receiver that takes both keys of the notifier.
pub(super) fn rig(spool: Spool) -> Result<Rig> {
    let spool = match spool {
        Spool::On => json!({ "path": "spool.db" }),
        Spool::Off => json!("off"),
    };
    let keys: Value = json!({ KEY: SECRET, EXTRA_KEY: EXTRA_SECRET });
    Rig::new(json!({ "livekit": { "keys": keys }, "receiver": { "spool": spool } }))
}

pub(super) struct Site {
    pub(super) nats: NatsServer,
    pub(super) receiver: Service,
    address: String,
    rig: Rig,
}

impl Site {
    pub(super) async fn start(spool: Spool) -> Result<Self> {
        let (rig, nats, address) = (rig(spool)?, NatsServer::start().await?, free_address()?);
        let receiver = rig.receiver(&nats.url(), &address).await?;
        Ok(Self { nats, receiver, address, rig })
    }

    /// LiveKit, as it sends to this receiver.
    pub(super) fn notifier(&self) -> Result<Notifier> {
        Notifier::start(self.receiver.webhook())
    }

    /// Stops the receiver as an orchestrator does.
    pub(super) async fn stop(&self) -> Result<()> {
        self.receiver.process.sigterm()?;
        self.receiver.process.wait_exit(LONG).await.context("the receiver does not stop")?;
        Ok(())
    }

    /// Starts a receiver where one has ended.
    pub(super) async fn start_again(&mut self) -> Result<()> {
        self.receiver = self.rig.receiver(&self.nats.url(), &self.address).await?;
        Ok(())
    }
}

/// The sum of a receiver's counter, or gauge, over those of its labels that have this text.
pub(super) async fn counted(receiver: &Service, name: &str, labels: &str) -> Result<usize> {
    let text = receiver.metrics().await?;
    let series = text.lines().filter_map(|line| line.strip_prefix(name)?.rsplit_once(' '));
    series
        .filter(|(found, _)| (found.is_empty() || found.starts_with('{')) && found.contains(labels))
        .map(|(_, value)| value.parse::<usize>().with_context(|| format!("{name} is {value}")))
        .sum()
}
