//! Claiming a shard: where the stream stands, where the handler begins, and whether the stream is still the old one.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::stream::Stream as NatsStream;
use event::Envelope;
use lanes::{Input, Millis, Seq, Shard};
use service::config::Start;
use store::{Claiming, Hold, LIVE, Owner, StreamIdentity};
use tokio::sync::Semaphore;

use super::{Message, Owned, Task, send, stand};
use crate::config::Handler;
use crate::shared::Shared;

/// The wait before a failed claim is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// The name and the birth of a shard's stream: a stream with another one is another stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stream {
    pub(super) name: String,
    pub(super) created: String,
}

/// A shard that is ours now.
pub(crate) struct Claimed {
    pub(super) owner: Owner,
    pub(super) hold: Hold,
    pub(super) stream: Stream,
    pub(super) state: lanes::Claimed,
    /// When nothing was tried of the handler, here or on other runners.
    pub(super) stops: Vec<(Millis, Option<Millis>)>,
}

#[derive(Debug, thiserror::Error)]
enum ClaimError {
    #[error("failed to read the state of stream `{name}`")]
    Stream { name: String, source: Source },
    #[error("failed to find where to begin in stream `{name}`")]
    Begin { name: String, source: Source },
    #[error("failed to claim the shard in the state store")]
    Store(#[source] store::Error),
}

type Source = Box<dyn std::error::Error + Send + Sync>;

impl Task {
    /// Claims a shard in the background, for as long as it takes, unless another runner has it.
    pub(super) fn claim(&mut self, shard: Shard) {
        self.claiming += 1;
        let (shared, config, reports) = (self.shared.clone(), self.config.clone(), self.reports.clone());
        self.jobs.spawn(async move {
            let hold = shared.store.hold();
            let message = loop {
                match Box::pin(claim(&shared, &config, shard, &hold)).await {
                    Ok(claimed) => break Message::Claimed(Box::new(claimed)),
                    Err(ClaimError::Store(store::Error::Taken { .. } | store::Error::Closed)) => {
                        break Message::NotClaimed { shard, hold };
                    }
                    // The shard is ours now, so what is looked at from here on stays true.
                    Err(ClaimError::Store(store::Error::Stale { .. })) if hold.is_good() => {
                        tracing::debug!(handler = %config.name, shard, "looking at the stream again: another runner went on");
                    }
                    Err(error) => {
                        let error = service::error::Chain(&error).to_string();
                        tracing::warn!(handler = %config.name, shard, error, "failed to claim a shard; trying again");
                        tokio::time::sleep(RETRY).await;
                        if !hold.is_good() {
                            break Message::NotClaimed { shard, hold };
                        }
                    }
                }
            };
            send(&reports, message).await;
        });
    }

    pub(super) fn take(&mut self, claimed: Claimed) {
        let Claimed { owner, hold, stream, state: claimed, stops } = claimed;
        let progress = &claimed.progress;
        tracing::info!(handler = %self.config.name, shard = owner.shard, epoch = owner.epoch, floor = progress.floor,
            suspects = claimed.suspects.len(), lanes = claimed.lanes.len(), "claimed a shard");
        let owned = Owned {
            owner,
            hold,
            stream,
            incarnation: 0,
            puller: None,
            credit: Arc::new(Semaphore::new(0)),
            letting_in: false,
            looking_up: None,
            to_look_up: VecDeque::new(),
        };
        self.shards.insert(owned.owner.shard, owned);
        self.feed(Input::Stopped(stand::ended(&stops)));
        self.feed(Input::Claimed(claimed));
    }
}

async fn claim(shared: &Shared, config: &Handler, shard: Shard, hold: &Hold) -> Result<Claimed, ClaimError> {
    let name = shared.stream_of(shard);
    let error = |source| ClaimError::Stream { name: name.clone(), source };
    let mut stream = shared.js.get_stream(&name).await.map_err(|source| error(source.into()))?;
    let info = stream.info().await.map_err(|source| error(source.into()))?;
    let created = info.created.to_string();
    let identity = StreamIdentity {
        created: created.clone(),
        first_seq: info.state.first_sequence,
        last_seq: info.state.last_sequence,
    };
    let begin = begin(&stream, config.start, &identity)
        .await
        .map_err(|source| ClaimError::Begin { name: name.clone(), source })?;
    let claiming = Claiming {
        handler: config.name.as_str(),
        run: LIVE,
        shard,
        claimer: &shared.runner,
        stream: identity.clone(),
        begin_floor: begin,
    };
    let mut claim = shared.store.claim(claiming).await.map_err(ClaimError::Store)?;
    let owner = Owner::live(config.name.as_str(), shard, claim.claimed.epoch);
    if claim.reset.is_some() {
        shared.metrics.stream_reset(&config.name);
    } else if !is_anchored(&stream, claim.claimed.progress.anchor.as_ref()).await {
        let why = "the message at the floor is another one than before: the stream was replaced or restored";
        shared.metrics.stream_reset(&config.name);
        claim.claimed = shared.store.reset_progress(&owner, &identity, why).await.map_err(ClaimError::Store)?;
    }
    let stops = shared.store.stops(config.name.as_str(), LIVE).await.map_err(ClaimError::Store)?;
    let (hold, stream) = (hold.clone(), Stream { name, created });
    Ok(Claimed { owner, hold, stream, state: claim.claimed, stops })
}

/// Whether the message at the anchor is the one that was there. One that was trimmed proves nothing.
pub(crate) async fn is_anchored(stream: &NatsStream, anchor: Option<&(Seq, Arc<str>)>) -> bool {
    let Some((seq, id)) = anchor else { return true };
    let Ok(message) = stream.get_raw_message(*seq).await else { return true };
    let envelope = Envelope::from_headers(|name| message.headers.get(name).map(async_nats::HeaderValue::as_str));
    envelope.is_ok_and(|envelope| envelope.id.as_str() == id.as_ref())
}

/// The sequence after which a handler without progress begins.
async fn begin(stream: &NatsStream, start: Start, identity: &StreamIdentity) -> Result<Seq, Source> {
    match start {
        Start::New => Ok(identity.last_seq),
        Start::All => Ok(identity.first_seq.saturating_sub(1)),
        Start::At(ms) => {
            let start_time = time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000)?;
            let consumer = stream
                .create_consumer(pull::Config {
                    deliver_policy: DeliverPolicy::ByStartTime { start_time },
                    ack_policy: AckPolicy::None,
                    memory_storage: true,
                    num_replicas: 1,
                    inactive_threshold: Duration::from_secs(10),
                    ..pull::Config::default()
                })
                .await?;
            // A new consumer has "delivered" what lies before its first message.
            let before = consumer.cached_info().delivered.stream_sequence;
            let _ = stream.delete_consumer(&consumer.cached_info().name).await;
            Ok(before)
        }
    }
}
