//! What is kept of a refused request.

use std::borrow::Cow;
use std::net::SocketAddr;

use bytes::Bytes;
use event::quarantine::{BEGINNING, Claimed, Class, Kept, Quarantined};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, USER_AGENT};
use hyper::http::request::Parts;
use livekit::token::{Body, Keys, claimed_key, class_of};
use livekit::{Refusal, body};

use crate::privacy::Privacy;
use crate::webhook::text;

/// A request that was refused.
pub(crate) struct Request<'a> {
    pub(crate) parts: &'a Parts,
    /// The whole body, or its beginning when it was too large.
    pub(crate) body: &'a Bytes,
    pub(crate) peer: SocketAddr,
    pub(crate) at_ms: u64,
}

/// The message for the quarantine: its headers and its body.
///
/// The body of a sender that is not known is cut, so that nobody can fill the quarantine with a few requests. With
/// `privacy.drop` a body keeps its hash instead of those fields; one that cannot be read as JSON is not kept at all.
pub(crate) fn record(keys: &Keys, privacy: &Privacy, refusal: &Refusal, request: &Request<'_>) -> (Quarantined, Bytes) {
    let token = text(request.parts, &AUTHORIZATION);
    let whole = !matches!(refusal, Refusal::BodyTooLarge { .. });
    let signed = whole.then_some(Body { bytes: request.body, sha256: None });
    let class = class_of(keys, token.as_deref(), signed.as_ref());
    let facts = body::inspect(request.body).ok();
    let (kept, body) = keep(class, privacy, refusal, request.body);
    let record = Quarantined {
        class,
        reason: refusal.reason().to_owned(),
        words: refusal.to_string(),
        received_at_ms: request.at_ms,
        peer: request.peer.to_string(),
        path: request.parts.uri.path().to_owned(),
        claimed: Claimed {
            id: facts.as_ref().map(|facts| facts.id.to_string()),
            kind: facts.as_ref().map(|facts| facts.kind.clone()),
            key: facts.as_ref().map(|facts| facts.key.to_string()),
            api_key: token.as_deref().and_then(claimed_key),
        },
        token: token.map(Cow::into_owned),
        content_type: text(request.parts, &CONTENT_TYPE).map(Cow::into_owned),
        user_agent: text(request.parts, &USER_AGENT).map(Cow::into_owned),
        traceparent: text(request.parts, &HeaderName::from_static("traceparent")).map(Cow::into_owned),
        kept,
    };
    (record, body)
}

fn keep(class: Class, privacy: &Privacy, refusal: &Refusal, body: &Bytes) -> (Kept, Bytes) {
    let size = match refusal {
        Refusal::BodyTooLarge { bytes, .. } => *bytes,
        _ => Some(body.len() as u64),
    };
    let cut = |length: usize| (Kept::Cut { bytes: size }, body.slice(..body.len().min(length)));
    if matches!(refusal, Refusal::BodyTooLarge { .. }) {
        return cut(if privacy.drops() { 0 } else { BEGINNING });
    }
    let Ok(left) = privacy.without_dropped(body) else { return cut(0) };
    let (kept, left) = match left {
        Some(left) => (Kept::WithoutFields { sha256: left.sha256 }, left.body),
        None => (Kept::Whole, body.clone()),
    };
    if class == Class::Unknown && left.len() > BEGINNING {
        return (Kept::Cut { bytes: size }, left.slice(..BEGINNING));
    }
    (kept, left)
}

#[cfg(test)]
mod tests;
