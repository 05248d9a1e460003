//! HTTP itself: kept connections, HTTP/2, what a proxy might do to a request.

use std::convert::Infallible;

use anyhow::Result;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::{http1, http2};
use hyper::{Request, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use livekit::sender::Sender;
use livekit::token::Secret;
use tokio::net::TcpStream;

use crate::rig::{KEY, Rig, SECRET, id_of, room_started};

fn request(rig: &Rig, body: &str) -> Request<Full<Bytes>> {
    Request::post(rig.url.clone())
        .header("host", rig.address.as_str())
        .header("authorization", rig.token(body))
        .body(Full::new(Bytes::from(body.to_owned())))
        .unwrap()
}

#[tokio::test]
async fn a_connection_carries_request_after_request_whatever_is_answered() -> Result<()> {
    let rig = Rig::start(|config| config.max_body = 64 << 10).await?;
    let stream = TokioIo::new(TcpStream::connect(&rig.address).await?);
    let (mut sender, connection) = http1::handshake(stream).await?;
    tokio::spawn(connection);
    let (good, large) = (room_started("kept"), "x".repeat(100 << 10));
    for (body, status) in [(&good, 200), (&good, 200), (&"no json".to_owned(), 400), (&large, 413), (&good, 200)] {
        sender.ready().await?;
        let answer = sender.send_request(request(&rig, body)).await?;
        assert_eq!((answer.status().as_u16(), answer.headers()["content-length"].as_bytes()), (status, &b"0"[..]));
        assert!(answer.into_body().collect().await?.to_bytes().is_empty());
    }
    assert_eq!(rig.metric("roomwire_receiver_connections"), 1);
    Ok(())
}

#[tokio::test]
async fn http2_by_prior_knowledge_works() -> Result<()> {
    let rig = Rig::start(|_| ()).await?;
    let stream = TokioIo::new(TcpStream::connect(&rig.address).await?);
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
    tokio::spawn(connection);
    for _ in 0..3 {
        let answer = sender.send_request(request(&rig, &room_started("h2"))).await?;
        assert_eq!((answer.status().as_u16(), answer.version()), (200, Version::HTTP_2));
        assert_eq!(answer.headers()["content-length"], "0");
    }
    assert_eq!(rig.stored().await?.len(), 3);
    Ok(())
}

#[tokio::test]
async fn a_body_in_many_pieces_without_a_length_is_stored_whole() -> Result<()> {
    let rig = Rig::start(|_| ()).await?;
    let body = format!(r#"{{"event":"x","id":"EV_1","pad":"{}"}}"#, "ü".repeat(50_000));
    let pieces = body.as_bytes().chunks(777).map(|piece| hyper::body::Frame::data(Bytes::copy_from_slice(piece)));
    let pieces: Vec<Result<_, Infallible>> = pieces.map(Ok).collect();
    let (mut sender, connection) = http1::handshake(TokioIo::new(TcpStream::connect(&rig.address).await?)).await?;
    tokio::spawn(connection);
    let chunked = http_body_util::StreamBody::new(futures_util::stream::iter(pieces));
    let request =
        Request::post("/livekit").header("host", "x").header("authorization", rig.token(&body)).body(chunked)?;
    assert_eq!(sender.send_request(request).await?.status().as_u16(), 200);
    assert_eq!(rig.stored().await?[0].body, body.as_bytes());
    Ok(())
}

#[tokio::test]
async fn the_largest_body_is_taken_and_one_byte_more_is_not() -> Result<()> {
    let rig = Rig::start(|_| ()).await?;
    let padded = |bytes: usize| {
        let frame = r#"{"event":"x","id":"EV_1","pad":""}"#.len();
        format!(r#"{{"event":"x","id":"EV_1","pad":"{}"}}"#, "x".repeat(bytes - frame))
    };
    assert_eq!(rig.send(&padded(8 << 20)).await?.status, 200);
    assert_eq!(rig.send(&padded((8 << 20) + 1)).await?.status, 413);
    assert_eq!(rig.stored().await?.iter().map(|message| message.body.len()).collect::<Vec<_>>(), [8 << 20]);
    Ok(())
}

#[tokio::test]
async fn a_valid_traceparent_is_passed_on_and_a_bad_one_replaced() -> Result<()> {
    let rig = Rig::start(|_| ()).await?;
    let valid = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    for traceparent in [valid, "00-bad"] {
        let body = room_started("traced");
        let headers = [("authorization", &*rig.token(&body)), ("traceparent", traceparent)];
        assert_eq!(rig.http.post(&rig.url, &headers, body).await?.status, 200);
    }
    let stored = rig.stored().await?;
    assert_eq!(stored[0].header("traceparent"), valid);
    assert_eq!(stored[1].header("traceparent").len(), valid.len());
    Ok(())
}

#[tokio::test]
async fn livekits_own_way_of_sending_is_accepted_and_a_repeat_is_stored_once() -> Result<()> {
    let rig = Rig::start(|_| ()).await?;
    // This one signs by the real clock.
    rig.set_clock(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs_f64());
    let sender = Sender::new(&rig.url, KEY, Secret::new(SECRET)?)?;
    let body = room_started("sent");
    for _ in 0..3 {
        assert!(sender.send(body.clone()).await?.accepted());
    }
    let stored = rig.stored().await?;
    assert_eq!(stored.iter().map(|message| message.header("ce-id")).collect::<Vec<_>>(), [id_of(&body)]);
    assert_eq!(rig.metric("roomwire_receiver_duplicates_total"), 2);
    Ok(())
}
