//! The streams of the quarantine.

use std::time::Duration;

use anyhow::{Context as _, bail};
use async_nats::jetstream::Context;
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::consumer::pull::OrderedConfig;
use async_nats::jetstream::consumer::{DeliverPolicy, ReplayPolicy};
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::{RawMessageErrorKind, Stream};
use event::Prefix;
use event::quarantine::{Class, of_class};
use event::topology::quarantine_stream;
use futures_util::StreamExt;

use super::entry::Entry;

/// The longest wait for the next message of a stream that has more.
const NEXT_WITHIN: Duration = Duration::from_secs(10);

/// The stream of one class.
#[derive(Debug)]
pub(super) struct ClassStream {
    pub(super) class: Class,
    subjects: String,
    stream: Stream,
}

/// Opens those that there are; the best proved class first.
pub(super) async fn open(context: &Context, prefix: &Prefix) -> anyhow::Result<Vec<ClassStream>> {
    let mut streams = Vec::with_capacity(Class::ALL.len());
    for class in Class::ALL {
        let name = quarantine_stream(prefix, class);
        match context.get_stream(&name).await {
            Ok(stream) => streams.push(ClassStream { class, subjects: of_class(prefix, class), stream }),
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(answer) if answer.error_code() == ErrorCode::STREAM_NOT_FOUND => {}
                _ => return Err(error).with_context(|| format!("cannot open the stream {name}")),
            },
        }
    }
    if streams.is_empty() {
        bail!(
            "there is no quarantine under the prefix `{prefix}`; has a receiver run here, with `receiver.quarantine` not \
             `off`?"
        );
    }
    Ok(streams)
}

impl ClassStream {
    /// The sequence of the newest message.
    pub(super) fn last_sequence(&self) -> u64 {
        self.stream.cached_info().state.last_sequence
    }

    /// How many messages there were when it was opened.
    pub(super) fn messages(&self) -> u64 {
        self.stream.cached_info().state.messages
    }

    /// Hands over everything from `from` up to what was there when reading began, in order.
    pub(super) async fn each(
        &self,
        from: DeliverPolicy,
        headers_only: bool,
        mut take: impl FnMut(Entry),
    ) -> anyhow::Result<()> {
        let unreadable = || format!("cannot read the stream of {} requests", self.class);
        let config = OrderedConfig {
            filter_subject: self.subjects.clone(),
            deliver_policy: from,
            replay_policy: ReplayPolicy::Instant,
            headers_only,
            ..OrderedConfig::default()
        };
        let consumer = self.stream.create_consumer(config).await.with_context(unreadable)?;
        let mut waiting = consumer.cached_info().num_pending;
        let mut messages = consumer.messages().await.with_context(unreadable)?;
        while waiting > 0 {
            let Ok(next) = tokio::time::timeout(NEXT_WITHIN, messages.next()).await else {
                bail!(
                    "the stream of {} requests gives no message although it has {waiting} more; try again",
                    self.class
                )
            };
            let Some(message) = next else { break };
            let message = message.with_context(unreadable)?;
            let info = message.info().map_err(|error| anyhow::anyhow!("{}: {error}", unreadable()))?;
            // What comes in meanwhile is not waited for; what was pushed out does not come any more.
            waiting = info.pending.min(waiting - 1);
            let seq = info.stream_sequence;
            let (message, _) = message.split();
            let headers = message.headers.unwrap_or_default();
            if let Some(entry) = Entry::of(self.class, seq, &headers, message.payload) {
                take(entry);
            }
        }
        Ok(())
    }

    /// One request; `None` when it is not there any more.
    pub(super) async fn get(&self, seq: u64) -> anyhow::Result<Option<Entry>> {
        match self.stream.get_raw_message(seq).await {
            Ok(message) => Ok(Entry::of(self.class, seq, &message.headers, message.payload)),
            Err(error) => match error.kind() {
                RawMessageErrorKind::NoMessageFound => Ok(None),
                _ => Err(error).with_context(|| format!("cannot read the refused request {}-{seq}", self.class)),
            },
        }
    }

    /// Removes one request for good; one that is gone already is no error.
    pub(super) async fn remove(&self, seq: u64) -> anyhow::Result<()> {
        let Err(error) = self.stream.delete_message(seq).await else { return Ok(()) };
        if self.get(seq).await?.is_none() {
            return Ok(());
        }
        Err(error).with_context(|| format!("cannot remove {}-{seq} from the quarantine", self.class))
    }
}
