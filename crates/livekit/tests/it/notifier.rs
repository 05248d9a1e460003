//! The sender's behaviour against a listening socket that answers as it is told.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use livekit::generate::{Names, event};
use livekit::notifier::{Fate, Notifier, Rules};
use livekit::sender::{SendError, Sender};
use livekit::token::Secret;
use tokio::net::TcpListener;

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    connections: usize,
    /// (connection, body, token) in order of arrival.
    requests: Vec<(usize, String, String)>,
    /// What to answer to a body, one after the other; 200 when there is nothing left.
    answers: HashMap<String, VecDeque<u16>>,
    /// What every answer says.
    answer_body: &'static str,
}

/// A recorder that answers each body with the statuses given for it, then 200, with an empty body.
async fn recorder(answers: &[(&str, &[u16])]) -> (String, Seen) {
    let seen = Seen::default();
    seen.0.lock().unwrap().answers =
        answers.iter().map(|(body, statuses)| ((*body).to_owned(), statuses.iter().copied().collect())).collect();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/livekit", listener.local_addr().unwrap());
    let shared = seen.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let shared = shared.clone();
            let connection = {
                let mut inner = shared.0.lock().unwrap();
                inner.connections += 1;
                inner.connections
            };
            let service = service_fn(move |request| answer(shared.clone(), connection, request));
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    (url, seen)
}

async fn answer(
    seen: Seen,
    connection: usize,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let token = request.headers()["authorization"].to_str().unwrap().to_owned();
    let body = String::from_utf8(request.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap();
    let mut inner = seen.0.lock().unwrap();
    let status = inner.answers.get_mut(&body).and_then(VecDeque::pop_front).unwrap_or(200);
    inner.requests.push((connection, body, token));
    let mut response = Response::new(Full::from(inner.answer_body));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap();
    Ok(response)
}

fn sender(url: &str) -> Sender {
    Sender::new(url, "devkey", Secret::new("secret").unwrap()).unwrap()
}

/// LiveKit's rules with waits that a test can wait for.
fn hasty() -> Rules {
    Rules { waits: vec![Duration::from_millis(1); 4], ..Rules::default() }
}

#[tokio::test]
async fn requests_one_after_the_other_share_a_connection() {
    let (url, seen) = recorder(&[]).await;
    let sender = sender(&url);
    for _ in 0..20 {
        assert!(sender.send(event("room_started", &Names::new("a", ""))).await.unwrap().accepted());
    }
    assert_eq!(seen.0.lock().unwrap().connections, 1);
}

#[tokio::test]
async fn an_answer_with_a_body_costs_the_connection() {
    let (url, seen) = recorder(&[]).await;
    seen.0.lock().unwrap().answer_body = "OK";
    let sender = sender(&url);
    for _ in 0..20 {
        assert!(sender.send(event("room_started", &Names::new("a", ""))).await.unwrap().accepted());
    }
    assert_eq!(seen.0.lock().unwrap().connections, 20);
}

#[tokio::test]
async fn a_refused_event_is_sent_again_with_the_same_token_and_the_next_of_its_room_waits() {
    let names = Names::new("room", "");
    let (first, second) = (event("room_started", &names), event("room_finished", &names));
    let other = event("room_started", &Names::new("other", ""));
    let (url, seen) = recorder(&[(&first, &[503, 429, 500]), (&other, &[501])]).await;
    let notifier = Notifier::new(sender(&url), hasty());
    let [first_done, second_done, other_done] = [&first, &second, &other].map(|body| notifier.notify(body.clone()));
    assert_eq!(first_done.await.unwrap().attempts.len(), 4);
    assert_eq!(second_done.await.unwrap().attempts.len(), 1);
    assert_eq!(other_done.await.unwrap().attempts.len(), 1, "501 is not sent again");
    let inner = seen.0.lock().unwrap();
    let of_room: Vec<_> = inner.requests.iter().filter(|(_, body, _)| *body != other).collect();
    assert_eq!(of_room.iter().map(|(_, body, _)| body).collect::<Vec<_>>(), [&first, &first, &first, &first, &second]);
    assert!(of_room[..4].iter().all(|(_, _, token)| *token == of_room[0].2));
}

#[tokio::test]
async fn after_five_attempts_the_event_is_given_up() {
    let body = event("room_started", &Names::new("room", ""));
    let (url, _) = recorder(&[(&body, &[503; 9])]).await;
    let delivery = Notifier::new(sender(&url), hasty()).notify(body).await.unwrap();
    assert_eq!((delivery.fate, delivery.attempts.len()), (Fate::GaveUp, 5));
    assert_eq!(delivery.answer().unwrap().unwrap().status, 503);
}

#[tokio::test]
async fn nobody_listening_is_retried_and_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/livekit", listener.local_addr().unwrap());
    drop(listener);
    let notifier = Notifier::new(sender(&url), Rules { waits: vec![Duration::from_millis(1)], ..Rules::default() });
    let delivery = notifier.notify(event("room_started", &Names::new("room", ""))).await.unwrap();
    assert_eq!((delivery.fate, delivery.attempts.len()), (Fate::GaveUp, 2));
    assert!(matches!(delivery.answer(), Some(Err(SendError::Transport { .. }))));
}

#[test]
fn an_address_that_is_no_http_url_is_refused() {
    for url in ["", "localhost:8080", "https://x/y", "/livekit", "http://"] {
        let error = Sender::new(url, "devkey", Secret::new("secret").unwrap()).unwrap_err();
        assert!(matches!(error, SendError::Url { .. }), "{url}");
    }
}
