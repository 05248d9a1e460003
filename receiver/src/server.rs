//! Accepts connections, as many as the limit allows, and stops gracefully.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connection;
use crate::webhook::Webhooks;

/// After an error of accepting (no file descriptors left) there is nothing to do but wait.
const AFTER_ACCEPT_ERROR: Duration = Duration::from_millis(50);
/// How many refused connections are told so at a time; further ones are just closed.
const REFUSING: usize = 64;
const REFUSE_WITHIN: Duration = Duration::from_millis(250);
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Serves until `stop`; then accepts nothing more, lets requests in flight finish, and returns, at the latest after
/// `drain`.
pub(crate) async fn serve(listener: TcpListener, webhooks: Arc<Webhooks>, stop: CancellationToken) {
    let limit = webhooks.config.limits.connections;
    let (places, refusing) = (Arc::new(Semaphore::new(limit)), Arc::new(Semaphore::new(REFUSING)));
    let builder = Arc::new(connection::builder(&webhooks.config));
    let (graceful, end_now, tasks) = (GracefulShutdown::new(), CancellationToken::new(), TaskTracker::new());
    let mut full = false;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                not_accepted(&webhooks, &error).await;
                continue;
            }
        };
        if let Ok(place) = places.clone().try_acquire_owned() {
            full = false;
            let (webhooks, builder) = (webhooks.clone(), builder.clone());
            let serving = connection::serve(stream, peer, webhooks, builder, graceful.watcher(), end_now.clone());
            tasks.spawn(async move {
                serving.await;
                drop(place);
            });
        } else {
            webhooks.metrics.closed("connections");
            // Once for each time that the limit is reached: a flood must not flood the log.
            if !std::mem::replace(&mut full, true) {
                tracing::warn!(%peer, "refused: {limit} connections are open (receiver.limits.connections)");
            }
            if let Ok(place) = refusing.clone().try_acquire_owned() {
                tokio::spawn(async move {
                    let _either = tokio::time::timeout(REFUSE_WITHIN, refuse(stream)).await;
                    drop(place);
                });
            }
        }
    }
    drop(listener);
    tasks.close();
    webhooks.storing.close();
    let drain = webhooks.config.drain;
    let drained = async {
        graceful.shutdown().await;
        tasks.wait().await;
        webhooks.storing.wait().await;
    };
    if tokio::time::timeout(drain, drained).await.is_err() {
        tracing::warn!(
            connections = tasks.len(),
            storing = webhooks.storing.len(),
            "not drained within {drain:?}, ending"
        );
    }
    end_now.cancel();
}

async fn not_accepted(webhooks: &Webhooks, error: &io::Error) {
    webhooks.metrics.closed("accept");
    // The sender gave up between connecting and being accepted.
    if error.kind() != io::ErrorKind::ConnectionAborted {
        tracing::error!(%error, "cannot accept a connection: raise the limit of open files");
        tokio::time::sleep(AFTER_ACCEPT_ERROR).await;
    }
}

/// Says 503 at once. What the sender writes is read for a moment: closing on unread bytes would reset the connection, and
/// the answer could be lost.
async fn refuse(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(REFUSAL).await?;
    stream.shutdown().await?;
    let mut unread = [0; 4096];
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}
