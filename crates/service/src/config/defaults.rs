//! Every default value of the configuration, in one place.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use bytesize::{GIB, KIB, MIB};

/// `livekit.keys`: the key that `livekit-server --dev` signs with.
pub const DEV_KEY: &str = "devkey";
/// The secret of [`DEV_KEY`].
pub const DEV_SECRET: &str = "secret";

/// `nats.url`.
pub const NATS_URL: &str = "nats://127.0.0.1:4222";

/// `streams.shards`.
pub const SHARDS: NonZeroU16 = NonZeroU16::MIN.saturating_add(3);
/// `streams.replicas`.
pub const REPLICAS: usize = 1;
/// `streams.duplicate_window`.
pub const DUPLICATE_WINDOW: Duration = Duration::from_mins(10);
/// `streams.max_bytes`, over all shards.
pub const STREAMS_MAX_BYTES: u64 = 8 * GIB;

/// `receiver.listen`.
pub const RECEIVER_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// `receiver.path`.
pub const RECEIVER_PATH: &str = "/livekit";
/// `receiver.answer_within`.
pub const ANSWER_WITHIN: Duration = Duration::from_millis(900);
/// `receiver.max_body`.
pub const MAX_BODY: u64 = 8 * MIB;
/// `receiver.leeway`.
pub const LEEWAY: Duration = Duration::from_mins(1);
/// `receiver.spool.path`.
pub const SPOOL_PATH: &str = "spool.db";
/// `receiver.spool.max_bytes`.
pub const SPOOL_MAX_BYTES: u64 = bytesize::GIB;
/// `receiver.drain` and `runner.drain`.
pub const DRAIN: Duration = Duration::from_secs(10);
/// `receiver.limits.connections`.
pub const CONNECTIONS: usize = 4096;
/// `receiver.limits.in_flight`.
pub const IN_FLIGHT: usize = 1024;
/// `receiver.limits.header_bytes`.
pub const HEADER_BYTES: u64 = 32 * KIB;
/// `receiver.limits.headers`.
pub const HEADERS: usize = 64;
/// `receiver.limits.header_timeout`.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// `receiver.limits.body_timeout`.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// `receiver.limits.answer_timeout`.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// `receiver.limits.idle_timeout`.
pub const IDLE_TIMEOUT: Duration = Duration::from_mins(2);
/// `receiver.limits.tls_timeout`: as long as LiveKit's own.
pub const TLS_TIMEOUT: Duration = Duration::from_secs(10);
/// `receiver.limits.http2_streams`.
pub const HTTP2_STREAMS: u32 = 64;
/// `receiver.limits.http2_window`.
pub const HTTP2_WINDOW: u32 = 64 << 10;
/// `receiver.limits.http2_resets`.
pub const HTTP2_RESETS: usize = 20;
/// `receiver.limits.http2_ping`.
pub const HTTP2_PING: Duration = Duration::from_secs(20);
/// `receiver.limits.http2_ping_timeout`.
pub const HTTP2_PING_TIMEOUT: Duration = Duration::from_secs(10);
/// `receiver.quarantine.max_bytes`, over all classes.
pub const QUARANTINE_MAX_BYTES: u64 = 256 * MIB;
/// `receiver.quarantine.rate`: requests a second, for each class.
pub const QUARANTINE_RATE: NonZeroU32 = NonZeroU32::MIN.saturating_add(199);

/// `streams.keep`.
pub const STREAMS_KEEP: Duration = Duration::from_hours(14 * 24);
/// `state.url`.
pub const STATE_URL: &str = "sqlite:state.db";

/// `admin.listen`.
pub const ADMIN_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8081);

/// `handlers[].concurrency`.
pub const CONCURRENCY: NonZeroU32 = NonZeroU32::MIN.saturating_add(31);
/// `handlers[].timeout`.
pub const TIMEOUT: Duration = Duration::from_secs(5);
/// `handlers[].send.timeout`: as long as LiveKit waits for an answer to a webhook.
pub const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// `handlers[].memory`.
pub const MEMORY: u64 = 64 * MIB;
/// `handlers[].retry.for`.
pub const RETRY_FOR: Duration = Duration::from_hours(1);
/// `handlers[].retry.initial`.
pub const RETRY_INITIAL: Duration = Duration::from_millis(500);
/// `handlers[].retry.max`.
pub const RETRY_MAX: Duration = Duration::from_mins(5);
/// `handlers[].retry.jitter`.
pub const RETRY_JITTER: f64 = 0.2;
/// `handlers[].retry.crash_attempts`.
pub const CRASH_ATTEMPTS: NonZeroU32 = NonZeroU32::MIN.saturating_add(2);

/// `handlers[].breaker.keys`.
pub const BREAKER_KEYS: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);
/// `handlers[].breaker.initial`.
pub const BREAKER_INITIAL: Duration = Duration::from_secs(1);
/// `handlers[].breaker.max`.
pub const BREAKER_MAX: Duration = Duration::from_secs(30);

/// `handlers[].waiting.events`.
pub const WAITING_EVENTS: NonZeroU32 = NonZeroU32::MIN.saturating_add(1_999);
/// `handlers[].waiting.bytes`.
pub const WAITING_BYTES: u64 = 64 * MIB;
/// `handlers[].waiting.room_events`.
pub const WAITING_ROOM_EVENTS: NonZeroU32 = NonZeroU32::MIN.saturating_add(255);
/// `handlers[].waiting.park_after`.
pub const PARK_AFTER: Duration = Duration::from_secs(5);

/// `allow.keyvalue[].max_keys`.
pub const BUCKET_KEYS: NonZeroU32 = NonZeroU32::MIN.saturating_add(99_999);
/// `allow.keyvalue[].max_bytes`.
pub const BUCKET_BYTES: u64 = 64 * MIB;
/// `allow.keyvalue[].max_key`.
pub const KEY_BYTES: NonZeroU32 = NonZeroU32::MIN.saturating_add(255);
/// `allow.keyvalue[].max_value`.
pub const VALUE_BYTES: u64 = 64 * KIB;
