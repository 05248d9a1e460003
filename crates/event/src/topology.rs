//! Which streams and consumers exist and how they are set up, as plain data.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::time::Duration;

use crate::quarantine::{self, Class};
use crate::{Prefix, shard, subject};

/// Metadata of an event stream: the number of shards that events are spread over.
pub const METADATA_SHARDS: &str = "roomwire.shards";
/// Metadata of an event stream: the hash that picks a shard.
pub const METADATA_HASH: &str = "roomwire.hash";

/// How long the feed of dead letters keeps a message; the state store keeps dead letters itself.
pub const DEAD_MAX_AGE: Duration = Duration::from_hours(30 * 24);

/// How long the quarantine keeps a refused request, if nothing newer needs its place before.
pub const QUARANTINE_MAX_AGE: Duration = Duration::from_hours(30 * 24);

/// What a user sets about streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamsConfig {
    /// First token of every subject and stream name.
    pub prefix: Prefix,
    /// Number of event streams.
    pub shards: NonZeroU16,
    /// Copies of each stream in a cluster.
    pub replicas: usize,
    /// How long JetStream itself recognises a repeated id.
    pub duplicate_window: Duration,
    /// Bytes of all event streams together.
    pub max_bytes: u64,
}

impl Default for StreamsConfig {
    fn default() -> StreamsConfig {
        StreamsConfig {
            prefix: Prefix::default(),
            shards: NonZeroU16::MIN.saturating_add(3),
            replicas: 1,
            duplicate_window: Duration::from_mins(10),
            max_bytes: 8 << 30,
        }
    }
}

/// One stream: file storage and limits retention always, the rest as given here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamSpec {
    /// Name of the stream.
    pub name: String,
    /// The subjects it stores.
    pub subjects: Vec<String>,
    /// Most bytes.
    pub max_bytes: i64,
    /// Longest age of a message; zero is no limit.
    pub max_age: Duration,
    /// How long a repeated `Nats-Msg-Id` is recognised.
    pub duplicate_window: Duration,
    /// Copies in a cluster.
    pub replicas: usize,
    /// At the limit: refuse new messages (true) or delete the oldest (false).
    pub discard_new: bool,
    /// What a process checks before it uses the stream.
    pub metadata: BTreeMap<String, String>,
}

/// As many values of a key as a key-value bucket can remember.
pub const MOST_HISTORY: u8 = 64;

/// After what time the report of a runner that says no more is forgotten.
pub const REPORTS_MAX_AGE: Duration = Duration::from_secs(15);

/// Bytes of all reports of one kind. NATS sets them aside, in memory.
pub const REPORTS_MAX_BYTES: u64 = 16 << 20;

/// Bytes of all plugins in the registry. NATS sets them aside, so accounts with little room must have them.
pub const PLUGINS_MAX_BYTES: u64 = 1 << 30;

/// A bucket, which NATS makes a stream of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketSpec {
    /// Name of the bucket.
    pub name: String,
    /// Values that are kept of each key.
    pub history: u8,
    /// Longest age of a value; zero is no limit.
    pub max_age: Duration,
    /// Most bytes.
    pub max_bytes: i64,
    /// Copies in a cluster.
    pub replicas: usize,
    /// Only in memory: it is filled again by those who report.
    pub in_memory: bool,
    /// An object store, and no key-value bucket.
    pub of_objects: bool,
}

impl BucketSpec {
    /// Name of its stream.
    #[must_use]
    pub fn stream(&self) -> String {
        let kind = if self.of_objects { "OBJ" } else { "KV" };
        format!("{kind}_{}", self.name)
    }

    /// The subjects of what is put into it.
    #[must_use]
    pub fn subjects(&self) -> String {
        let kind = if self.of_objects { "$O" } else { "$KV" };
        format!("{kind}.{}.>", self.name)
    }
}

/// All buckets: plugins, deploys, what runners report of those, the configuration, and what runners report of that.
#[must_use]
pub fn buckets(config: &StreamsConfig) -> [BucketSpec; 5] {
    [plugins_bucket, deploys_bucket, runners_bucket, config_bucket, config_reports_bucket].map(|of| of(config))
}

/// All streams that are no buckets. `quarantine` is how many bytes it has; none where there is none.
#[must_use]
pub fn streams(config: &StreamsConfig, quarantine: Option<u64>) -> Vec<StreamSpec> {
    let mut specs = events_streams(config);
    specs.push(dead_stream(config));
    specs.extend(quarantine.map(|bytes| quarantine_streams(config, bytes)).unwrap_or_default());
    specs
}

