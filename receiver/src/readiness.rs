//! Finds out whether events can be stored: is there a connection, is the server one to work with, are the streams there.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream;
use event::topology;
use service::admin::Component;
use service::error::Chain;
use service::nats::{Connection, ServerError, State, StreamError, check_server, ensure_streams};
use tokio::sync::{Notify, watch};

use crate::config::Config;
use crate::spool::OpenError;

/// How long it waits before it looks again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Why a receiver must not store events. Waiting does not help.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Not a server to work with.
    #[error("the NATS server cannot be used")]
    Server(#[source] ServerError),
    /// Not the streams that the configuration describes.
    #[error("the event streams cannot be used")]
    Streams(#[source] StreamError),
    /// The connection was closed before anything began.
    #[error("the connection to NATS was closed")]
    Client(#[from] async_nats::SubscribeError),
    /// No spool, though the configuration has one.
    #[error("the spool cannot be used; correct `receiver.spool`")]
    Spool(#[source] OpenError),
}

/// Keeps track of it.
pub(crate) struct Readiness {
    connection: Connection,
    config: Arc<Config>,
    component: Component,
    ready: watch::Sender<bool>,
    missing: Arc<Notify>,
}

impl Readiness {
    /// The receiver shows true from the moment when events may be stored; the notice is for whoever finds that a stream
    /// does not answer.
    pub(crate) fn new(
        connection: Connection,
        config: Arc<Config>,
        component: Component,
    ) -> (Readiness, (watch::Receiver<bool>, Arc<Notify>)) {
        let (ready, receiver) = watch::channel(false);
        let missing = Arc::new(Notify::new());
        let readiness = Readiness { connection, config, component, ready, missing: missing.clone() };
        (readiness, (receiver, missing))
    }

    /// Looks again after each reconnect, because it may be another server, and when a stream does not answer, because it
    /// may be gone; a connection that is lost and made anew at once is seen by that alone. Ends only when an operator
    /// has to act.
    pub(crate) async fn keep(self) -> RunError {
        let mut state = self.connection.state.clone();
        loop {
            if *state.borrow() != State::Connected {
                self.component.unready("not connected to NATS");
            }
            if tokio::time::timeout(AGAIN_AFTER, self.connection.connected()).await.is_err() {
                tracing::warn!(
                    "not connected to NATS: events go into the spool, or are answered 503 where there is none"
                );
            }
            if !self.connection.connected().await {
                // Closed for good by whoever owns it; that one also ends this process.
                std::future::pending::<()>().await;
            }
            match self.check().await {
                Ok(()) => {
                    self.ready.send_replace(true);
                    self.component.ready();
                    // An error means that the connection is gone for good, which the next round sees.
                    let lost = async { drop(state.wait_for(|state| *state != State::Connected).await) };
                    let missing = tokio::select! {
                        () = lost => false,
                        () = self.missing.notified() => true,
                    };
                    if missing {
                        tracing::warn!("a stream does not answer: looking whether it is there");
                        tokio::time::sleep(AGAIN_AFTER).await;
                    }
                }
                Err(Obstacle::Passing(words)) => {
                    tracing::warn!(error = words, "events cannot be stored yet");
                    self.component.unready(&words);
                    tokio::time::sleep(AGAIN_AFTER).await;
                }
                Err(Obstacle::Lasting(error)) => return error,
            }
        }
    }

    async fn check(&self) -> Result<(), Obstacle> {
        check_server(&self.connection.client, self.config.max_body).await.map_err(|error| match error {
            ServerError::NotConnected => Obstacle::Passing(error.to_string()),
            error => Obstacle::Lasting(RunError::Server(error)),
        })?;
        let context = jetstream::new(self.connection.client.clone());
        let mut streams = topology::events_streams(&self.config.streams);
        if let Some(quarantine) = &self.config.quarantine {
            streams.extend(topology::quarantine_streams(&self.config.streams, quarantine.max_bytes));
        }
        ensure_streams(&context, &streams).await.map_err(|error| match error {
            StreamError::Shards { .. } | StreamError::Hash { .. } | StreamError::Foreign { .. } => {
                Obstacle::Lasting(RunError::Streams(error))
            }
            error => Obstacle::Passing(Chain(&error).to_string()),
        })
    }
}

enum Obstacle {
    /// It may be gone in a second.
    Passing(String),
    /// It stays until somebody acts.
    Lasting(RunError),
}
