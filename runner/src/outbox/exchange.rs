//! One request of the outbox on its way: what the host adds to it, and what the answer means.

use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use livekit::token::{Secret, sign};
use service::config::{HostPattern, OnUnknown, Origin};
use service::error::Chain;
use store::RequestRow;

use super::traffic::End;
use crate::host::{Calls, Client, Deadlines, IDEMPOTENCY_KEY, Incoming, Lease, Mask, SendError, Target};
use crate::invoke::unix_ms;
use crate::metrics::Outgoing;

/// What LiveKit calls the body of a webhook.
const WEBHOOK: HeaderValue = HeaderValue::from_static("application/webhook+json");

/// Bytes of an answer that are read, so that its connection can be used again.
const ANSWER: usize = 64 << 10;

/// Characters of a refusal's body that are kept.
const SAID: usize = 200;

/// Sends the requests of one handler.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    /// Goes where the handler's grants say.
    pub(crate) client: Arc<Client>,
    /// The key that signs, with its secret.
    pub(crate) sign: Option<Arc<(String, Secret)>>,
    /// From connecting to the whole answer.
    pub(crate) timeout: Duration,
    /// What becomes of a request that was sent and never answered.
    pub(crate) on_unknown: OnUnknown,
    /// Keeps the handler's secrets out of what is noted; a URL may hold one.
    pub(crate) mask: Arc<Mask>,
    /// Counts them.
    pub(crate) outgoing: Outgoing,
}

/// What came of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// 2xx.
    Taken,
    /// The other side answered, and does not want it.
    Refused { error: String },
    /// The other side surely did not take it, and may later.
    Unavailable { error: String, retry_after: Option<Duration> },
    /// It may have arrived.
    Unanswered { error: String },
}

impl Answer {
    pub(super) fn end(&self) -> End {
        match self {
            Self::Taken => End::Taken,
            Self::Refused { .. } => End::Refused,
            Self::Unavailable { retry_after, .. } => End::Unavailable { retry_after: *retry_after },
            Self::Unanswered { .. } => End::Unavailable { retry_after: None },
        }
    }

    pub(super) fn error(&self) -> Option<&str> {
        match self {
            Self::Taken => None,
            Self::Refused { error } | Self::Unavailable { error, .. } | Self::Unanswered { error } => Some(error),
        }
    }
}

impl Sender {
    /// Sends a request once.
    pub(super) async fn send(self, row: RequestRow) -> (RequestRow, Answer) {
        let mut answer = match self.prepare(&row) {
            Ok((target, request)) => self.exchange(&row, &target, request).await,
            Err(error) => Answer::Refused { error },
        };
        if let Answer::Refused { error } | Answer::Unavailable { error, .. } | Answer::Unanswered { error } =
            &mut answer
        {
            *error = self.mask.apply(error).into();
        }
        (row, answer)
    }

    /// The request as it goes out. A signature is made anew for each try: LiveKit's tokens are valid for five minutes.
    fn prepare(&self, row: &RequestRow) -> Result<(Target, Request<Full<bytes::Bytes>>), String> {
        let broken = |what: &str| format!("its {what} cannot be sent");
        let target = match Origin::parse(&row.origin) {
            Some(Origin { secure, host: HostPattern::One(host), port }) => Target { secure, host, port },
            _ => return Err(broken("URL")),
        };
        let mut request = Request::new(Full::new(row.body.clone()));
        *request.method_mut() = row.method.parse::<Method>().map_err(|_| broken("method"))?;
        *request.uri_mut() = row.path.parse::<Uri>().map_err(|_| broken("URL"))?;
        let headers = request.headers_mut();
        for (name, value) in &row.headers {
            let name: HeaderName = name.parse().map_err(|_| broken("header"))?;
            headers.append(name, HeaderValue::from_str(value).map_err(|_| broken("header"))?);
        }
        if !headers.contains_key(IDEMPOTENCY_KEY) {
            headers.insert(IDEMPOTENCY_KEY, HeaderValue::from_str(&row.id_key).map_err(|_| broken("id"))?);
        }
        if let Some(key) = &self.sign {
            let token = sign(&key.0, &key.1, &row.body, unix_ms() / 1_000);
            let mut token = HeaderValue::from_str(&token).map_err(|_| broken("signature"))?;
            token.set_sensitive(true);
            headers.insert(AUTHORIZATION, token);
            headers.entry(CONTENT_TYPE).or_insert(WEBHOOK);
        }
        Ok((target, request))
    }

    async fn exchange(&self, row: &RequestRow, target: &Target, request: Request<Full<bytes::Bytes>>) -> Answer {
        let calls = Calls::new(self.timeout, Lease::default(), self.outgoing.clone());
        let open = match calls.begin() {
            Ok(open) => open,
            Err(refused) => return Answer::Unavailable { error: refused.to_string(), retry_after: None },
        };
        match self.client.send(target, request, Deadlines::until(calls.until()), open).await {
            Ok(response) => {
                let (head, body) = response.into_parts();
                let said = read(body).await;
                judge(row, head.status, &head.headers, &said)
            }
            Err(error) => {
                calls.failed(&error);
                let text = Chain(&error).to_string();
                match error {
                    error if !error.is_upstream() => Answer::Refused { error: text },
                    SendError::Timeout | SendError::Exchange(_) | SendError::HeadTooLarge => {
                        Answer::Unanswered { error: text }
                    }
                    _ => Answer::Unavailable { error: text, retry_after: None },
                }
            }
        }
    }
}