/// The object store of the plugins.
#[must_use]
pub fn plugins_bucket(config: &StreamsConfig) -> BucketSpec {
    BucketSpec { of_objects: true, ..bucket(config, "PLUGINS", PLUGINS_MAX_BYTES) }
}

/// The key-value bucket of what is deployed, by handler.
#[must_use]
pub fn deploys_bucket(config: &StreamsConfig) -> BucketSpec {
    BucketSpec { history: MOST_HISTORY, ..bucket(config, "DEPLOYS", 64 << 20) }
}

/// The key-value bucket of what the runners report.
#[must_use]
pub fn runners_bucket(config: &StreamsConfig) -> BucketSpec {
    BucketSpec { max_age: REPORTS_MAX_AGE, in_memory: true, ..bucket(config, "RUNNERS", REPORTS_MAX_BYTES) }
}

/// The key-value bucket of the configuration of a fleet. Its history is what a runner can go back to.
#[must_use]
pub fn config_bucket(config: &StreamsConfig) -> BucketSpec {
    BucketSpec { history: MOST_HISTORY, ..bucket(config, "CONFIG", 64 << 20) }
}

/// The key-value bucket in which runners say what they made of it.
#[must_use]
pub fn config_reports_bucket(config: &StreamsConfig) -> BucketSpec {
    BucketSpec { max_age: REPORTS_MAX_AGE, in_memory: true, ..bucket(config, "CONFIG_REPORTS", REPORTS_MAX_BYTES) }
}

fn bucket(config: &StreamsConfig, name: &str, max_bytes: u64) -> BucketSpec {
    BucketSpec {
        name: format!("{}_{name}", config.prefix.stream()),
        history: 1,
        max_age: Duration::ZERO,
        max_bytes: bytes(max_bytes),
        replicas: config.replicas,
        in_memory: false,
        of_objects: false,
    }
}

/// The event streams, shard by shard. A full one refuses: nothing that is not handled is ever deleted to make room.
#[must_use]
pub fn events_streams(config: &StreamsConfig) -> Vec<StreamSpec> {
    let metadata = BTreeMap::from([
        (METADATA_SHARDS.to_owned(), config.shards.to_string()),
        (METADATA_HASH.to_owned(), shard::HASH.to_owned()),
    ]);
    (0..config.shards.get())
        .map(|shard| StreamSpec {
            name: events_stream(&config.prefix, shard),
            subjects: vec![subject::events_of_shard(&config.prefix, shard)],
            max_bytes: bytes(config.max_bytes / u64::from(config.shards.get())),
            max_age: Duration::ZERO,
            duplicate_window: config.duplicate_window,
            replicas: config.replicas,
            discard_new: true,
            metadata: metadata.clone(),
        })
        .collect()
}

/// The feed of dead letters. It is a copy, so it forgets the oldest rather than refuse.
#[must_use]
pub fn dead_stream(config: &StreamsConfig) -> StreamSpec {
    StreamSpec {
        name: dead_stream_name(&config.prefix),
        subjects: vec![subject::all_dead(&config.prefix)],
        max_bytes: bytes(config.max_bytes / 8),
        max_age: DEAD_MAX_AGE,
        duplicate_window: config.duplicate_window,
        replicas: config.replicas,
        discard_new: false,
        metadata: BTreeMap::new(),
    }
}

/// The quarantine: a stream for each class of refused requests, so that a flood of one class pushes out only its own
/// oldest. `max_bytes` is for all of them together.
#[must_use]
pub fn quarantine_streams(config: &StreamsConfig, max_bytes: u64) -> Vec<StreamSpec> {
    let stream = |class: Class| StreamSpec {
        name: quarantine_stream(&config.prefix, class),
        subjects: vec![quarantine::of_class(&config.prefix, class)],
        max_bytes: bytes(class.share(max_bytes)),
        max_age: QUARANTINE_MAX_AGE,
        duplicate_window: config.duplicate_window,
        replicas: config.replicas,
        discard_new: false,
        metadata: BTreeMap::new(),
    };
    Class::ALL.map(stream).into()
}

/// Name of the stream of one class of refused requests: `RW_QUARANTINE_NAMED`.
#[must_use]
pub fn quarantine_stream(prefix: &Prefix, class: Class) -> String {
    format!("{}_QUARANTINE_{}", prefix.stream(), class.as_str().to_ascii_uppercase())
}

/// Name of the stream of one shard: `RW_EVENTS_0`.
#[must_use]
pub fn events_stream(prefix: &Prefix, shard: u16) -> String {
    format!("{}_EVENTS_{shard}", prefix.stream())
}

/// Name of the stream of dead letters: `RW_DEAD`.
#[must_use]
pub fn dead_stream_name(prefix: &Prefix) -> String {
    format!("{}_DEAD", prefix.stream())
}

