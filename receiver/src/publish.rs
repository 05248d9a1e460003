//! Publishes an event to its shard and waits for JetStream's acknowledgement, within the deadline.

mod acks;
mod answer;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_nats::client::{PublishError, PublishErrorKind};
use async_nats::header::NATS_EXPECTED_STREAM;
use async_nats::{HeaderMap, SubscribeError};
use bytes::Bytes;
use event::topology::StreamsConfig;
use futures_util::future::{Either, select};
use service::nats::{Connection, State};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::Instant;

use crate::metrics::{Counted, ReceiverMetrics};
use crate::outcome::Fault;
use crate::outgoing::Outgoing;
use acks::Acks;
use answer::Answer;
pub(crate) use answer::Stored;

/// How long a stream is left alone that is still storing the first copy of an event.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(25);

/// Publishes events. It never blocks: what cannot be stored within the deadline is a [`Fault`].
#[derive(Debug, Clone)]
pub(crate) struct Publisher {
    connection: Connection,
    acks: Acks,
    streams: Arc<StreamsConfig>,
    limit: usize,
    in_flight: Arc<Semaphore>,
    ready: watch::Receiver<bool>,
    /// Told when a stream does not answer.
    missing: Arc<Notify>,
    metrics: Arc<ReceiverMetrics>,
}

impl Publisher {
    /// One that stores nothing before `ready` shows true, and tells `missing` when a stream does not answer. At most
    /// `limit` senders may wait at a time.
    pub(crate) async fn new(
        connection: Connection,
        streams: Arc<StreamsConfig>,
        limit: usize,
        (ready, missing): (watch::Receiver<bool>, Arc<Notify>),
        metrics: Arc<ReceiverMetrics>,
    ) -> Result<Publisher, SubscribeError> {
        let acks = Acks::listen(&connection).await?;
        let in_flight = Arc::new(Semaphore::new(limit));
        Ok(Publisher { connection, acks, streams, limit, in_flight, ready, missing, metrics })
    }

    /// Stores an event that a sender waits for; such events have a limit of their number. Whoever gets a fault does not
    /// know whether it is stored, and may send it again under the same id.
    pub(crate) async fn store(&self, event: &Outgoing, within: Duration) -> Result<Stored, Fault> {
        let Ok(_place) = self.in_flight.try_acquire() else { return Err(Fault::InFlight { limit: self.limit }) };
        let _counted = Counted::new(&self.metrics.in_flight);
        let started = Instant::now();
        let stored = self.deliver(event, within).await;
        if stored.is_ok() {
            self.metrics.publish_seconds.observe(started.elapsed().as_secs_f64());
        }
        stored
    }

    /// Stores an event. Whoever gets a fault does not know whether it is stored, and may send it again under the same id.
    pub(crate) async fn deliver(&self, event: &Outgoing, within: Duration) -> Result<Stored, Fault> {
        let stream = event.stream(&self.streams);
        let message = || (event.subject(&self.streams), event.headers(), event.body.clone());
        self.publish(&stream, &message, within).await
    }

    /// Stores a message in `stream` and in no other.
    pub(crate) async fn publish(
        &self,
        stream: &str,
        message: &(dyn Fn() -> (String, HeaderMap, Bytes) + Sync),
        within: Duration,
    ) -> Result<Stored, Fault> {
        if !*self.ready.borrow() {
            return Err(Fault::NotReady);
        }
        // Without a connection the client would keep the message and send it whenever there is one again.
        if self.connection.client.connection_state() != async_nats::connection::State::Connected {
            return Err(Fault::NotConnected);
        }
        let stored = tokio::time::timeout(within, self.ask(stream, message)).await;
        let stored = stored.unwrap_or(Err(Fault::Deadline { within }));
        if matches!(stored, Err(Fault::NoStream { .. })) {
            self.missing.notify_one();
        }
        stored
    }

    /// Waits until events can be published.
    pub(crate) async fn is_ready(&self) -> bool {
        let mut ready = self.ready.clone();
        self.connection.connected().await && ready.wait_for(|ready| *ready).await.is_ok()
    }

    async fn ask(
        &self,
        stream: &str,
        message: &(dyn Fn() -> (String, HeaderMap, Bytes) + Sync),
    ) -> Result<Stored, Fault> {
        loop {
            let expected = self.acks.expect();
            // A connection that was lost before this is not told to `expected`.
            if matches!(*self.connection.state.borrow(), State::Disconnected | State::Closed) {
                return Err(Fault::ConnectionLost);
            }
            let (subject, mut headers, body) = message();
            headers.insert(NATS_EXPECTED_STREAM, stream);
            let bytes = body.len();
            let reply_to = expected.reply_to();
            let sent = pin!(self.connection.client.publish_with_reply_and_headers(subject, reply_to, headers, body));
            let arrives = pin!(expected.arrives());
            // The client's queue may be full, and stay so because the connection is lost.
            let answer = match select(sent, arrives).await {
                Either::Left((sent, arrives)) => {
                    sent.map_err(|error| not_sent(&error, stream, bytes))?;
                    arrives.await
                }
                Either::Right((answer, _)) => answer,
            };
            let Some(message) = answer else { return Err(Fault::ConnectionLost) };
            match Answer::read(&message, stream, self.limit) {
                Answer::Stored(stored) => return Ok(stored),
                Answer::NotStored(fault) => return Err(fault),
                Answer::AskAgain => tokio::time::sleep(ASK_AGAIN_AFTER).await,
            }
        }
    }
}

fn not_sent(error: &PublishError, stream: &str, bytes: usize) -> Fault {
    match error.kind() {
        PublishErrorKind::MaxPayloadExceeded => Fault::MaxPayload { bytes },
        PublishErrorKind::InvalidSubject | PublishErrorKind::Send => {
            Fault::StreamRefused { stream: stream.to_owned(), why: error.to_string() }
        }
    }
}
