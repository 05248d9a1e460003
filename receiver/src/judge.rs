//! Is a request a genuine event? The one rule for it, now and when the quarantine is judged again.

use std::borrow::Cow;

use bytes::Bytes;
use event::{BodyHash, Envelope, OrderingKey, Project};
use livekit::token::{Body, Keys};
use livekit::{Refusal, body, token};

use crate::privacy::Privacy;
use crate::trace;

/// What requests are judged by.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// The keys that count.
    pub keys: &'a Keys,
    /// Seconds by which the sender's clock may differ.
    pub leeway_s: u64,
    /// Whose events these are.
    pub project: &'a Project,
    /// Which fields are not stored.
    pub privacy: &'a Privacy,
}

/// A request, with what there is of its body.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// Its `Authorization` header.
    pub authorization: Option<Cow<'a, str>>,
    /// Its body.
    pub body: Bytes,
    /// Hash of the whole body, where `body` lacks some fields already.
    pub sha256: Option<BodyHash>,
    /// The ordering key of the whole body, where it lacks some fields already.
    pub key: Option<OrderingKey>,
    /// When it arrived, in Unix milliseconds.
    pub received_at_ms: u64,
    /// Its `Content-Type`.
    pub content_type: Option<Cow<'a, str>>,
    /// Its `User-Agent`.
    pub user_agent: Option<Cow<'a, str>>,
    /// Its trace context.
    pub traceparent: Option<Cow<'a, str>>,
}

/// A genuine event as it is stored.
#[derive(Debug, Clone)]
pub struct Judged {
    /// All that is known about it.
    pub envelope: Envelope,
    /// Its body without the fields that are not stored.
    pub body: Bytes,
}

/// Judges a request at the time of its arrival.
///
/// # Errors
/// Why it can never be accepted.
pub fn judge(rules: &Rules<'_>, request: &Request<'_>) -> Result<Judged, Refusal> {
    let signed = Body { bytes: &request.body, sha256: request.sha256 };
    let (now_s, authorization) = (request.received_at_ms / 1000, request.authorization.as_deref());
    let verified = token::verify_body(rules.keys, authorization, &signed, now_s, rules.leeway_s)?;
    let facts = body::inspect(&request.body)?;
    let left =
        rules.privacy.without_dropped(&request.body).map_err(|error| Refusal::BadJson { what: error.to_string() })?;
    let (body, sha256) = match left {
        // Fields may have been removed before; the hash is always that of the whole.
        Some(left) => (left.body, Some(request.sha256.unwrap_or(left.sha256))),
        None => (request.body.clone(), request.sha256),
    };
    let envelope = Envelope {
        id: facts.id,
        kind: facts.kind,
        project: rules.project.clone(),
        key: request.key.clone().unwrap_or(facts.key),
        created_at: facts.created_at,
        received_at_ms: request.received_at_ms,
        api_key: verified.api_key,
        content_type: request.content_type.as_deref().map(str::to_owned),
        user_agent: request.user_agent.as_deref().map(str::to_owned),
        traceparent: Some(trace::traceparent(request.traceparent.as_deref())),
        spooled: false,
        body_sha256: sha256,
    };
    Ok(Judged { envelope, body })
}
