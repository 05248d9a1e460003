//! Accepts connections, as many as the limit allows, and stops gracefully.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use service::open_files;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::activity::Activity;
use crate::connection::Connections;
use crate::places::{Places, Seat};
use crate::webhook::Webhooks;

/// After an error of accepting (no file descriptors left) there is nothing to do but wait.
const AFTER_ACCEPT_ERROR: Duration = Duration::from_millis(50);
/// How many refused connections are told so at a time; further ones are just closed.
const REFUSING: usize = 64;
const REFUSE_WITHIN: Duration = Duration::from_millis(250);
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
/// How often it is told that all places are taken: a flood must not flood the log.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// Files beside the connections of senders: those of NATS, the spool, the admin endpoint, a runner in the same process.
const OTHER_FILES: usize = 256;

/// Serves until `stop`; then accepts nothing more, lets requests in flight finish, and returns, at the latest after
/// `drain`.
pub(crate) async fn serve(listener: TcpListener, webhooks: Arc<Webhooks>, stop: CancellationToken) {
    let limit = places(webhooks.config.limits.connections);
    let (places, refusing) = (Places::new(limit), Arc::new(Semaphore::new(REFUSING)));
    let (connections, tasks) = (Arc::new(Connections::new(webhooks.clone(), places.clone())), TaskTracker::new());
    let mut told: Option<Instant> = None;
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
        let activity = Activity::new();
        let seat = places.take(&activity);
        if !matches!(seat, Seat::Free(_)) && told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            told = Some(Instant::now());
            tracing::warn!(%peer, "{limit} connections are open (receiver.limits.connections): those that have waited longest \
                for their sender make room");
        }
        match seat {
            Seat::Free(place) | Seat::MadeFree(place) => {
                let connections = connections.clone();
                tasks.spawn(async move {
                    connections.serve(stream, peer, &activity).await;
                    drop(place);
                });
            }
            Seat::None => {
                webhooks.metrics.closed("connections");
                // Without TLS at least; a handshake for this is not worth it.
                if let Ok(place) = refusing.clone().try_acquire_owned()
                    && webhooks.config.certificate.is_none()
                {
                    tokio::spawn(async move {
                        let _either = tokio::time::timeout(REFUSE_WITHIN, refuse(stream)).await;
                        drop(place);
                    });
                }
            }
        }
    }
    drop(listener);
    tasks.close();
    webhooks.storing.close();
    let drain = webhooks.config.drain;
    let drained = async {
        connections.draining.cancel();
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
    connections.end_now.cancel();
}

/// How many connections there may be: as many as are wanted, and as this process may open files for.
fn places(wanted: usize) -> usize {
    let Some(files) = open_files::raise() else { return wanted };
    let possible = usize::try_from(files).unwrap_or(usize::MAX).saturating_sub(OTHER_FILES).max(1);
    if possible < wanted {
        tracing::warn!(
            "this process may open {files} files, so only {possible} connections and not {wanted} \
             (receiver.limits.connections): raise the hard limit of open files (LimitNOFILE, ulimit -Hn)"
        );
    }
    wanted.min(possible)
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
