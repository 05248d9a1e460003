//! Streams: made when they are absent, compared with what they should be when they are there.

use std::time::Duration;

use async_nats::jetstream::context::{CreateStreamError, CreateStreamErrorKind, GetStreamError, GetStreamErrorKind};
use async_nats::jetstream::stream::{Config, DiscardPolicy, Info, RetentionPolicy, StorageType};
use async_nats::jetstream::{Context, ErrorCode};
use event::topology::{METADATA_HASH, METADATA_SHARDS, StreamSpec};

/// A server that has just started says for a moment that JetStream does not answer. So often is it asked again.
const ATTEMPTS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(200);

/// Why a stream cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The server could not say whether it exists.
    #[error("cannot look up the stream {stream}; JetStream must be enabled and the user allowed to call STREAM.INFO")]
    LookUp {
        /// Its name.
        stream: String,
        /// What the server said.
        #[source]
        source: GetStreamError,
    },
    /// It is absent and could not be made.
    #[error(
        "cannot create the stream {stream}; where this user may not, `roomwire nats apply` does it with one that may"
    )]
    Create {
        /// Its name.
        stream: String,
        /// What the server said.
        #[source]
        source: CreateStreamError,
    },
    /// Its limits could not be changed.
    #[error("cannot change the stream {stream} to {changes}")]
    Update {
        /// Its name.
        stream: String,
        /// What was to change.
        changes: String,
        /// What the server said.
        #[source]
        source: CreateStreamError,
    },
    /// It has another number of shards.
    #[error(
        "the stream {stream} is one of {found} shards, and the configuration says {wanted}; set `streams.shards: {found}` \
         again, because `roomwire nats reshard`, which would move the events, is not there yet"
    )]
    Shards {
        /// Its name.
        stream: String,
        /// Its number of shards.
        found: String,
        /// The configuration's.
        wanted: String,
    },
    /// Its shards were chosen by another hash.
    #[error(
        "the events of the stream {stream} were spread by the hash {found}, and this version uses {wanted}; run the version that made it"
    )]
    Hash {
        /// Its name.
        stream: String,
        /// Its hash.
        found: String,
        /// This version's.
        wanted: String,
    },
    /// Somebody else made it, or changed what must stay.
    #[error(
        "the stream {stream} is not as Roomwire makes it: {difference}; change `nats.prefix`, or delete the stream if nothing in it is needed"
    )]
    Foreign {
        /// Its name.
        stream: String,
        /// What is different.
        difference: String,
    },
}

/// Makes the streams that are absent and checks those that are there. Limits that differ from the configuration are
/// logged, and left as they are: somebody may have changed them on purpose.
///
/// # Errors
///
/// When a stream cannot be made, or is there and must not be used.
pub async fn ensure_streams(context: &Context, specs: &[StreamSpec]) -> Result<(), StreamError> {
    for spec in specs {
        ensure_stream(context, spec).await?;
    }
    Ok(())
}

/// As [`ensure_streams`], for one stream, whose description is returned.
///
/// # Errors
///
/// As [`ensure_streams`].
pub async fn ensure_stream(context: &Context, spec: &StreamSpec) -> Result<Info, StreamError> {
    let info = create_or_verify(context, spec).await?;
    let differences = limits(&info.config, spec);
    if !differences.is_empty() {
        let differences = differences.join(", ");
        tracing::warn!(stream = spec.name, "the stream's limits are not those of the configuration: {differences}");
    }
    Ok(info)
}

/// As [`ensure_streams`], but limits that differ are changed to those of the configuration.
///
/// # Errors
///
/// As [`ensure_streams`], and when the server refuses a change.
pub async fn apply_streams(context: &Context, specs: &[StreamSpec]) -> Result<(), StreamError> {
    for spec in specs {
        let info = create_or_verify(context, spec).await?;
        let differences = limits(&info.config, spec);
        if differences.is_empty() {
            continue;
        }
        let changes = differences.join(", ");
        tracing::info!(stream = spec.name, "changing the stream's limits: {changes}");
        let wanted = with_limits(info.config, spec);
        context.update_stream(wanted).await.map_err(|source| StreamError::Update {
            stream: spec.name.clone(),
            changes,
            source,
        })?;
    }
    Ok(())
}

async fn create_or_verify(context: &Context, spec: &StreamSpec) -> Result<Info, StreamError> {
    let mut attempt = 1;
    loop {
        match look_up(context, spec).await {
            Ok(Some(info)) => {
                verify(&info.config, spec)?;
                return Ok(info);
            }
            Ok(None) => match context.create_stream(config_of(spec)).await {
                Ok(stream) => {
                    tracing::info!(stream = spec.name, "stream created");
                    return Ok(stream.cached_info().clone());
                }
                // Another process was first; it is looked up again and checked.
                Err(error) if taken(&error) && attempt < ATTEMPTS => {}
                Err(error) if unavailable(&error) && attempt < ATTEMPTS => {}
                Err(source) => return Err(StreamError::Create { stream: spec.name.clone(), source }),
            },
            Err(error) if asked_too_early(&error) && attempt < ATTEMPTS => {}
            Err(source) => return Err(StreamError::LookUp { stream: spec.name.clone(), source }),
        }
        attempt += 1;
        tokio::time::sleep(PAUSE).await;
    }
}

