//! A request of a plugin that is tried: sent and written down, or answered by what was written down before.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, DATE, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use wasmtime_wasi_http::{Error, WasiBody};

use super::{Answer, Done};
use crate::host::calls::{Calls, Open};
use crate::host::tape::{Recorded, Request, Tape};

/// The answer on the tape, or else that of `send`, which is then on the tape.
pub(super) async fn answer(
    tape: &Tape,
    asked: Request,
    open: Open,
    send: impl AsyncFnOnce(Open) -> Result<Answer, Error>,
) -> Result<Answer, Error> {
    let calls = open.calls().clone();
    if let Some(recorded) = tape.replayed(&asked) {
        return match recorded {
            Ok(answer) => {
                calls.answered(answer.status);
                Ok(played(&answer))
            }
            Err(failure) => {
                calls.unavailable(failure.text.clone());
                Err(failure.into_http())
            }
        };
    }
    match whole(send(open).await).await {
        Ok((head, body)) => {
            tape.answered(asked, Ok((&head, &body)));
            Ok(of(Response::from_parts(head, body)))
        }
        Err(error) => {
            tape.answered(asked, Err((&error, told(&calls, &error))));
            Err(error)
        }
    }
}

/// Why there was no answer, in the words of the log.
fn told(calls: &Calls, error: &Error) -> String {
    calls.last_failure().unwrap_or_else(|| error.to_string())
}

/// The whole answer, without what says how this one came over the wire: of a recorded one it would not be true.
async fn whole(answer: Result<Answer, Error>) -> Result<(http::response::Parts, Bytes), Error> {
    let (mut head, body) = answer?.0.into_parts();
    for name in [CONTENT_LENGTH, TRANSFER_ENCODING, DATE] {
        head.headers.remove(name);
    }
    Ok((head, body.collect().await?.to_bytes()))
}

/// What is on the tape as an answer. What people have written into its file and is no header is passed over.
fn played(recorded: &Recorded) -> Answer {
    let mut response = Response::new(Bytes::from(recorded.body.bytes()));
    *response.status_mut() = StatusCode::from_u16(recorded.status).unwrap_or(StatusCode::BAD_GATEWAY);
    for (name, value) in &recorded.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            response.headers_mut().append(name, value);
        }
    }
    of(response)
}

fn of(response: Response<Bytes>) -> Answer {
    let done: Done = Box::new(async { Ok(()) });
    let body = |body: Bytes| -> WasiBody { Full::new(body).map_err(|never| match never {}).boxed_unsync() };
    (response.map(body), done)
}
