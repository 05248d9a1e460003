//! A shard's consumer: made for one incarnation, pulled in chunks, and watched for deliveries that got lost.

use std::sync::Arc;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream;
use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy, pull};
use async_nats::jetstream::context::ConsumerInfoErrorKind;
use bytes::Bytes;
use event::{Envelope, EventId, header, topology};
use futures_util::{FutureExt as _, StreamExt as _};
use lanes::{Delivery, Identity, Input, Seq, Shard, Verdict};
use service::config::DEAD_LETTER;
use store::{Event, Headers};
use tokio::sync::{Semaphore, mpsc};

use super::claim::{Stream, is_anchored};
use super::{Message, Task, send};
use crate::config::Handler;
use crate::filter::Filter;
use crate::shared::{DEAD_LETTERS, Shared};

/// Messages in one chunk, and in one request to the server.
const CHUNK: usize = 500;

/// The server deletes a consumer that nobody pulled for so long.
const INACTIVE: Duration = Duration::from_mins(1);

/// How long one pull request waits at the server, and how often the server says that it is still there.
const PULL_EXPIRES: Duration = Duration::from_secs(30);
const PULL_HEARTBEAT: Duration = Duration::from_secs(5);

/// With nothing arriving, the server is asked after the first of these waits, then less and less often.
const QUIET_FIRST: Duration = Duration::from_secs(1);
const QUIET_LAST: Duration = Duration::from_secs(16);

/// The wait before a failed request to the server is made again.
const RETRY: Duration = Duration::from_millis(500);

impl Task {
    /// Replaces the shard's puller by one for the next incarnation.
    pub(super) fn consume(&mut self, shard: Shard, incarnation: u32, start: Seq) {
        let Some(owned) = self.shards.get_mut(&shard) else { return };
        owned.stop_pulling();
        owned.incarnation = incarnation;
        owned.credit = Arc::new(Semaphore::new(0));
        owned.letting_in = false;
        let puller = Puller {
            shared: self.shared.clone(),
            config: self.config.clone(),
            filter: self.filter.clone(),
            shard,
            epoch: owned.owner.epoch,
            incarnation,
            start,
            stream: owned.stream.clone(),
            anchor: self.machine.books(shard).and_then(|progress| progress.anchor.clone()),
            credit: owned.credit.clone(),
            reports: self.reports.clone(),
        };
        owned.puller = Some(tokio::spawn(puller.run()));
    }
}

/// Pulls one incarnation of a shard's consumer.
struct Puller {
    shared: Arc<Shared>,
    config: Arc<Handler>,
    filter: Arc<Filter>,
    shard: Shard,
    epoch: u64,
    incarnation: u32,
    start: Seq,
    stream: Stream,
    anchor: Option<(Seq, Arc<str>)>,
    credit: Arc<Semaphore>,
    reports: mpsc::Sender<Message>,
}

/// Why a consumer could not be made.
enum Unmade {
    /// The stream is another one.
    Changed,
    /// The server said no or nothing.
    Failed(Box<dyn std::error::Error + Send + Sync>),
}

/// Why pulling ended.
enum Ended {
    /// Deliveries may be missing: the consumer must be made anew.
    Again,
    /// The task is gone.
    Gone,
}

impl Puller {
    async fn run(self) {
        let consumer = loop {
            match self.create().await {
                Ok(consumer) => break consumer,
                Err(Unmade::Changed) => {
                    let (shard, incarnation) = (self.shard, self.incarnation);
                    return send(&self.reports, Message::StreamChanged { shard, incarnation }).await;
                }
                Err(Unmade::Failed(error)) => {
                    let error = service::error::Chain(error.as_ref()).to_string();
                    tracing::warn!(handler = %self.config.name, shard = self.shard, error,
                        "failed to make a consumer; trying again");
                    tokio::time::sleep(RETRY).await;
                }
            }
        };
        if let Ended::Again = self.pull(consumer).await {
            send(&self.reports, Message::Input(Input::Reconnected { shard: self.shard })).await;
        }
    }