/// The beginning of an answer's body. That it ends too early or is too long changes nothing: the status has been said.
async fn read(body: Incoming) -> String {
    match Limited::new(body, ANSWER).collect().await {
        Ok(body) => String::from_utf8_lossy(&body.to_bytes()).chars().take(SAID).collect(),
        Err(_) => String::new(),
    }
}

/// What a status means, by what LiveKit's own sender and most others make of it.
fn judge(row: &RequestRow, status: StatusCode, headers: &HeaderMap, said: &str) -> Answer {
    if status.is_success() {
        return Answer::Taken;
    }
    let said = if said.is_empty() { String::new() } else { format!(": {}", said.escape_debug()) };
    let error = format!("{} {}{} was answered {status}{said}", row.method, row.origin, row.path);
    let passing = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
    if status.is_server_error() || passing.contains(&status) {
        return Answer::Unavailable { error, retry_after: retry_after(headers) };
    }
    Answer::Refused { error }
}

/// `Retry-After` in seconds. Its other form, a date, is not used by what answers 429 and 503 to webhooks.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use livekit::token::{Keys, verify};

    use super::*;

    fn row(headers: &[(&str, &str)]) -> RequestRow {
        RequestRow {
            id: 1,
            handler: "h".into(),
            key: "k".into(),
            origin: "http://127.0.0.1:9".into(),
            method: "POST".to_owned(),
            path: "/hook?a=b".to_owned(),
            id_key: "default/h/EV_1/0".to_owned(),
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            body: bytes::Bytes::from_static(b"{}"),
            queued_at: 0,
            sent_at: None,
            tries: 0,
            error: None,
        }
    }

    fn sender(signed: bool) -> Sender {
        let secret = || Arc::new(("devkey".to_owned(), Secret::new("secret").unwrap()));
        Sender {
            client: Arc::default(),
            sign: signed.then(secret),
            timeout: Duration::from_secs(1),
            on_unknown: OnUnknown::Resend,
            mask: Arc::default(),
            outgoing: Outgoing::default(),
        }
    }

    #[test]
    fn a_request_goes_out_with_its_id_and_a_guests_own_key_stands() {
        let (target, request) = sender(false).prepare(&row(&[("x-a", "1"), ("x-a", "2")])).unwrap();
        assert_eq!(
            (target.to_string().as_str(), request.uri().to_string().as_str()),
            ("http://127.0.0.1:9", "/hook?a=b")
        );
        assert_eq!(request.headers()[IDEMPOTENCY_KEY], "default/h/EV_1/0");
        assert_eq!(request.headers().get_all("x-a").iter().count(), 2);
        assert!(!request.headers().contains_key(AUTHORIZATION) && !request.headers().contains_key(CONTENT_TYPE));
        let (_, request) = sender(false).prepare(&row(&[("idempotency-key", "mine")])).unwrap();
        assert_eq!(request.headers()[IDEMPOTENCY_KEY], "mine");
    }

    #[test]
    fn a_signed_request_is_one_that_a_receiver_of_livekits_webhooks_accepts() {
        let (_, request) = sender(true).prepare(&row(&[])).unwrap();
        assert_eq!(request.headers()[CONTENT_TYPE], WEBHOOK);
        let mut keys = Keys::new();
        keys.insert("devkey", Secret::new("secret").unwrap());
        let token = request.headers()[AUTHORIZATION].to_str().unwrap();
        assert!(verify(&keys, Some(token), b"{}", unix_ms() / 1_000, 0).is_ok());
        assert!(verify(&keys, Some(token), b"{ }", unix_ms() / 1_000, 0).is_err());
        let (_, request) = sender(true).prepare(&row(&[("content-type", "application/json")])).unwrap();
        assert_eq!(request.headers()[CONTENT_TYPE], "application/json");
    }

    #[test]
    fn an_answer_says_whether_it_was_taken_or_is_to_be_sent_again() {
        let mut asked = HeaderMap::new();
        asked.insert(RETRY_AFTER, HeaderValue::from_static("7"));
        for (status, taken, again) in [
            (200, true, false),
            (204, true, false),
            (301, false, false),
            (400, false, false),
            (401, false, false),
            (408, false, true),
            (410, false, false),
            (425, false, true),
            (429, false, true),
            (500, false, true),
            (503, false, true),
        ] {
            let answer = judge(&row(&[]), StatusCode::from_u16(status).unwrap(), &asked, "no\n");
            let retry_after = Some(Duration::from_secs(7));
            let is_again = matches!(&answer, Answer::Unavailable { retry_after: said, .. } if *said == retry_after);
            assert_eq!((answer == Answer::Taken, is_again), (taken, again), "{status}");
            if !taken {
                let words = format!("POST http://127.0.0.1:9/hook?a=b was answered {status}");
                assert!(answer.error().unwrap().starts_with(&words) && answer.error().unwrap().ends_with(": no\\n"));
            }
        }
    }
}
