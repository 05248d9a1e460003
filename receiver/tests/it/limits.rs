//! Over a limit a request is refused quickly and counted, and the others go on.

use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use http_body_util::Empty;
use hyper::Request;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use testkit::http::raw;
use testkit::wait_until;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::rig::{Rig, SOON, room_started};

fn closed(rig: &Rig, reason: &str) -> u64 {
    rig.metric(&format!("roomwire_receiver_connections_closed_total{{reason=\"{reason}\"}}"))
}

async fn counted(rig: &Rig, reason: &str, count: u64) -> Result<()> {
    wait_until(SOON, reason, || async { closed(rig, reason) == count }).await
}

#[tokio::test]
async fn a_connection_that_sends_nothing_or_half_a_header_is_closed() -> Result<()> {
    let rig = Rig::start(|config| config.limits.header_timeout = Duration::from_millis(100)).await?;
    for (n, bytes) in
        [&b""[..], b"P", b"POST /livekit HTTP/1.1\r\nhost: x\r\n", b"PRI * HTTP/2.0\r\n"].iter().enumerate()
    {
        let mut stream = TcpStream::connect(&rig.address).await?;
        stream.write_all(bytes).await?;
        let mut answer = Vec::new();
        let _either_closed_or_reset = stream.read_to_end(&mut answer).await;
        counted(&rig, "slow_header", n as u64 + 1).await?;
    }
    assert_eq!(rig.send(&room_started("others")).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_answered_503() -> Result<()> {
    let rig = Rig::start(|config| config.limits.body_timeout = Duration::from_millis(100)).await?;
    let answer = raw(&rig.address, b"POST /livekit HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{").await?;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("connection: close"), "{answer}");
    assert_eq!(rig.answered(503, "slow_body"), 1);
    Ok(())
}

#[tokio::test]
async fn a_body_that_is_announced_too_large_is_refused_before_it_is_sent() -> Result<()> {
    let rig = Rig::start(|_| ()).await?;
    let mut stream = TcpStream::connect(&rig.address).await?;
    let head = "POST /livekit HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 8388609\r\n\r\n";
    stream.write_all(head.as_bytes()).await?;
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).await?;
    assert_eq!(answer, b"HTTP/1.1 413");
    assert_eq!(rig.answered(413, "body_too_large"), 1);
    Ok(())
}

#[tokio::test]
async fn a_body_that_grows_too_large_is_refused() -> Result<()> {
    let rig = Rig::start(|config| config.max_body = 4096).await?;
    let piece = format!("1000\r\n{}\r\n", "x".repeat(4096));
    let request = format!(
        "POST /livekit HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n{piece}{piece}0\r\n\r\n"
    );
    let answer = raw(&rig.address, request.as_bytes()).await?;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    Ok(())
}