async fn look_up(context: &Context, spec: &StreamSpec) -> Result<Option<Info>, GetStreamError> {
    match context.get_stream(&spec.name).await {
        Ok(stream) => Ok(Some(stream.cached_info().clone())),
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(answer) if answer.error_code() == ErrorCode::STREAM_NOT_FOUND => Ok(None),
            _ => Err(error),
        },
    }
}

fn asked_too_early(error: &GetStreamError) -> bool {
    match error.kind() {
        GetStreamErrorKind::Request => true,
        GetStreamErrorKind::JetStream(answer) => answer.code() == 503,
        GetStreamErrorKind::EmptyName | GetStreamErrorKind::InvalidStreamName => false,
    }
}

fn taken(error: &CreateStreamError) -> bool {
    matches!(error.kind(), CreateStreamErrorKind::JetStream(answer) if answer.error_code() == ErrorCode::STREAM_NAME_EXIST)
}

fn unavailable(error: &CreateStreamError) -> bool {
    matches!(error.kind(), CreateStreamErrorKind::JetStreamUnavailable | CreateStreamErrorKind::TimedOut)
}

fn config_of(spec: &StreamSpec) -> Config {
    let config = Config {
        name: spec.name.clone(),
        subjects: spec.subjects.clone(),
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        discard: discard(spec),
        max_messages: -1,
        max_messages_per_subject: -1,
        max_consumers: -1,
        // The runner fetches single messages (the anchor of its floor) without going through a consumer.
        allow_direct: true,
        metadata: spec.metadata.clone().into_iter().collect(),
        ..Config::default()
    };
    with_limits(config, spec)
}

fn with_limits(config: Config, spec: &StreamSpec) -> Config {
    Config {
        max_bytes: spec.max_bytes,
        max_age: spec.max_age,
        duplicate_window: spec.duplicate_window,
        num_replicas: spec.replicas,
        ..config
    }
}

fn discard(spec: &StreamSpec) -> DiscardPolicy {
    if spec.discard_new { DiscardPolicy::New } else { DiscardPolicy::Old }
}

/// What must not differ, because events would be lost or go astray.
fn verify(found: &Config, spec: &StreamSpec) -> Result<(), StreamError> {
    let foreign = |difference: String| StreamError::Foreign { stream: spec.name.clone(), difference };
    for (key, wanted) in &spec.metadata {
        let stream = spec.name.clone();
        match found.metadata.get(key) {
            Some(value) if value == wanted => {}
            Some(value) => {
                let (found, wanted) = (value.clone(), wanted.clone());
                return Err(match key.as_str() {
                    METADATA_SHARDS => StreamError::Shards { stream, found, wanted },
                    METADATA_HASH => StreamError::Hash { stream, found, wanted },
                    _ => foreign(format!("its metadata `{key}` is `{found}` and not `{wanted}`")),
                });
            }
            None => return Err(foreign(format!("it has no metadata `{key}`"))),
        }
    }
    let (mut subjects, mut wanted) = (found.subjects.clone(), spec.subjects.clone());
    subjects.sort();
    wanted.sort();
    if subjects != wanted {
        return Err(foreign(format!("it stores {} and not {}", subjects.join(", "), wanted.join(", "))));
    }
    if found.storage != StorageType::File {
        return Err(foreign("it keeps messages in memory only".to_owned()));
    }
    if found.retention != RetentionPolicy::Limits {
        return Err(foreign("it deletes messages when they are acknowledged".to_owned()));
    }
    if found.discard != discard(spec) {
        return Err(foreign(
            if spec.discard_new {
                "it deletes old messages when it is full"
            } else {
                "it refuses messages when it is full"
            }
            .to_owned(),
        ));
    }
    if found.max_messages > 0 || found.max_messages_per_subject > 0 {
        return Err(foreign("it limits the number of messages".to_owned()));
    }
    Ok(())
}

/// The limits that differ, as `max_bytes 1 (found 2)`.
fn limits(found: &Config, spec: &StreamSpec) -> Vec<String> {
    let mut differences = Vec::new();
    if found.max_bytes != spec.max_bytes {
        differences.push(format!("max_bytes {} (found {})", spec.max_bytes, found.max_bytes));
    }
    if found.max_age != spec.max_age {
        differences.push(format!("max_age {:?} (found {:?})", spec.max_age, found.max_age));
    }
    if found.duplicate_window != spec.duplicate_window {
        let (wanted, found) = (spec.duplicate_window, found.duplicate_window);
        differences.push(format!("duplicate_window {wanted:?} (found {found:?})"));
    }
    if found.num_replicas != spec.replicas {
        differences.push(format!("replicas {} (found {})", spec.replicas, found.num_replicas));
    }
    differences
}