    async fn create(&self) -> Result<Consumer<pull::Config>, Unmade> {
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| Unmade::Failed(error);
        let mut stream = self.shared.js.get_stream(&self.stream.name).await.map_err(|error| failed(error.into()))?;
        let info = stream.info().await.map_err(|error| failed(error.into()))?;
        if info.created.to_string() != self.stream.created || info.state.last_sequence + 1 < self.start {
            return Err(Unmade::Changed);
        }
        if !is_anchored(&stream, self.anchor.as_ref()).await {
            return Err(Unmade::Changed);
        }
        self.delete_older(&stream).await;
        stream
            .create_consumer(pull::Config {
                name: Some(self.name(self.incarnation)),
                filter_subjects: self.shared.subjects(&self.filter, self.shard),
                deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: self.start },
                ack_policy: AckPolicy::None,
                memory_storage: true,
                num_replicas: 1,
                inactive_threshold: INACTIVE,
                ..pull::Config::default()
            })
            .await
            .map_err(|error| failed(error.into()))
    }

    fn name(&self, incarnation: u32) -> String {
        topology::consumer_name(self.config.name.as_str(), self.shard, self.epoch, incarnation)
    }

    /// A pull that is still open on an older consumer ends at once when that is deleted. What cannot be deleted goes
    /// away by itself after [`INACTIVE`].
    async fn delete_older(&self, stream: &jetstream::stream::Stream) {
        if self.incarnation > 1 {
            let _ = stream.delete_consumer(&self.name(self.incarnation - 1)).await;
            return;
        }
        let prefix = topology::consumer_prefix(self.config.name.as_str(), self.shard);
        let mut names = stream.consumer_names();
        while let Some(Ok(name)) = names.next().await {
            if name.starts_with(&prefix) {
                let _ = stream.delete_consumer(&name).await;
            }
        }
    }

    async fn pull(&self, mut consumer: Consumer<pull::Config>) -> Ended {
        let messages =
            consumer.stream().max_messages_per_batch(CHUNK).expires(PULL_EXPIRES).heartbeat(PULL_HEARTBEAT).messages();
        let Ok(mut messages) = messages.await else { return Ended::Again };
        let mut connection = self.shared.connection.state.clone();
        connection.mark_unchanged();
        let mut quiet = QUIET_FIRST;
        loop {
            let next = tokio::select! {
                next = tokio::time::timeout(quiet, messages.next()) => next,
                changed = connection.changed() => match changed {
                    Ok(()) if *connection.borrow_and_update() == service::nats::State::Connected => return Ended::Again,
                    Ok(()) => continue,
                    Err(_) => return Ended::Gone,
                },
            };
            match next {
                Err(_) => {
                    quiet = (quiet * 2).min(QUIET_LAST);
                    if !self.ask(&mut consumer).await {
                        return Ended::Again;
                    }
                }
                Ok(None) => return Ended::Again,
                Ok(Some(Err(error))) => {
                    tracing::debug!(handler = %self.config.name, shard = self.shard, %error, "pulling failed");
                    tokio::time::sleep(RETRY).await;
                    if !self.ask(&mut consumer).await {
                        return Ended::Again;
                    }
                }
                Ok(Some(Ok(first))) => {
                    quiet = QUIET_FIRST;
                    let mut chunk = Vec::with_capacity(CHUNK.min(64));
                    chunk.extend(self.delivery(&first));
                    while chunk.len() < CHUNK {
                        match messages.next().now_or_never() {
                            Some(Some(Ok(message))) => chunk.extend(self.delivery(&message)),
                            _ => break,
                        }
                    }
                    if !self.hand_over(chunk).await {
                        return Ended::Gone;
                    }
                }
            }
        }
    }

    async fn hand_over(&self, chunk: Vec<Delivery<Arc<Event>>>) -> bool {
        let Ok(permit) = self.credit.acquire().await else { return false };
        permit.forget();
        let input = Input::Delivered { shard: self.shard, incarnation: self.incarnation, chunk };
        self.reports.send(Message::Input(input)).await.is_ok()
    }

    /// Asks the server what it has delivered. False if the consumer is gone.
    async fn ask(&self, consumer: &mut Consumer<pull::Config>) -> bool {
        // The stream is read first: what comes in between is then pending, and not taken for delivered.
        let Ok(mut stream) = self.shared.js.get_stream(&self.stream.name).await else { return true };
        let Ok(stream_last) = stream.info().await.map(|info| info.state.last_sequence) else { return true };
        match consumer.info().await {
            Ok(info) => {
                let input = Input::Quiet {
                    shard: self.shard,
                    incarnation: self.incarnation,
                    stream_last,
                    delivered: info.delivered.consumer_sequence,
                    pending: info.num_pending,
                };
                self.reports.send(Message::Input(input)).await.is_ok()
            }
            // Unreachable says nothing of the consumer; the next answer will.
            Err(error) => error.kind() != ConsumerInfoErrorKind::NotFound,
        }
    }

    /// Nothing for a message without delivery data, which no consumer sends.
    fn delivery(&self, message: &jetstream::Message) -> Option<Delivery<Arc<Event>>> {
        let info = message.info().ok()?;
        let (seq, consumer_seq) = (info.stream_sequence, info.consumer_sequence);
        let headers = headers(message.headers.as_ref());
        let envelope = Envelope::from_headers(|name| headers.get(name));
        let (envelope, verdict) = match envelope {
            Ok(envelope) => {
                let envelope = if self.shard == DEAD_LETTERS { of_the_feed(envelope, &headers) } else { envelope };
                let verdict = self.filter.verdict(&envelope.kind, &message.payload);
                (Some(envelope), verdict)
            }
            Err(error) => {
                tracing::warn!(stream = self.stream.name, seq, error = %service::error::Chain(&error),
                    "passed over a message that no receiver wrote");
                (None, Verdict::NotSubscribed)
            }
        };
        let event = Arc::new(event_of(seq, envelope.as_ref(), headers, message.payload.clone()));
        Some(Delivery {
            seq,
            consumer_seq,
            identity: event.identity.clone(),
            key: event.key.clone(),
            bytes: event.occupies(),
            verdict,
            event,
        })
    }
}

