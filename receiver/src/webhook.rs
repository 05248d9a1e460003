//! One request: is it a webhook, is it genuine, store it, answer.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use event::{Envelope, EventId, OrderingKey};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, EXPECT, HeaderName, USER_AGENT};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response};
use livekit::{Refusal, body, token};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::accept::Acceptor;
use crate::body::{Bodies, Body};
use crate::config::Config;
use crate::metrics::ReceiverMetrics;
use crate::outcome::{Fault, Outcome};
use crate::trace;

/// Takes webhooks.
#[derive(Debug)]
pub(crate) struct Webhooks {
    pub(crate) config: Arc<Config>,
    pub(crate) metrics: Arc<ReceiverMetrics>,
    acceptor: Acceptor,
    bodies: Bodies,
    /// Events on their way to JetStream. They go on when their sender hangs up, so that each is counted for what it became.
    pub(crate) storing: TaskTracker,
}

/// A webhook that was read but not judged.
struct Received {
    parts: Parts,
    body: Body,
    peer: SocketAddr,
    at_ms: u64,
    /// Until then it must be answered.
    deadline: Instant,
}

impl Webhooks {
    pub(crate) fn new(config: Arc<Config>, acceptor: Acceptor, metrics: Arc<ReceiverMetrics>) -> Webhooks {
        let bodies = Bodies::new(config.max_body, config.limits.body_timeout);
        Webhooks { config, metrics, acceptor, bodies, storing: TaskTracker::new() }
    }

    /// Answers one request.
    pub(crate) async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> Response<Empty<Bytes>> {
        let version = request.version();
        let outcome = self.clone().take(request, peer).await;
        self.metrics.answered(&outcome);
        outcome.answer(version)
    }

    async fn take(self: Arc<Self>, request: Request<Incoming>, peer: SocketAddr) -> Outcome {
        let path = request.uri().path();
        if !self.config.paths.iter().any(|known| known == path) {
            if request.method() == Method::POST {
                let (given, known) = (path.chars().take(200).collect::<String>(), self.config.paths.join(", "));
                tracing::warn!(%peer, path = given, "refused: not a webhook path, those are {known}");
            }
            return Outcome::WrongPath;
        }
        if request.method() != Method::POST {
            return Outcome::WrongMethod;
        }
        let (parts, incoming) = request.into_parts();
        let body = match self.bodies.read(incoming, parts.headers.contains_key(EXPECT)).await {
            Ok(body) => body,
            Err(Outcome::Refused(refusal)) => return self.refused(refusal, peer, None),
            Err(Outcome::Unavailable(fault)) => return unavailable(fault, peer, None),
            Err(outcome) => return outcome,
        };
        let deadline = Instant::now() + self.config.answer_within;
        let received = Received { parts, body, peer, at_ms: self.config.clock.now_ms(), deadline };
        let webhooks = self.clone();
        let storing = self.storing.spawn(async move { webhooks.judge_and_store(received).await });
        storing.await.unwrap_or_else(|_| unavailable(Fault::Internal, peer, None))
    }

    async fn judge_and_store(&self, received: Received) -> Outcome {
        let envelope = match self.judge(&received) {
            Ok(envelope) => envelope,
            Err(refusal) => return self.refused(refusal, received.peer, Some(&received)),
        };
        let (id, key) = (envelope.id.clone(), envelope.key.clone());
        match self.acceptor.accept(envelope, received.body.bytes.clone(), received.deadline).await {
            Ok(outcome) => outcome,
            Err(fault) => unavailable(fault, received.peer, Some((&id, &key))),
        }
    }

    /// The envelope of a genuine event.
    fn judge(&self, received: &Received) -> Result<Envelope, Refusal> {
        let bytes = &received.body.bytes;
        let (now_s, leeway_s) = (received.at_ms / 1000, self.config.leeway.as_secs());
        let authorization = text(&received.parts, &AUTHORIZATION);
        let verified = token::verify(&self.config.keys, authorization.as_deref(), bytes, now_s, leeway_s)?;
        let facts = body::inspect(bytes)?;
        let traceparent = text(&received.parts, &HeaderName::from_static("traceparent"));
        Ok(Envelope {
            id: facts.id,
            kind: facts.kind,
            project: self.config.project.clone(),
            key: facts.key,
            created_at: facts.created_at,
            received_at_ms: received.at_ms,
            api_key: verified.api_key,
            content_type: text(&received.parts, &CONTENT_TYPE),
            user_agent: text(&received.parts, &USER_AGENT),
            traceparent: Some(trace::traceparent(traceparent.as_deref())),
            spooled: false,
        })
    }

    /// The one place that every refused request goes through, with what there is of it.
    #[expect(clippy::unused_self, reason = "what is kept of a refused request is decided here")]
    fn refused(&self, refusal: Refusal, peer: SocketAddr, received: Option<&Received>) -> Outcome {
        let bytes = received.map(|received| received.body.bytes.len());
        // Best effort, and not verified: it tells an operator which event LiveKit will not send again.
        let event = received.and_then(|received| body::inspect(&received.body.bytes).ok());
        let id = event.as_ref().map(|facts| facts.id.as_str());
        let kind = event.as_ref().map(|facts| facts.kind.as_str());
        tracing::warn!(%peer, reason = refusal.reason(), bytes, claimed_id = id, claimed_kind = kind, "refused: {refusal}");
        Outcome::Refused(refusal)
    }
}

fn unavailable(fault: Fault, peer: SocketAddr, event: Option<(&EventId, &OrderingKey)>) -> Outcome {
    let (id, key) = event.map(|(id, key)| (id.as_str(), key.as_str())).unzip();
    tracing::warn!(%peer, reason = fault.reason(), id, key, "not stored, LiveKit is asked to send again: {fault}");
    Outcome::Unavailable(fault)
}

/// The first header of this name; bytes that are not text become replacement characters.
fn text(parts: &Parts, name: &HeaderName) -> Option<String> {
    parts.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}
