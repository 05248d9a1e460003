//! Somebody else's server: answers by the path of a request, well or badly, and keeps what it was sent.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Between two bytes of an answer that drips.
const DRIP: Duration = Duration::from_millis(20);

/// Requests that are kept.
const KEPT: usize = 1_000;

type Answer = Arc<dyn Fn(&str) -> String + Send + Sync>;

#[derive(Clone, Default)]
struct Seen {
    connections: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
    answer: Option<Answer>,
}

impl Seen {
    fn keep(&self, request: &str) {
        let mut requests = self.requests.lock().unwrap();
        if requests.len() < KEPT {
            requests.push(request.to_owned());
        }
    }
}

/// The server. It stops when this is dropped.
pub(super) struct Upstream {
    pub(super) port: u16,
    seen: Seen,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Upstream {
    pub(super) async fn start() -> Self {
        Self::listen(None, None).await
    }

    /// Answers each request, head and body, with what the function says.
    pub(super) async fn answering(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self::listen(None, Some(Arc::new(answer))).await
    }

    pub(super) async fn with_tls(tls: TlsAcceptor) -> Self {
        Self::listen(Some(tls), None).await
    }

    async fn listen(tls: Option<TlsAcceptor>, answer: Option<Answer>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Seen { answer, ..Seen::default() };
        let task = tokio::spawn(accept(listener, tls, seen.clone()));
        Self { port, seen, task }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Connections so far.
    pub(super) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// Connections that are open now.
    pub(super) fn open(&self) -> usize {
        self.seen.open.load(Ordering::SeqCst)
    }

    /// Heads and bodies of the first requests.
    pub(super) fn requests(&self) -> Vec<String> {
        self.seen.requests.lock().unwrap().clone()
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, seen: Seen) {
    let mut serving = tokio::task::JoinSet::new();
    loop {
        let stream = tokio::select! {
            // What was served must not stay: thousands of connections would look like a leak of the client.
            Some(_) = serving.join_next() => continue,
            Ok((stream, _)) = listener.accept() => stream,
            else => return,
        };
        let (tls, seen) = (tls.clone(), seen.clone());
        seen.connections.fetch_add(1, Ordering::SeqCst);
        seen.open.fetch_add(1, Ordering::SeqCst);
        serving.spawn(async move {
            match tls {
                None => serve(stream, &seen).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, &seen).await;
                    }
                }
            }
            seen.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, seen: &Seen) {
    while let Some(request) = read(&mut stream).await {
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        seen.keep(&request);
        let answered = match &seen.answer {
            Some(answer) => stream.write_all(answer(&request).as_bytes()).await,
            None => answer(&mut stream, &path, &request).await,
        };
        if answered.is_err() || path == "/reset" {
            return;
        }
    }
}

async fn answer(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), path: &str, request: &str) -> std::io::Result<()> {
    let (name, argument) = path.split_once('?').unwrap_or((path, ""));
    match name {
        "/reset" => Ok(()),
        "/silent" => until_closed(stream).await,
        "/drip" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n").await?;
            drip(stream).await
        }
        "/slow-head" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nx-slow: ").await?;
            drip(stream).await
        }
        "/large" => {
            let size: usize = argument.parse().unwrap();
            stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n").as_bytes()).await?;
            stream.write_all(&vec![b'x'; size]).await
        }
        "/headers" => {
            let value = "x".repeat(200 << 10);
            stream.write_all(text("200 OK", &format!("x-large: {value}\r\n"), "").as_bytes()).await
        }
        "/redirect" => stream.write_all(text("302 Found", "location: /ok\r\n", "").as_bytes()).await,
        "/status" => stream.write_all(text(&format!("{argument} Words"), "", "").as_bytes()).await,
        "/echo" => stream.write_all(text("200 OK", "x-of: upstream\r\n", request).as_bytes()).await,
        _ => stream.write_all(text("200 OK", "", "hello").as_bytes()).await,
    }
}

/// A whole answer.
pub(super) fn text(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

async fn drip(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> std::io::Result<()> {
    let mut clock = tokio::time::interval(DRIP);
    loop {
        clock.tick().await;
        stream.write_all(b"x").await?;
        stream.flush().await?;
    }
}

async fn until_closed(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<()> {
    let mut byte = [0];
    while stream.read(&mut byte).await? > 0 {}
    Ok(())
}

/// Head and body of one request; none when the other side has closed.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        let mut chunk = [0; 4096];
        let read = stream.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&chunk[..read]);
    };
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let length =
        text.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |it| it.parse().unwrap());
    while bytes.len() < head + length {
        let mut chunk = vec![0; 64 << 10];
        let read = stream.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&chunk[..read]);
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
