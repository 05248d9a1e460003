//! One request: is it a webhook, is it genuine, store it, answer.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use event::{EventId, OrderingKey};
use http_body_util::Empty;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, EXPECT, HeaderName, USER_AGENT};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response};
use livekit::Refusal;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::accept::Acceptor;
use crate::body::{Bodies, Body, Incoming, NotRead};
use crate::carried_on::CarriedOn;
use crate::config::Config;
use crate::judge::{Judged, Request as Judging, Rules, judge};
use crate::metrics::ReceiverMetrics;
use crate::outcome::{Fault, Outcome};
use crate::quarantine::{self, Quarantine};

/// Takes webhooks.
#[derive(Debug)]
pub(crate) struct Webhooks {
    pub(crate) config: Arc<Config>,
    pub(crate) metrics: Arc<ReceiverMetrics>,
    acceptor: Acceptor,
    quarantine: Option<Quarantine>,
    bodies: Bodies,
    /// Events on their way to JetStream whose sender has hung up. They go on, so that each is counted for what it became.
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
    pub(crate) fn new(
        config: Arc<Config>,
        acceptor: Acceptor,
        quarantine: Option<Quarantine>,
        metrics: Arc<ReceiverMetrics>,
    ) -> Webhooks {
        let bodies = Bodies::new(config.max_body, &config.limits);
        Webhooks { config, metrics, acceptor, quarantine, bodies, storing: TaskTracker::new() }
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
        let (body, refusal) = match self.bodies.read(incoming, parts.headers.contains_key(EXPECT)).await {
            Ok(body) => (body, None),
            Err(NotRead::TooLarge { announced, beginning }) => {
                (beginning, Some(Refusal::BodyTooLarge { bytes: announced, limit: self.config.max_body }))
            }
            Err(NotRead::Fault(fault)) => return unavailable(fault, peer, None),
        };
        let deadline = Instant::now() + self.config.answer_within;
        let received = Received { parts, body, peer, at_ms: self.config.clock.now_ms(), deadline };
        let webhooks = self.clone();
        let storing = Box::pin(async move {
            match refusal {
                Some(refusal) => Box::pin(webhooks.refused(refusal, &received)).await,
                None => webhooks.judge_and_store(received).await,
            }
        });
        let storing = CarriedOn::new(storing, self.storing.clone());
        storing.await.unwrap_or_else(|| unavailable(Fault::Internal, peer, None))
    }

    async fn judge_and_store(&self, received: Received) -> Outcome {
        let Judged { envelope, body } = match self.judge(&received) {
            Ok(judged) => judged,
            // What is rare has its place when it is needed, and takes none in every request.
            Err(refusal) => return Box::pin(self.refused(refusal, &received)).await,
        };
        let (id, key) = (envelope.id.clone(), envelope.key.clone());
        match self.acceptor.accept(envelope, received.body.paid(body), received.deadline).await {
            Ok(outcome) => outcome,
            Err(fault) => unavailable(fault, received.peer, Some((&id, &key))),
        }
    }

    /// A genuine event as it is stored.
    fn judge(&self, received: &Received) -> Result<Judged, Refusal> {
        let Config { leeway, project, privacy, .. } = &*self.config;
        let keys = self.config.keys.current();
        let header = |name: &HeaderName| text(&received.parts, name);
        let request = Judging {
            authorization: header(&AUTHORIZATION),
            body: received.body.bytes.clone(),
            sha256: None,
            key: None,
            received_at_ms: received.at_ms,
            content_type: header(&CONTENT_TYPE),
            user_agent: header(&USER_AGENT),
            traceparent: header(&HeaderName::from_static("traceparent")),
        };
        judge(&Rules { keys: &keys, leeway_s: leeway.as_secs(), project, privacy }, &request)
    }

    /// The one place that every refused request goes through: it is answered when the quarantine has it.
    async fn refused(&self, refusal: Refusal, received: &Received) -> Outcome {
        let Received { parts, body, peer, at_ms, deadline } = received;
        let request = quarantine::Request { parts, body: &body.bytes, peer: *peer, at_ms: *at_ms };
        let keys = self.config.keys.current();
        let (record, kept) = quarantine::record(&keys, &self.config.privacy, &refusal, &request);
        let (class, reason, bytes) = (record.class, refusal.reason(), body.bytes.len());
        // Not verified: it tells an operator which event LiveKit will not send again.
        let (id, kind) = (record.claimed.id.as_deref(), record.claimed.kind.as_deref());
        let quarantined = match &self.quarantine {
            None => Ok(()),
            Some(quarantine) => quarantine.keep(&record, kept, *deadline).await,
        };
        self.metrics.refused(class, reason, self.quarantine.is_some().then_some(&quarantined));
        match quarantined {
            Ok(()) => {
                tracing::warn!(%peer, reason, %class, bytes, claimed_id = id, claimed_kind = kind, "refused: {refusal}");
                Outcome::Refused(refusal)
            }
            Err(fault) => {
                tracing::warn!(%peer, reason, %class, bytes, claimed_id = id, claimed_kind = kind, "refused: {refusal}; {fault}");
                Outcome::Unavailable(fault)
            }
        }
    }
}

fn unavailable(fault: Fault, peer: SocketAddr, event: Option<(&EventId, &OrderingKey)>) -> Outcome {
    let (id, key) = event.map(|(id, key)| (id.as_str(), key.as_str())).unzip();
    tracing::warn!(%peer, reason = fault.reason(), id, key, "not stored, LiveKit is asked to send again: {fault}");
    Outcome::Unavailable(fault)
}

/// The first header of this name; bytes that are not text become replacement characters.
pub(crate) fn text<'a>(parts: &'a Parts, name: &HeaderName) -> Option<Cow<'a, str>> {
    let value = parts.headers.get(name)?;
    Some(value.to_str().map_or_else(|_| String::from_utf8_lossy(value.as_bytes()), Cow::Borrowed))
}