/// Name of a runner's consumer. Each epoch of ownership has its own, and so has each new attempt within one.
#[must_use]
pub fn consumer_name(handler: &str, shard: u16, epoch: u64, incarnation: u32) -> String {
    format!("{}E{epoch}-I{incarnation}", consumer_prefix(handler, shard))
}

/// How the names of all consumers of one handler and shard begin, and no others: handler names have no capitals.
#[must_use]
pub fn consumer_prefix(handler: &str, shard: u16) -> String {
    format!("{handler}-S{shard}-")
}

/// JetStream counts bytes in an i64, and zero would mean no limit.
fn bytes(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> StreamsConfig {
        StreamsConfig { prefix: Prefix::try_from("lk-1").unwrap(), ..StreamsConfig::default() }
    }

    #[test]
    fn the_event_streams_share_the_bytes_refuse_when_full_and_say_how_they_are_sharded() {
        let streams = events_streams(&config());
        assert_eq!(streams.len(), 4);
        let last = streams.last().unwrap();
        assert_eq!((last.name.as_str(), last.subjects.as_slice()), ("LK-1_EVENTS_3", &["lk-1.ev.3.>".to_owned()][..]));
        assert_eq!((last.max_bytes, last.max_age, last.discard_new), (2 << 30, Duration::ZERO, true));
        assert_eq!(last.metadata[METADATA_SHARDS], "4");
        assert_eq!(last.metadata[METADATA_HASH], "xxh3-64");
    }

    #[test]
    fn the_feed_of_dead_letters_forgets_the_oldest() {
        let dead = dead_stream(&config());
        assert_eq!((dead.name.as_str(), dead.subjects.as_slice()), ("LK-1_DEAD", &["lk-1.dead.>".to_owned()][..]));
        assert!(!dead.discard_new && dead.max_age == Duration::from_hours(720));
    }

    #[test]
    fn each_class_of_refused_requests_has_a_part_of_the_quarantine_and_forgets_its_own_oldest() {
        let streams = quarantine_streams(&config(), 256 << 20);
        let of: Vec<_> = streams.iter().map(|spec| (spec.name.as_str(), spec.max_bytes >> 20)).collect();
        let names = ["LK-1_QUARANTINE_SIGNED", "LK-1_QUARANTINE_NAMED", "LK-1_QUARANTINE_UNKNOWN"];
        assert_eq!(of, [(names[0], 64), (names[1], 128), (names[2], 64)]);
        assert_eq!(streams[1].subjects, ["lk-1.quarantine.named.>"]);
        assert!(streams.iter().all(|spec| !spec.discard_new && spec.max_age == Duration::from_hours(720)));
    }

    #[test]
    fn a_bucket_remembers_what_can_be_gone_back_to_and_forgets_who_says_no_more() {
        let buckets = buckets(&config());
        let of: Vec<_> = buckets.iter().map(|it| (it.name.as_str(), it.history, it.max_age.as_secs())).collect();
        let expected = [
            ("LK-1_PLUGINS", 1, 0),
            ("LK-1_DEPLOYS", 64, 0),
            ("LK-1_RUNNERS", 1, 15),
            ("LK-1_CONFIG", 64, 0),
            ("LK-1_CONFIG_REPORTS", 1, 15),
        ];
        assert_eq!(of, expected);
        assert_eq!(buckets.each_ref().map(|it| it.in_memory), [false, false, true, false, true]);
        assert_eq!(buckets.each_ref().map(BucketSpec::stream)[..2], ["OBJ_LK-1_PLUGINS", "KV_LK-1_DEPLOYS"]);
        assert_eq!(buckets.map(|it| it.subjects())[..2], ["$O.LK-1_PLUGINS.>", "$KV.LK-1_DEPLOYS.>"]);
    }

    #[test]
    fn a_limit_of_bytes_is_never_none_and_never_negative() {
        let of = |max_bytes| events_streams(&StreamsConfig { max_bytes, ..config() })[0].max_bytes;
        assert_eq!((of(0), of(3), of(4), of(u64::MAX)), (1, 1, 1, i64::MAX / 2));
    }

    #[test]
    fn a_consumers_name_begins_with_the_prefix_of_its_own_handler_and_shard_only() {
        assert_eq!(consumer_name("billing", 2, 7, 1), "billing-S2-E7-I1");
        assert!(consumer_name("billing", 2, 7, 1).starts_with(&consumer_prefix("billing", 2)));
        for (handler, shard) in [("billing-2", 7), ("billing", 21), ("billing-", 2), ("bill", 2)] {
            assert!(!consumer_name(handler, shard, 7, 1).starts_with(&consumer_prefix("billing", 2)), "{handler}");
        }
    }
}
