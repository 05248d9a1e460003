//! Where a genuine event goes: to JetStream, into the spool, or back to LiveKit.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use event::Envelope;
use event::topology::StreamsConfig;
use tokio::time::Instant;

use crate::config::Config;
use crate::outcome::{Fault, Outcome};
use crate::outgoing::Outgoing;
use crate::patience::Patience;
use crate::publish::Publisher;
use crate::spool::{Put, Spool};

/// The spool needs at most this much of the time in which an answer is due, and at most a third of it.
const FOR_THE_SPOOL: Duration = Duration::from_millis(300);

/// Takes genuine events.
#[derive(Debug)]
pub(crate) struct Acceptor {
    streams: Arc<StreamsConfig>,
    publisher: Publisher,
    spool: Option<(Spool, Patience)>,
    within: Duration,
}

impl Acceptor {
    pub(crate) fn new(
        config: &Config,
        streams: Arc<StreamsConfig>,
        publisher: Publisher,
        spool: Option<Spool>,
    ) -> Acceptor {
        let after = config.spool.as_ref().map(|spool| spool.after).unwrap_or_default();
        let spool = spool.map(|spool| (spool, Patience::new(after)));
        Acceptor { streams, publisher, spool, within: config.answer_within }
    }

    /// Stores an event so that it outlives this process and this machine's power, or says why not. The answer comes by
    /// `deadline`.
    pub(crate) async fn accept(&self, envelope: Envelope, body: Bytes, deadline: Instant) -> Result<Outcome, Fault> {
        let event = Outgoing::new(envelope, body, &self.streams);
        let left = deadline.saturating_duration_since(Instant::now());
        let Some((spool, patience)) = &self.spool else { return self.publish(&event, left).await };
        if spool.holds(&event.envelope.project, &event.envelope.key) {
            return Box::pin(self.put(spool, &event, deadline)).await;
        }
        let reserve = FOR_THE_SPOOL.min(self.within / 3);
        match self.publish(&event, left.saturating_sub(reserve)).await {
            Ok(outcome) => {
                patience.stored(event.shard);
                Ok(outcome)
            }
            // It would be too large tomorrow, too.
            Err(fault @ Fault::MaxPayload { .. }) => Err(fault),
            Err(fault) if patience.is_left(event.shard, Instant::now()) => Err(fault),
            Err(fault) => {
                tracing::debug!(id = %event.envelope.id, reason = fault.reason(), "into the spool: {fault}");
                Box::pin(self.put(spool, &event, deadline)).await
            }
        }
    }

    async fn publish(&self, event: &Outgoing, within: Duration) -> Result<Outcome, Fault> {
        let stored = self.publisher.store(event, within).await?;
        let (envelope, shard, seq, duplicate) = (&event.envelope, event.shard, stored.sequence, stored.duplicate);
        tracing::debug!(id = %envelope.id, kind = envelope.kind, key = %envelope.key, shard, seq, duplicate, "stored");
        Ok(if duplicate { Outcome::Duplicate } else { Outcome::Stored })
    }

    async fn put(&self, spool: &Spool, event: &Outgoing, deadline: Instant) -> Result<Outcome, Fault> {
        let put = tokio::time::timeout_at(deadline, spool.put(event)).await;
        let put = put.map_err(|_| Fault::SpoolSlow { within: self.within })??;
        let (envelope, duplicate) = (&event.envelope, put == Put::Duplicate);
        tracing::debug!(id = %envelope.id, kind = envelope.kind, key = %envelope.key, duplicate, "in the spool");
        Ok(if duplicate { Outcome::Duplicate } else { Outcome::Spooled })
    }
}
