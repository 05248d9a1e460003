//! What an invocation calls outside, written down while it does, or answered from what was written down: for tests of
//! plugins, which then need no network. Only a workbench has one; no runner does.

mod call;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

pub use call::Call;
pub(super) use call::{Answer as Recorded, ApiRequest, Failure, Request};
use call::{ApiEnd, HttpEnd};
use wasmtime_wasi_http::Error;

use super::Mask;
use crate::bindings::roomwire::plugin::livekit;

/// What a guest is told of a call that is not in the recording.
const UNKNOWN: &str = "this call is not in the recording";

/// The calls of one invocation.
#[derive(Debug)]
pub(crate) struct Tape {
    /// Nothing goes out: calls are answered by what is on it.
    replays: bool,
    mask: Arc<Mask>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What was recorded, and whether it was played by now.
    calls: Vec<(Call, bool)>,
    differences: Vec<String>,
}

impl Tape {
    /// One that writes down what is called, without the secrets that a mask knows.
    pub(crate) fn recording(mask: Arc<Mask>) -> Self {
        Self { replays: false, mask, state: Mutex::default() }
    }

    /// One that answers with what was called before.
    pub(crate) fn replaying(mask: Arc<Mask>, calls: Vec<Call>) -> Self {
        let calls = calls.into_iter().map(|call| (call, false)).collect();
        Self { replays: true, mask, state: Mutex::new(State { calls, ..State::default() }) }
    }

    /// All that was called, and what of it is not as it was recorded.
    pub(crate) fn end(&self) -> (Vec<Call>, Vec<String>) {
        let mut state = self.lock();
        let mut differences = std::mem::take(&mut state.differences);
        if self.replays {
            let unmade = state.calls.iter().filter(|(_, played)| !played);
            differences.extend(unmade.map(|(call, _)| format!("calls: recorded and not made: {}", call.asked())));
        }
        (state.calls.drain(..).map(|(call, _)| call).collect(), differences)
    }

    /// A request as it is written down.
    pub(super) fn request(&self, url: &str, request: &http::Request<impl Sized>, body: &[u8]) -> Request {
        Request::new(&self.mask, url, request, body)
    }

    /// What a request is answered with, if nothing goes out.
    pub(super) fn replayed(&self, request: &Request) -> Option<Result<Recorded, Failure>> {
        self.replays.then(|| match self.play(|call| matches!(call, Call::Http { http, .. } if http == request)) {
            Some(Call::Http { end: HttpEnd::Answer(answer), .. }) => Ok(answer),
            Some(Call::Http { end: HttpEnd::Failed(failure), .. }) => Err(failure),
            _ => Err(self.differs(&request.asked())),
        })
    }

    /// Writes down what came of a request.
    pub(super) fn answered(&self, request: Request, came: Result<(&http::response::Parts, &[u8]), (&Error, String)>) {
        let end = match came {
            Ok((head, body)) => HttpEnd::Answer(Recorded::new(&self.mask, head, body)),
            Err((error, text)) => HttpEnd::Failed(Failure::of_http(error, self.mask.apply(&text).into_owned())),
        };
        self.lock().calls.push((Call::Http { http: request, end }, true));
    }

    /// A call of LiveKit's API as it is written down.
    pub(super) fn api_request(&self, service: &str, method: &str, json: &str) -> ApiRequest {
        ApiRequest::new(&self.mask, service, method, json)
    }

    /// What a call of LiveKit's API is answered with, if nothing goes out.
    pub(super) fn api_replayed(&self, request: &ApiRequest) -> Option<Result<String, livekit::Error>> {
        self.replays.then(|| match self.play(|call| matches!(call, Call::Api { livekit, .. } if livekit == request)) {
            Some(Call::Api { end: ApiEnd::Answer(answer), .. }) => Ok(answer.to_string()),
            Some(Call::Api { end: ApiEnd::Failed(failure), .. }) => Err(failure.into_api()),
            _ => Err(livekit::Error::Other(self.differs(&request.asked()).text)),
        })
    }

    /// Writes down what came of a call of LiveKit's API.
    pub(super) fn api_answered(&self, request: ApiRequest, came: &Result<String, livekit::Error>) {
        let end = match came {
            Ok(text) => {
                let text = self.mask.apply(text);
                ApiEnd::Answer(serde_json::from_str(&text).unwrap_or_else(|_| Value::String(text.into_owned())))
            }
            Err(error) => ApiEnd::Failed(Failure::of_api(error)),
        };
        self.lock().calls.push((Call::Api { livekit: request, end }, true));
    }

    /// The first recorded call like this that was not played yet: calls that are made at the same time have no order.
    fn play(&self, is_it: impl Fn(&Call) -> bool) -> Option<Call> {
        let mut state = self.lock();
        let (call, played) = state.calls.iter_mut().find(|(call, played)| !played && is_it(call))?;
        *played = true;
        Some(call.clone())
    }

    fn differs(&self, asked: &str) -> Failure {
        self.lock().differences.push(format!("calls: not recorded, or recorded otherwise: {asked}"));
        Failure { error: "not-recorded".to_owned(), text: UNKNOWN.to_owned() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
