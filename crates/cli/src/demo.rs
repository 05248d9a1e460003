//! `up --demo`: a recorded meeting of a real LiveKit server, sent as LiveKit sends it.

mod status;
mod table;

use anyhow::{Context, bail};
use async_nats::Client;
use jiff::Timestamp;
use livekit::body;
use livekit::notifier::{Delivery, Notifier, Rules};
use livekit::recording::{self, Freshener};
use livekit::sender::Sender;
use service::config::{Config, process_env};
use service::error::Chain;
use service::ready::Ready;

use crate::control::Control;
use crate::output::Format;

/// What livekit-server 1.11.0 sent while three people met.
const MEETING: &str = include_str!("../demo/meeting.jsonl");

/// What the demo works on.
pub(crate) struct Demo<'a> {
    pub(crate) config: &'a Config,
    pub(crate) ready: &'a Ready,
    pub(crate) client: Client,
    pub(crate) format: Format,
}

/// One event that was sent and accepted.
#[derive(Debug)]
struct Sent {
    id: String,
    kind: String,
    status: u16,
}

/// Sends the meeting and waits until every handler has dealt with every event that it takes. Whether all were handled.
pub(crate) async fn run(demo: &Demo<'_>) -> anyhow::Result<bool> {
    let sent = send(demo).await?;
    let control = Control::new(demo.client.clone(), &demo.config.nats.prefix);
    let fates = status::wait(&control, &demo.config.handlers, &sent).await?;
    table::write(demo.format, &demo.config.handlers, &sent, &fates)?;
    Ok(fates.are_good())
}

/// Sends with fresh ids and fresh signatures: the recorded ones would be duplicates of the last demo, and too old.
async fn send(demo: &Demo<'_>) -> anyhow::Result<Vec<Sent>> {
    let url = demo.ready.webhook.as_deref().unwrap_or_default();
    let signer = demo.config.livekit.resolve_first(&process_env)?;
    let (key, secret) = signer.context("the configuration has no key to sign with")?;
    let notifier = Notifier::new(Sender::new(url, &key, secret)?, Rules::protocol_1_54());
    let mut freshener = Freshener::new();
    let now = u64::try_from(Timestamp::now().as_second()).unwrap_or_default();
    let waiting: Vec<_> = recording::parse(MEETING)?
        .iter()
        .map(|request| freshener.body(&request.body, now))
        .map(|body| (notifier.notify(body.clone()), body))
        .collect();
    let mut sent = Vec::with_capacity(waiting.len());
    for (delivery, body) in waiting {
        let facts = body::inspect(body.as_bytes())?;
        let delivery = delivery.await.context("sending was interrupted")?;
        sent.push(Sent { id: facts.id.to_string(), kind: facts.kind, status: accepted(&delivery)? });
    }
    Ok(sent)
}

fn accepted(delivery: &Delivery) -> anyhow::Result<u16> {
    match delivery.answer() {
        Some(Ok(answer)) if answer.accepted() => Ok(answer.status),
        Some(Ok(answer)) => bail!("the receiver answered {} to a webhook of the recorded meeting", answer.status),
        Some(Err(error)) => bail!("the receiver did not answer: {}", Chain(error)),
        None => bail!("a webhook of the recorded meeting was not sent: those before it took too long"),
    }
}
