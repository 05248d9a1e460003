//! `receiver.limits`: what one receiver takes at once, and for how long it waits.

use std::time::Duration;

use bytesize::{ByteSize, GIB, KIB, MIB};

use super::super::defaults;
use super::super::node::Node;
use super::super::problem::{Problems, Refused};
use super::super::section::{Keys, Section};
use super::super::value;
use super::bytes;

const KEYS: Keys = Keys {
    of: "`limits`",
    known: &[
        "connections",
        "in_flight",
        "memory",
        "header_bytes",
        "headers",
        "header_timeout",
        "body_timeout",
        "answer_timeout",
        "idle_timeout",
        "tls_timeout",
        "http2_streams",
        "http2_window",
        "http2_resets",
        "http2_ping",
        "http2_ping_timeout",
    ],
    later: &[],
};

/// What one receiver takes at once, and for how long it waits.
#[derive(Debug, Clone)]
pub struct ReceiverLimits {
    /// Open connections. When all are open, the one that has waited longest for its sender makes room for a new one.
    pub connections: usize,
    /// Events that wait for their acknowledgement from JetStream.
    pub in_flight: usize,
    /// Bytes of the headers and bodies of all requests that are not answered yet.
    pub memory: usize,
    /// Bytes of a request's header fields.
    pub header_bytes: usize,
    /// Number of a request's header fields.
    pub headers: usize,
    /// How long the header of a request may take, and the first byte of a new connection.
    pub header_timeout: Duration,
    /// How long the body of a request may take.
    pub body_timeout: Duration,
    /// How long a sender may leave its answers unread.
    pub answer_timeout: Duration,
    /// How long a connection may stay open without a request. LiveKit closes its own after 90 s.
    pub idle_timeout: Duration,
    /// How long a TLS handshake may take.
    pub tls_timeout: Duration,
    /// Requests at a time on one HTTP/2 connection.
    pub http2_streams: u32,
    /// Bytes that an HTTP/2 connection, and each of its streams, may send before they are read.
    pub http2_window: u32,
    /// Requests that an HTTP/2 connection may reset before they are looked at; at one more it is closed.
    pub http2_resets: usize,
    /// How often an HTTP/2 connection is asked whether its peer is there.
    pub http2_ping: Duration,
    /// How long the answer to that may take.
    pub http2_ping_timeout: Duration,
}

impl Default for ReceiverLimits {
    fn default() -> Self {
        Self {
            connections: defaults::CONNECTIONS,
            in_flight: defaults::IN_FLIGHT,
            memory: memory(bytes(defaults::MAX_BODY)),
            header_bytes: bytes(defaults::HEADER_BYTES),
            headers: defaults::HEADERS,
            header_timeout: defaults::HEADER_TIMEOUT,
            body_timeout: defaults::BODY_TIMEOUT,
            answer_timeout: defaults::ANSWER_TIMEOUT,
            idle_timeout: defaults::IDLE_TIMEOUT,
            tls_timeout: defaults::TLS_TIMEOUT,
            http2_streams: defaults::HTTP2_STREAMS,
            http2_window: defaults::HTTP2_WINDOW,
            http2_resets: defaults::HTTP2_RESETS,
            http2_ping: defaults::HTTP2_PING,
            http2_ping_timeout: defaults::HTTP2_PING_TIMEOUT,
        }
    }
}

impl ReceiverLimits {
    /// The limits of a receiver whose bodies have at most `max_body` bytes.
    pub(crate) fn decode(node: Option<&Node>, max_body: usize, problems: &mut Problems) -> Self {
        let mut decoded = Self { memory: memory(max_body), ..Self::default() };
        let Some(node) = node else { return decoded };
        let section = Section::open(node, KEYS, problems);
        let time = |node: &Node| value::duration(node, Duration::from_millis(100)..=Duration::from_mins(5));
        let long = |node: &Node| value::duration(node, Duration::from_secs(1)..=Duration::from_hours(1));
        section.set("connections", &mut decoded.connections, problems, |node| value::number(node, 1..=1_000_000));
        section.set("in_flight", &mut decoded.in_flight, problems, |node| value::number(node, 1..=100_000));
        section.set("header_bytes", &mut decoded.header_bytes, problems, |node| {
            // hyper needs 8 KiB to read at all.
            value::size(node, 8 * KIB..=MIB).map(bytes)
        });
        section.set("headers", &mut decoded.headers, problems, |node| value::number(node, 8..=1000));
        section.set("header_timeout", &mut decoded.header_timeout, problems, time);
        section.set("body_timeout", &mut decoded.body_timeout, problems, time);
        section.set("answer_timeout", &mut decoded.answer_timeout, problems, time);
        section.set("idle_timeout", &mut decoded.idle_timeout, problems, long);
        section.set("tls_timeout", &mut decoded.tls_timeout, problems, time);
        section.set("http2_streams", &mut decoded.http2_streams, problems, |node| value::number(node, 1..=10_000));
        section.set("http2_window", &mut decoded.http2_window, problems, |node| {
            // A connection's window begins with 64 KiB less a byte, whatever is wanted.
            value::size(node, 64 * KIB..=16 * MIB).map(|size| u32::try_from(size).unwrap_or(u32::MAX))
        });
        section.set("http2_resets", &mut decoded.http2_resets, problems, |node| value::number(node, 1..=10_000));
        section.set("http2_ping", &mut decoded.http2_ping, problems, long);
        section.set("http2_ping_timeout", &mut decoded.http2_ping_timeout, problems, time);
        let least = least_memory(max_body, decoded.header_bytes);
        section.set("memory", &mut decoded.memory, problems, |node| {
            let memory = value::size(node, MIB..=1024 * GIB)?;
            if memory < least {
                return Err(Refused::new(
                    format!("is {}, which does not hold one request", ByteSize(memory).display().iec()),
                    format!("write at least {least}, or lower `receiver.max_body`"),
                ));
            }
            Ok(bytes(memory))
        });
        decoded
    }
}

/// Sixteen of the largest bodies, and not less than 64 MiB.
fn memory(max_body: usize) -> usize {
    max_body.saturating_mul(16).max(bytes(64 * MIB))
}

/// One body that is put together from two halves, and its header.
fn least_memory(max_body: usize, header_bytes: usize) -> u64 {
    (max_body as u64).saturating_mul(2).saturating_add(header_bytes as u64)
}
