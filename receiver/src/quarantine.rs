//! Keeps what is refused: a refusal is answered only when its request is in the quarantine.

mod rate;
mod record;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::Context;
use async_nats::jetstream::context::{ContextBuilder, PublishError};
use async_nats::jetstream::message::PublishMessage;
use bytes::Bytes;
use event::quarantine::{Class, Quarantined};
use event::{Prefix, header, topology};
use service::config::QuarantineSection;
use service::error::Chain;
use service::nats::Connection;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::config::Config;
use crate::outcome::Fault;
use rate::Bucket;

pub(crate) use record::{Request, record};

/// Acknowledgements that are waited for at most; the rates keep far below.
const MAX_IN_FLIGHT: usize = 4096;

/// Puts refused requests into the stream of their class.
#[derive(Debug)]
pub(crate) struct Quarantine {
    context: Context,
    connection: Connection,
    prefix: Prefix,
    within: Duration,
    rate: u32,
    buckets: [(Class, Mutex<Bucket>); 3],
    ready: watch::Receiver<bool>,
}

impl Quarantine {
    pub(crate) fn new(
        connection: Connection,
        config: &Config,
        section: &QuarantineSection,
        ready: watch::Receiver<bool>,
    ) -> Quarantine {
        let context = ContextBuilder::new()
            .timeout(config.answer_within)
            .max_ack_inflight(MAX_IN_FLIGHT)
            .backpressure_on_inflight(false)
            .build(connection.client.clone());
        let rate = section.rate.get();
        Quarantine {
            context,
            connection,
            prefix: config.streams.prefix.clone(),
            within: config.answer_within,
            rate,
            buckets: Class::ALL.map(|class| (class, Mutex::new(Bucket::new(rate, Instant::now().into_std())))),
            ready,
        }
    }

    /// Keeps a request. Whoever gets a fault does not know whether it is kept; the same request is kept once.
    pub(crate) async fn keep(&self, refused: &Quarantined, body: Bytes, deadline: Instant) -> Result<(), Fault> {
        let away = |why: &str| Err(Fault::Quarantine { why: why.to_owned() });
        if !*self.ready.borrow() {
            return away("its streams are not ready yet");
        }
        // Without a connection the client would keep the message and send it whenever there is one again.
        if self.connection.client.connection_state() != async_nats::connection::State::Connected {
            return away("not connected to NATS");
        }
        if !self.has_room(refused.class) {
            return Err(Fault::QuarantineRate { class: refused.class.as_str(), rate: self.rate });
        }
        match tokio::time::timeout_at(deadline, self.publish(refused, body)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Fault::Quarantine { why: Chain(&error).to_string() }),
            Err(_) => away(&format!("no acknowledgement within {} ms", self.within.as_millis())),
        }
    }

    fn has_room(&self, class: Class) -> bool {
        let bucket = self.buckets.iter().find(|(of, _)| *of == class);
        bucket.is_some_and(|(_, bucket)| {
            bucket.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now().into_std())
        })
    }

    async fn publish(&self, refused: &Quarantined, body: Bytes) -> Result<(), PublishError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::NATS_MSG_ID, refused.message_id(&body));
        for (name, value) in refused.headers() {
            headers.insert(name, value);
        }
        let stream = topology::quarantine_stream(&self.prefix, refused.class);
        let message = PublishMessage::build().payload(body).headers(headers).expected_stream(stream);
        self.context.send_publish(refused.subject(&self.prefix), message).await?.await?;
        Ok(())
    }
}
