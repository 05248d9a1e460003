//! Where a message goes: which stream takes its subject, what that stream remembers, and what is in it.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use futures_util::StreamExt as _;
use tokio::time::Instant;

/// How long the answer to "which stream takes this subject" is believed.
const BELIEVED: Duration = Duration::from_secs(30);

/// Messages asked for at a time in a search.
const SEARCH_BATCH: usize = 500;

/// A stream that takes a subject.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) stream: String,
    pub(super) duplicate_window: Duration,
    pub(super) last_seq: u64,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum TargetError {
    #[error("no stream takes this subject; create one, or correct the handler")]
    Unknown,
    #[error("failed to ask which stream takes the subject")]
    Names(#[source] Source),
    #[error("failed to read the state of stream `{stream}`")]
    Info { stream: String, source: Source },
    #[error("failed to search stream `{stream}`")]
    Search { stream: String, source: Source },
}

type Source = Box<dyn std::error::Error + Send + Sync>;

/// What is known of the streams that messages go to.
pub(super) struct Targets {
    js: jetstream::Context,
    streams: HashMap<String, (String, Instant)>,
}

impl Targets {
    pub(super) fn new(js: jetstream::Context) -> Self {
        Self { js, streams: HashMap::new() }
    }

    /// The stream of each subject with its last sequence as of now, or words that say why there is none.
    pub(super) async fn find(&mut self, subjects: HashSet<String>) -> HashMap<String, Result<Target, String>> {
        let mut of_stream: HashMap<String, Result<Target, String>> = HashMap::new();
        let mut found = HashMap::new();
        for subject in subjects {
            let target = match self.stream_of(&subject).await {
                Err(error) => Err(service::error::Chain(&error).to_string()),
                Ok(stream) => {
                    if !of_stream.contains_key(&stream) {
                        let read = self.read(&stream).await.map_err(|error| {
                            self.streams.remove(&subject);
                            service::error::Chain(&error).to_string()
                        });
                        of_stream.insert(stream.clone(), read);
                    }
                    of_stream.get(&stream).cloned().unwrap_or_else(|| Err(TargetError::Unknown.to_string()))
                }
            };
            found.insert(subject, target);
        }
        found
    }

    async fn stream_of(&mut self, subject: &str) -> Result<String, TargetError> {
        let now = Instant::now();
        if let Some((stream, until)) = self.streams.get(subject)
            && *until > now
        {
            return Ok(stream.clone());
        }
        if self.streams.len() > 10_000 {
            self.streams.clear();
        }
        let stream = self.js.stream_by_subject(subject).await.map_err(|error| {
            use jetstream::context::GetStreamByNameErrorKind as Kind;
            match error.kind() {
                Kind::NotFound => TargetError::Unknown,
                _ => TargetError::Names(error.into()),
            }
        })?;
        self.streams.insert(subject.to_owned(), (stream.clone(), now + BELIEVED));
        Ok(stream)
    }

    async fn read(&self, name: &str) -> Result<Target, TargetError> {
        let failed = |source: Source| TargetError::Info { stream: name.to_owned(), source };
        let stream = self.js.get_stream(name).await.map_err(|error| failed(error.into()))?;
        let info = stream.cached_info();
        Ok(Target {
            stream: name.to_owned(),
            duplicate_window: info.config.duplicate_window,
            last_seq: info.state.last_sequence,
        })
    }

    /// Which of these message ids a stream stored after a sequence.
    pub(super) async fn ids_since(
        &self,
        name: &str,
        after: u64,
        wanted: &HashSet<String>,
    ) -> Result<HashSet<String>, TargetError> {
        let failed = |source: Source| TargetError::Search { stream: name.to_owned(), source };
        let stream = self.js.get_stream(name).await.map_err(|error| failed(error.into()))?;
        let consumer = stream
            .create_consumer(pull::Config {
                deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: after + 1 },
                ack_policy: AckPolicy::None,
                headers_only: true,
                memory_storage: true,
                num_replicas: 1,
                inactive_threshold: Duration::from_secs(30),
                ..pull::Config::default()
            })
            .await
            .map_err(|error| failed(error.into()))?;
        let mut left = consumer.cached_info().num_pending;
        let mut ids = HashSet::new();
        while left > 0 {
            let mut batch = consumer
                .batch()
                .max_messages(SEARCH_BATCH)
                .expires(Duration::from_secs(5))
                .messages()
                .await
                .map_err(|error| failed(error.into()))?;
            let before = left;
            while let Some(message) = batch.next().await {
                let message = message.map_err(failed)?;
                if let Ok(info) = message.info() {
                    left = info.pending;
                }
                let headers = message.headers.as_ref();
                let id = headers.and_then(|headers| headers.get(async_nats::header::NATS_MESSAGE_ID));
                ids.extend(id.and_then(|id| wanted.get(id.as_str()).cloned()));
                if left == 0 {
                    break;
                }
            }
            if left == before {
                return Err(failed("the search stood still".into()));
            }
        }
        let _ = stream.delete_consumer(&consumer.cached_info().name).await;
        Ok(ids)
    }
}
