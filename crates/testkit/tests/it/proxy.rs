//! Each fault does to a connection what its name says.

use std::time::Duration;

use testkit::{Fault, FaultProxy, wait_until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const LONG: Duration = Duration::from_secs(30);

/// A server that sends back what it gets.
async fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    port
}

async fn ask(stream: &mut TcpStream, text: &[u8]) -> Vec<u8> {
    stream.write_all(text).await.unwrap();
    let mut answer = vec![0; text.len()];
    stream.read_exact(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn without_a_fault_everything_passes() {
    let proxy = FaultProxy::start(echo().await).await.unwrap();
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(ask(&mut stream, b"hello").await, b"hello");
    assert_eq!(proxy.accepted(), 1);
}

#[tokio::test]
async fn what_stalls_arrives_when_the_fault_ends() {
    let proxy = FaultProxy::start(echo().await).await.unwrap();
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(ask(&mut stream, b"a").await, b"a");
    proxy.set(Fault::Stall);
    stream.write_all(b"b").await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(50), stream.read_u8()).await;
    assert!(early.is_err(), "a stalled proxy passed something on");
    proxy.set(Fault::None);
    assert_eq!(stream.read_u8().await.unwrap(), b'b');
}

#[tokio::test]
async fn swallowed_answers_are_lost_and_the_connection_stays() {
    let proxy = FaultProxy::start(echo().await).await.unwrap();
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(ask(&mut stream, b"a").await, b"a");
    proxy.set(Fault::SwallowAnswers);
    stream.write_all(b"lost").await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(50), stream.read_u8()).await;
    assert!(early.is_err(), "a swallowed answer arrived");
    proxy.set(Fault::None);
    assert_eq!(ask(&mut stream, b"b").await, b"b");
}

#[tokio::test]
async fn cut_closes_what_is_open_and_refuse_what_comes() {
    let proxy = FaultProxy::start(echo().await).await.unwrap();
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(ask(&mut stream, b"a").await, b"a");
    proxy.cut();
    assert!(matches!(stream.read(&mut [0]).await, Ok(0) | Err(_)));

    proxy.set(Fault::Refuse);
    wait_until(LONG, "a refused connection", || async {
        let Ok(mut stream) = TcpStream::connect(proxy.address()).await else { return true };
        matches!(stream.read(&mut [0]).await, Ok(0) | Err(_))
    })
    .await
    .unwrap();
}