#[tokio::test]
async fn too_many_or_too_large_headers_are_refused() -> Result<()> {
    let rig = Rig::start(|config| {
        config.limits.headers = 8;
        config.limits.header_bytes = 8192;
    })
    .await?;
    let many = format!("POST /livekit HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(9));
    let large = format!("POST /livekit HTTP/1.1\r\na: {}\r\n\r\n", "x".repeat(10_000));
    for request in [many, large] {
        let answer = raw(&rig.address, request.as_bytes()).await?;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
    counted(&rig, "header_too_large", 2).await
}

#[tokio::test]
async fn what_is_not_http_is_closed_and_harms_nobody() -> Result<()> {
    let rig = Rig::start(|_| ()).await?;
    for garbage in [&b"\x16\x03\x01\x02\x00 hello\r\n\r\n"[..], b"hello\r\n\r\n", b"POST\0/ HTTP/9.9\r\n\r\n"] {
        let answer = raw(&rig.address, garbage).await?;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    counted(&rig, "not_http", 3).await?;
    assert_eq!(rig.send(&room_started("others")).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn when_all_connections_are_taken_the_one_that_waits_longest_makes_room() -> Result<()> {
    let rig = Rig::start(|config| config.limits.connections = 2).await?;
    let mut silent = TcpStream::connect(&rig.address).await?;
    wait_until(SOON, "it is open", || async { rig.metric("roomwire_receiver_connections") == 1 }).await?;
    let mut half = TcpStream::connect(&rig.address).await?;
    half.write_all(b"POST /livekit HTTP/1.1\r\n").await?;
    wait_until(SOON, "both are open", || async { rig.metric("roomwire_receiver_connections") == 2 }).await?;
    let new = b"GET /livekit HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    assert!(raw(&rig.address, new).await?.starts_with("HTTP/1.1 405 "));
    counted(&rig, "made_room", 1).await?;
    let _either_closed_or_reset = silent.read_to_end(&mut Vec::new()).await;
    wait_until(SOON, "one is left", || async { rig.metric("roomwire_receiver_connections") == 1 }).await?;

    let _silent_too = TcpStream::connect(&rig.address).await?;
    wait_until(SOON, "both are open", || async { rig.metric("roomwire_receiver_connections") == 2 }).await?;
    assert_eq!(rig.send(&room_started("others")).await?.status, 200);
    counted(&rig, "made_room", 2).await?;
    let _either_closed_or_reset = half.read_to_end(&mut Vec::new()).await;
    Ok(())
}

#[tokio::test]
async fn a_connection_for_which_nobody_can_make_room_is_told_503() -> Result<()> {
    let rig = Rig::start(|config| config.limits.connections = 1).await?;
    rig.stall();
    let body = room_started("served");
    let waiting = rig.send(&body);
    tokio::pin!(waiting);
    let over = async {
        wait_until(SOON, "one is in flight", || async { rig.metric("roomwire_receiver_in_flight") == 1 }).await?;
        raw(&rig.address, b"POST /livekit HTTP/1.1\r\nhost: x\r\n\r\n").await
    };
    let answer = tokio::select! {
        answer = over => answer?,
        _ = &mut waiting => unreachable!("nothing reaches the server"),
    };
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("Content-Length: 0"), "{answer}");
    counted(&rig, "connections", 1).await?;
    rig.go_on();
    assert_eq!(waiting.await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn bodies_that_do_not_end_make_room_in_memory_for_others() -> Result<()> {
    let rig = Rig::start(|config| config.limits.memory = 1 << 20).await?;
    let mut slow = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(&rig.address).await?;
        stream.write_all(b"POST /livekit HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n").await?;
        stream.write_all(&vec![b'x'; 500_000]).await?;
        slow.push(stream);
    }
    let large = format!(r#"{{"event":"x","id":"EV_1","pad":"{}"}}"#, "x".repeat(700_000));
    assert_eq!(rig.send(&large).await?.status, 200);
    wait_until(SOON, "one made room", || async { closed(&rig, "made_room") >= 1 }).await?;
    assert_eq!(rig.answered(503, "memory"), 0);
    Ok(())
}

#[tokio::test]
async fn a_sender_that_does_not_read_its_answers_is_closed() -> Result<()> {
    let rig = Rig::start(|config| config.limits.answer_timeout = Duration::from_millis(200)).await?;
    let mut stream = TcpStream::connect(&rig.address).await?;
    let requests = b"GET /livekit HTTP/1.1\r\nhost: x\r\n\r\n".repeat(1000);
    // Until neither side's buffers take more.
    while stream.write_all(&requests).await.is_ok() {}
    counted(&rig, "slow_reader", 1).await
}

#[tokio::test]
async fn http2_requests_with_too_many_header_fields_are_refused() -> Result<()> {
    let rig = Rig::start(|config| config.limits.headers = 8).await?;
    let io = TokioIo::new(TcpStream::connect(&rig.address).await?);
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
    tokio::spawn(connection);
    for (fields, status) in [(7, 401), (9, 431)] {
        let mut request = Request::post(&rig.url);
        for n in 0..fields {
            request = request.header(format!("x-{n}"), "1");
        }
        let answer = sender.send_request(request.body(Empty::<Bytes>::new())?).await?;
        assert_eq!(answer.status().as_u16(), status);
    }
    assert_eq!(rig.answered(431, "header_too_large"), 1);
    Ok(())
}

#[tokio::test]
async fn an_http2_connection_that_only_pings_is_idle() -> Result<()> {
    let rig = Rig::start(|config| config.limits.idle_timeout = Duration::from_millis(500)).await?;
    let io = TokioIo::new(TcpStream::connect(&rig.address).await?);
    let (mut sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(hyper_util::rt::TokioTimer::new())
        .keep_alive_interval(Duration::from_millis(50))
        .keep_alive_while_idle(true)
        .handshake(io)
        .await?;
    let ended = tokio::spawn(connection);
    let answer = sender.send_request(Request::get(&rig.url).body(Empty::<Bytes>::new())?).await?;
    assert_eq!(answer.status().as_u16(), 405);
    // It is told so (GOAWAY), and not cut off.
    tokio::time::timeout(SOON, ended).await???;
    Ok(())
}

#[tokio::test]
async fn an_event_over_the_limit_in_flight_is_answered_503_at_once() -> Result<()> {
    let rig = Rig::start(|config| config.limits.in_flight = 1).await?;
    rig.stall();
    let (first, second) = (room_started("first"), room_started("second"));
    let waiting = rig.send(&first);
    tokio::pin!(waiting);
    let over = async {
        wait_until(SOON, "one is in flight", || async { rig.metric("roomwire_receiver_in_flight") == 1 }).await?;
        rig.send(&second).await
    };
    let over = tokio::select! {
        over = over => over?,
        _ = &mut waiting => unreachable!("nothing reaches the server"),
    };
    assert_eq!((over.status, rig.answered(503, "in_flight")), (503, 1));
    rig.go_on();
    assert_eq!(waiting.await?.status, 200);
    assert_eq!(rig.send(&second).await?.status, 200);
    Ok(())
}
