//! Publishes an event to its shard and waits for JetStream's acknowledgement, within the deadline.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::context::{ContextBuilder, PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::publish::PublishAck;
use async_nats::jetstream::{self, Context, ErrorCode};
use bytes::Bytes;
use event::topology::{self, StreamsConfig};
use event::{Envelope, shard};
use service::nats::{Connection, State};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use crate::config::Config;
use crate::metrics::{Counted, ReceiverMetrics};
use crate::outcome::Fault;

/// A clustered stream is still storing the first copy of an id. Asked again a little later, it knows.
const IN_PROCESS: ErrorCode = ErrorCode::STREAM_DUPLICATE_MESSAGE_CONFLICT;
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(25);

/// Publishes events. It never blocks: what cannot be stored within the deadline is a [`Fault`].
#[derive(Debug)]
pub(crate) struct Publisher {
    context: Context,
    connection: Connection,
    streams: StreamsConfig,
    within: Duration,
    limit: usize,
    in_flight: Arc<Semaphore>,
    ready: watch::Receiver<bool>,
    metrics: Arc<ReceiverMetrics>,
}

/// An event is stored; it may have been there before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) duplicate: bool,
    pub(crate) stream: String,
    pub(crate) sequence: u64,
}

impl Publisher {
    pub(crate) fn new(
        connection: Connection,
        config: &Config,
        ready: watch::Receiver<bool>,
        metrics: Arc<ReceiverMetrics>,
    ) -> Publisher {
        let limit = config.limits.in_flight;
        let context = ContextBuilder::new()
            .timeout(config.answer_within)
            // Ours is the limit that counts; acknowledgements that nobody waits for any more keep their place a while.
            .max_ack_inflight(limit.saturating_mul(4))
            .backpressure_on_inflight(false)
            .build(connection.client.clone());
        Publisher {
            context,
            connection,
            streams: config.streams.clone(),
            within: config.answer_within,
            limit,
            in_flight: Arc::new(Semaphore::new(limit)),
            ready,
            metrics,
        }
    }

    /// Stores an event. Whoever gets a fault does not know whether it is stored, and may send it again under the same id.
    pub(crate) async fn store(&self, envelope: &Envelope, body: Bytes, deadline: Instant) -> Result<Stored, Fault> {
        let Ok(_place) = self.in_flight.try_acquire() else { return Err(Fault::InFlight { limit: self.limit }) };
        let _counted = Counted::new(&self.metrics.in_flight);
        if !*self.ready.borrow() {
            return Err(Fault::NotReady);
        }
        // Without a connection the client would keep the message and send it whenever there is one again.
        if self.connection.client.connection_state() != async_nats::connection::State::Connected {
            return Err(Fault::NotConnected);
        }
        let shard = shard::shard_of(&envelope.project, &envelope.key, self.streams.shards);
        let stream = topology::events_stream(&self.streams.prefix, shard);
        let subject = envelope.subject(&self.streams.prefix, shard);
        let mut headers = HeaderMap::new();
        for (name, value) in envelope.headers() {
            headers.insert(name, value);
        }
        let started = Instant::now();
        let mut state = self.connection.state.clone();
        let stored = tokio::select! {
            biased;
            stored = self.publish(&stream, subject, headers, body) => stored,
            () = tokio::time::sleep_until(deadline) => Err(Fault::Deadline { within: self.within }),
            _ = state.wait_for(|state| matches!(state, State::Disconnected | State::Closed)) => Err(Fault::ConnectionLost),
        };
        if stored.is_ok() {
            self.metrics.publish_seconds.observe(started.elapsed().as_secs_f64());
        }
        stored
    }

    async fn publish(&self, stream: &str, subject: String, headers: HeaderMap, body: Bytes) -> Result<Stored, Fault> {
        let bytes = body.len();
        let message = PublishMessage::build().payload(body).headers(headers).expected_stream(stream);
        loop {
            match self.once(subject.clone(), message.clone()).await {
                Ok(ack) => {
                    return Ok(Stored { duplicate: ack.duplicate, stream: ack.stream, sequence: ack.sequence });
                }
                Err(error) if error_code(&error) == Some(IN_PROCESS) => {
                    tokio::time::sleep(ASK_AGAIN_AFTER).await;
                }
                Err(error) => return Err(self.fault(stream, bytes, &error)),
            }
        }
    }

    async fn once(&self, subject: String, message: PublishMessage) -> Result<PublishAck, PublishError> {
        self.context.send_publish(subject, message).await?.await
    }

    fn fault(&self, stream: &str, bytes: usize, error: &PublishError) -> Fault {
        let stream = stream.to_owned();
        match error.kind() {
            PublishErrorKind::StreamNotFound => Fault::NoStream { stream },
            PublishErrorKind::TimedOut => Fault::Deadline { within: self.within },
            PublishErrorKind::BrokenPipe => Fault::ConnectionLost,
            PublishErrorKind::MaxAckPending => Fault::InFlight { limit: self.limit },
            PublishErrorKind::MaxPayloadExceeded => Fault::MaxPayload { bytes },
            PublishErrorKind::WrongLastMessageId | PublishErrorKind::WrongLastSequence | PublishErrorKind::Other => {
                let why = error.source().map_or_else(|| error.to_string(), ToString::to_string);
                let code = error_code(error);
                if code == Some(ErrorCode::STREAM_STORE_FAILED) && why.contains("maximum") {
                    Fault::StreamFull { stream }
                } else if code == Some(ErrorCode::STREAM_TOO_MANY_REQUESTS) {
                    Fault::InFlight { limit: self.limit }
                } else {
                    Fault::StreamRefused { stream, why }
                }
            }
        }
    }
}

fn error_code(error: &PublishError) -> Option<ErrorCode> {
    let answer: &jetstream::Error = error.source()?.downcast_ref()?;
    Some(answer.error_code())
}
