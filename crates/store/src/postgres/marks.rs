//! Marks of what is in flight: an unlogged table, so that they cost no fsync.
//!
//! They are written by a task of their own. While it writes, later marks of a shard replace earlier ones, since each
//! names all that runs: so their number does not matter, only that each is followed by one that is written.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use lanes::{Seq, Shard};
use sqlx::PgConnection;
use tokio::{
    sync::{Notify, watch},
    task::AbortHandle,
    time::timeout,
};
use tracing::warn;

use super::{connect::Place, text::stored};
use crate::{
    Marked,
    error::Chain,
    progress::seqs,
    scope::{Owner, now},
};

/// A mark that takes longer is given up: what it is for begins all the same.
const PATIENCE: Duration = Duration::from_secs(2);

/// The marks of all shards of this process.
#[derive(Debug)]
pub(crate) struct Marks {
    waiting: Arc<Waiting>,
    written: watch::Receiver<u64>,
    next: AtomicU64,
    task: AbortHandle,
}

#[derive(Debug, Default)]
struct Waiting {
    marks: Mutex<(u64, HashMap<Of, Mark>)>,
    wake: Notify,
}

/// Handler, run and shard.
type Of = (Arc<str>, Arc<str>, Shard);

#[derive(Debug)]
struct Mark {
    epoch: u64,
    number: u64,
    running: String,
}

impl Marks {
    pub(crate) fn start(place: Place) -> Self {
        let waiting = Arc::new(Waiting::default());
        let (told, written) = watch::channel(0);
        let task = tokio::spawn(write_all(place, Arc::clone(&waiting), told)).abort_handle();
        // Numbers only order the marks of one epoch, so beginning at the time is more than enough.
        Self { waiting, written, next: AtomicU64::new(now()), task }
    }

    /// The next number: a mark with a higher one was made later.
    pub(crate) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn put(&self, owner: &Owner, running: &[Seq]) -> Marked {
        let of = (Arc::clone(&owner.handler), Arc::clone(&owner.run), owner.shard);
        let mark = Mark { epoch: owner.epoch, number: self.number(), running: seqs(running.iter().copied()) };
        let mut waiting = self.waiting.marks.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.0 += 1;
        if waiting.1.get(&of).is_none_or(|before| before.epoch <= mark.epoch) {
            waiting.1.insert(of, mark);
        }
        let version = waiting.0;
        drop(waiting);
        self.waiting.wake.notify_one();
        Marked::in_table(version, self.written.clone())
    }

    pub(crate) fn stop(&self) {
        self.task.abort();
    }
}

impl Drop for Marks {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn write_all(place: Place, waiting: Arc<Waiting>, written: watch::Sender<u64>) {
    let mut conn = None;
    let mut troubled = false;
    loop {
        let (version, marks) = {
            let mut waiting = waiting.marks.lock().unwrap_or_else(PoisonError::into_inner);
            (waiting.0, std::mem::take(&mut waiting.1))
        };
        if marks.is_empty() {
            // A mark of an epoch that is over is not written at all.
            written.send_replace(version);
            waiting.wake.notified().await;
            continue;
        }
        let done = match timeout(PATIENCE, write(&place, &mut conn, marks)).await {
            Ok(done) => done,
            Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
        };
        if let Err(error) = &done {
            conn = None;
            if !troubled {
                warn!(
                    error = %Chain(error),
                    "the marks of what is in flight cannot be written; should the process die now, the event that \
                     killed it is found later"
                );
            }
        }
        troubled = done.is_err();
        written.send_replace(version);
    }
}

async fn write(place: &Place, conn: &mut Option<PgConnection>, marks: HashMap<Of, Mark>) -> Result<(), sqlx::Error> {
    const PUT: &str = "
        insert into marks (handler, run, shard, epoch, number, running)
        select * from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[])
        on conflict (handler, run, shard)
        do update set epoch = excluded.epoch, number = excluded.number, running = excluded.running
        where excluded.epoch > marks.epoch or (excluded.epoch = marks.epoch and excluded.number > marks.number)";
    let conn = match conn {
        Some(conn) => conn,
        none => {
            let mut new = place.connect().await?;
            sqlx::query("select set_config('synchronous_commit', 'off', false)").execute(&mut new).await?;
            none.insert(new)
        }
    };
    let mut marks: Vec<(Of, Mark)> = marks.into_iter().collect();
    // Locked in a fixed order, like all rows.
    marks.sort_by(|(a, _), (b, _)| a.cmp(b));
    let column = |of: fn(&(Of, Mark)) -> i64| -> Vec<i64> { marks.iter().map(of).collect() };
    let texts = |of: fn(&(Of, Mark)) -> &str| -> Vec<String> {
        marks.iter().map(|mark| stored(of(mark)).into_owned()).collect()
    };
    sqlx::query(PUT)
        .bind(texts(|((handler, ..), _)| handler))
        .bind(texts(|((_, run, _), _)| run))
        .bind(column(|((.., shard), _)| i64::from(*shard)))
        .bind(column(|(_, mark)| mark.epoch.cast_signed()))
        .bind(column(|(_, mark)| mark.number.cast_signed()))
        .bind(texts(|(_, mark)| &mark.running))
        .execute(conn)
        .await
        .map(drop)
}
