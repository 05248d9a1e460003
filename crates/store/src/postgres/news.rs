//! News of other runners, as they come: so that what one releases is claimed at once, and not at the next beat.

use std::{sync::Arc, time::Duration};

use sqlx::postgres::PgListener;
use tokio::{sync::Notify, task::AbortHandle};
use tracing::debug;

use super::{connect::Place, fleet::NEWS};
use crate::error::Chain;

/// The wait before the server is listened to again. Beats bring the news meanwhile, only later.
const RETRY: Duration = Duration::from_secs(1);

/// The task that listens.
#[derive(Debug)]
pub(crate) struct News {
    task: AbortHandle,
}

impl News {
    pub(crate) fn start(place: &Place, changed: Arc<Notify>) -> Self {
        let pool = place.single();
        let task = tokio::spawn(async move {
            loop {
                let error = match PgListener::connect_with(&pool).await {
                    Ok(listener) => listen(listener, &changed).await,
                    Err(error) => error,
                };
                debug!(error = %Chain(&error), "not listening for news of other runners; trying again");
                tokio::time::sleep(RETRY).await;
            }
        });
        Self { task: task.abort_handle() }
    }

    pub(crate) fn stop(&self) {
        self.task.abort();
    }
}

impl Drop for News {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn listen(mut listener: PgListener, changed: &Notify) -> sqlx::Error {
    if let Err(error) = listener.listen(NEWS).await {
        return error;
    }
    loop {
        // News that were missed while the connection was gone are as good as news.
        match listener.try_recv().await {
            Ok(_) => changed.notify_one(),
            Err(error) => return error,
        }
    }
}
