//! What became of a request, and how that is answered.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::header::{ALLOW, CONNECTION, CONTENT_LENGTH, HeaderValue};
use hyper::{Response, StatusCode, Version};
use livekit::Refusal;

/// What became of a request.
#[derive(Debug)]
pub enum Outcome {
    /// The event is in JetStream.
    Stored,
    /// It is fsynced in the spool and goes to JetStream when that takes it.
    Spooled,
    /// It was there already.
    Duplicate,
    /// It can never be accepted.
    Refused(Refusal),
    /// It could not be stored now; LiveKit sends it again.
    Unavailable(Fault),
    /// Not a path that webhooks are posted to.
    WrongPath,
    /// Not a POST.
    WrongMethod,
    /// More header fields than `receiver.limits.headers`.
    HeaderTooLarge,
}

/// Why an event that may be good was not stored. All of this is ours to repair, so the answer is always 503.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The event streams have not been checked yet.
    #[error("the event streams are not ready yet")]
    NotReady,
    /// No connection to NATS.
    #[error("not connected to NATS")]
    NotConnected,
    /// The connection was lost before the acknowledgement: the event may be stored or not.
    #[error("lost the connection to NATS before the acknowledgement")]
    ConnectionLost,
    /// No acknowledgement in time: the event may be stored or not.
    #[error("no acknowledgement from JetStream within {} ms", .within.as_millis())]
    Deadline {
        /// How long it was waited for.
        within: Duration,
    },
    /// The stream is full.
    #[error("the stream {stream} is full: raise streams.max_bytes, or see which handler holds its events")]
    StreamFull {
        /// Its name.
        stream: String,
    },
    /// Nobody stores what is published to the subject.
    #[error("the stream {stream} does not answer: does it exist, and does it have a leader?")]
    NoStream {
        /// Its name.
        stream: String,
    },
    /// JetStream refused for another reason.
    #[error("the stream {stream} refused the event: {why}")]
    StreamRefused {
        /// Its name.
        stream: String,
        /// What the server said.
        why: String,
    },
    /// The server's `max_payload` is smaller than body and headers.
    #[error("NATS takes no message of {bytes} bytes and headers: raise max_payload of the server")]
    MaxPayload {
        /// Size of the body.
        bytes: usize,
    },
    /// `receiver.limits.in_flight` events wait for their acknowledgement.
    #[error("{limit} events wait for JetStream already (receiver.limits.in_flight)")]
    InFlight {
        /// The limit.
        limit: usize,
    },
    /// JetStream does not take the event, and the spool has no room for it.
    #[error("the spool holds {max_bytes} bytes already (receiver.spool.max_bytes): see why NATS does not take events")]
    SpoolFull {
        /// The limit.
        max_bytes: u64,
    },
    /// JetStream does not take the event, and the spool cannot write it.
    #[error("the spool cannot write the event: {why}")]
    SpoolFailed {
        /// What the database said.
        why: String,
    },
    /// JetStream does not take the event, and the spool did not write it in time: it may be there or not.
    #[error("neither JetStream nor the spool took the event within {} ms", .within.as_millis())]
    SpoolSlow {
        /// How long both had.
        within: Duration,
    },
    /// The requests that are held in memory leave no room.
    #[error("other requests fill the {limit} bytes that are kept for them (receiver.limits.memory)")]
    Memory {
        /// The limit.
        limit: usize,
    },
    /// The body did not arrive in time.
    #[error("{received} bytes of the body arrived within {} ms (receiver.limits.body_timeout)", .within.as_millis())]
    SlowBody {
        /// Bytes that arrived.
        received: usize,
        /// How long they were waited for.
        within: Duration,
    },
    /// The connection ended in the middle of the body.
    #[error("the sender went away after {received} bytes of the body")]
    SenderGone {
        /// Bytes that arrived.
        received: usize,
    },
    /// It was refused, and the quarantine cannot take it.
    #[error("the request was refused, and the quarantine cannot take it: {why}")]
    Quarantine {
        /// Why not.
        why: String,
    },
    /// It was refused, and the quarantine takes no more of its class in this second.
    #[error(
        "the request was refused, and {rate} {class} ones a second are in the quarantine already (receiver.quarantine.rate)"
    )]
    QuarantineRate {
        /// The class of the request.
        class: &'static str,
        /// The limit.
        rate: u32,
    },
    /// A bug here.
    #[error("the request ended in a panic here: please report it")]
    Internal,
}

impl Fault {
    /// The reason as a label for metrics and logs.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Fault::NotReady => "not_ready",
            Fault::NotConnected => "not_connected",
            Fault::ConnectionLost => "connection_lost",
            Fault::Deadline { .. } => "deadline",
            Fault::StreamFull { .. } => "stream_full",
            Fault::NoStream { .. } => "no_stream",
            Fault::StreamRefused { .. } => "stream_refused",
            Fault::MaxPayload { .. } => "max_payload",
            Fault::InFlight { .. } => "in_flight",
            Fault::SpoolFull { .. } => "spool_full",
            Fault::SpoolFailed { .. } => "spool_failed",
            Fault::SpoolSlow { .. } => "spool_slow",
            Fault::Memory { .. } => "memory",
            Fault::SlowBody { .. } => "slow_body",
            Fault::SenderGone { .. } => "sender_gone",
            Fault::Quarantine { .. } => "quarantine",
            Fault::QuarantineRate { .. } => "quarantine_rate",
            Fault::Internal => "internal",
        }
    }
}

impl Outcome {
    /// The HTTP status. LiveKit takes every 4xx for success, so that is said only of what can never become valid.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Outcome::Stored | Outcome::Spooled | Outcome::Duplicate => StatusCode::OK,
            Outcome::Refused(refusal) => match refusal {
                Refusal::NoHeader
                | Refusal::Malformed { .. }
                | Refusal::UnknownKey { .. }
                | Refusal::BadSignature { .. }
                | Refusal::Expired { .. }
                | Refusal::NotYetValid { .. }
                | Refusal::HashMismatch { .. } => StatusCode::UNAUTHORIZED,
                Refusal::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
                Refusal::BadJson { .. } | Refusal::NoId { .. } | Refusal::NoEvent { .. } => StatusCode::BAD_REQUEST,
            },
            Outcome::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Outcome::WrongPath => StatusCode::NOT_FOUND,
            Outcome::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
            Outcome::HeaderTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        }
    }

    /// The reason as a label for metrics and logs.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Outcome::Stored => "stored",
            Outcome::Spooled => "spooled",
            Outcome::Duplicate => "duplicate",
            Outcome::Refused(refusal) => refusal.reason(),
            Outcome::Unavailable(fault) => fault.reason(),
            Outcome::WrongPath => "wrong_path",
            Outcome::WrongMethod => "wrong_method",
            Outcome::HeaderTooLarge => "header_too_large",
        }
    }

    /// The answer. It never has a body: LiveKit does not read one, and an unread body costs its client the connection.
    #[must_use]
    pub fn answer(&self, version: Version) -> Response<Empty<Bytes>> {
        let mut answer = Response::new(Empty::new());
        *answer.status_mut() = self.status();
        let headers = answer.headers_mut();
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        if matches!(self, Outcome::WrongMethod) {
            headers.insert(ALLOW, HeaderValue::from_static("POST"));
        }
        // The rest of a body that is not read would be taken for the next request. HTTP/2 has no such header.
        if matches!(self, Outcome::Unavailable(Fault::SlowBody { .. })) && version < Version::HTTP_2 {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }
}