/// All headers of a message: walking them costs less than the map's look-ups, which make a name of each text.
fn headers(map: Option<&HeaderMap>) -> Headers {
    let map = map.into_iter().flat_map(HeaderMap::iter);
    map.flat_map(|(name, values)| values.iter().map(move |value| (name.as_ref(), value.as_str()))).collect()
}

/// A message of the dead-letter feed has the headers of the event that died. As an event of its own it has the type of
/// the feed and the id of the message, of which there is one for each death.
fn of_the_feed(mut envelope: Envelope, headers: &Headers) -> Envelope {
    DEAD_LETTER.clone_into(&mut envelope.kind);
    let id = headers.get(header::NATS_MSG_ID).and_then(|id| EventId::try_from(id.to_owned()).ok());
    if let Some(id) = id {
        envelope.id = id;
    }
    envelope
}

fn event_of(seq: Seq, envelope: Option<&Envelope>, headers: Headers, body: Bytes) -> Event {
    let id: Arc<str> = envelope.map_or_else(|| format!("message-{seq}").into(), |envelope| envelope.id.as_str().into());
    let project: Arc<str> = envelope.map_or("default", |envelope| envelope.project.as_str()).into();
    Event {
        seq,
        project: project.clone(),
        kind: envelope.map_or("other", |envelope| envelope.kind.as_str()).into(),
        headers,
        body,
        identity: Identity { project, created: envelope.map_or(0, |envelope| envelope.created_at), id },
        key: envelope.map_or("default", |envelope| envelope.key.as_str()).into(),
        received_at_ms: envelope.map_or(0, |envelope| envelope.received_at_ms),
    }
}
