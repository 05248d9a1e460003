//! Looking events up in the ledger, for all who ask at the time.
//!
//! Each call crosses to the driver's thread and back, which costs more than to find an event; and of many handlers many
//! ask at once, as each of them is delivered the same event.

use std::sync::Arc;

use lanes::{Identity, Known, Seq};
use sqlx::{Row as _, SqlitePool};
use tokio::{
    sync::{Mutex, mpsc, oneshot},
    task::yield_now,
};

use super::sheet::JsonSheet;
use crate::{
    Error,
    ledger::Standing,
    sheet::{Line as _, Sheet as _},
};

const OPERATION: &str = "look events up";

/// Calls that are under way at a time. While all are, those who ask are gathered for the next one.
const CALLS: usize = 2;

/// The most who are gathered, and the bytes of their events at which nobody is added any more: a chunk of the stream has
/// half of that, and one more would hold up the answers to small ones.
const ASKERS: usize = 64;
const BYTES: usize = 64 * 1024;

/// Those who may wait to be gathered.
const QUEUE: usize = 256;

/// Of each who asks handler, run, and events under numbers of the asker's.
pub(crate) const FIND: &str = "
    with asks (n, handler_id, run, v) as materialized (
        select jsonb_each.key, h.id, jsonb_each.value ->> 1, jsonb_each.value
        from jsonb_each(?1) cross join handlers as h
        where h.name = jsonb_each.value ->> 0
    ),
    rows (n, handler_id, run, v) as materialized (
        select asks.n, asks.handler_id, asks.run, entry.value
        from asks cross join jsonb_each(asks.v, '$[2]') as entry
    )
    select n, v ->> 0 as asked, l.seq as seq, l.state as state
    from rows cross join ledger as l
    where l.handler_id = rows.handler_id and l.run = rows.run and l.project = v ->> 1 and l.created = v ->> 2
        and l.event_id = v ->> 3";

/// The asking side.
#[derive(Debug)]
pub(crate) struct LookUps {
    sender: mpsc::Sender<Asked>,
}

#[derive(Debug)]
struct Asked {
    handler: String,
    run: String,
    /// Its events as JSON.
    events: String,
    reply: oneshot::Sender<Result<Vec<Known>, Error>>,
}

impl LookUps {
    /// Starts those who carry them out, each with a connection of the pool while it does. They end with this, or when the
    /// pool is closed.
    pub(crate) fn start(readers: &SqlitePool) -> Self {
        let (sender, queue) = mpsc::channel(QUEUE);
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..CALLS {
            tokio::spawn(answer_all(readers.clone(), Arc::clone(&queue)));
        }
        Self { sender }
    }

    pub(crate) async fn ask(&self, handler: &str, run: &str, events: &[(Seq, Identity)]) -> Result<Vec<Known>, Error> {
        let mut sheet = JsonSheet::default();
        for (seq, identity) in events {
            sheet.row().nat(*seq).text(&identity.project).int(identity.created).text(&identity.id);
        }
        let mut known = Vec::new();
        for json in sheet.into_json() {
            let (reply, answer) = oneshot::channel();
            let (handler, run) = (handler.to_owned(), run.to_owned());
            self.sender.send(Asked { handler, run, events: json, reply }).await.map_err(|_| Error::Closed)?;
            known.extend(answer.await.map_err(|_| Error::Closed)??);
        }
        Ok(known)
    }
}

async fn answer_all(readers: SqlitePool, queue: Arc<Mutex<mpsc::Receiver<Asked>>>) {
    loop {
        let asked = gather(&mut *queue.lock().await).await;
        if asked.is_empty() {
            return;
        }
        match find(&readers, &asked).await {
            Ok(known) => {
                for (asked, known) in asked.into_iter().zip(known) {
                    // Who asked may have gone.
                    drop(asked.reply.send(Ok(known)));
                }
            }
            Err(error) => {
                let error = failed(error);
                for asked in asked {
                    drop(asked.reply.send(Err(error.clone())));
                }
            }
        }
    }
}

/// Those who ask now, or the next one who does; none when nobody can ask any more.
async fn gather(queue: &mut mpsc::Receiver<Asked>) -> Vec<Asked> {
    let mut asked: Vec<Asked> = queue.recv().await.into_iter().collect();
    // Of many handlers that are delivered an event the others are about to ask.
    yield_now().await;
    let mut bytes: usize = asked.iter().map(|asked| asked.events.len()).sum();
    while bytes < BYTES
        && asked.len() < ASKERS
        && let Ok(next) = queue.try_recv()
    {
        bytes = bytes.saturating_add(next.events.len());
        asked.push(next);
    }
    asked
}

/// What the ledger knows, in the order of those who ask.
async fn find(readers: &SqlitePool, asked: &[Asked]) -> Result<Vec<Vec<Known>>, sqlx::Error> {
    let mut sheet = JsonSheet::default();
    for Asked { handler, run, events, .. } in asked {
        drop(sheet.row().text(handler).text(run).json(events));
    }
    // It is one text: nobody is added to what is large.
    let json = sheet.into_json().next();
    let mut known = vec![Vec::new(); asked.len()];
    for row in sqlx::query(FIND).bind(json).fetch_all(&mut *readers.acquire().await?).await? {
        let asker = usize::try_from(row.try_get::<i64, _>("n")?).ok();
        if let Some(known) = asker.and_then(|n| known.get_mut(n)) {
            known.push(Standing::of(&row)?.known());
        }
    }
    Ok(known)
}

fn failed(error: sqlx::Error) -> Error {
    match error {
        sqlx::Error::PoolClosed => Error::Closed,
        source => Error::Database { operation: OPERATION, source: Arc::new(source) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(number: usize, bytes: usize) -> Asked {
        let (reply, _) = oneshot::channel();
        Asked { handler: number.to_string(), run: String::new(), events: " ".repeat(bytes), reply }
    }

    #[tokio::test]
    async fn who_asks_is_gathered_until_the_questions_are_large_or_many() {
        let (sender, mut queue) = mpsc::channel(QUEUE);
        let sizes = [10, BYTES, 10, BYTES - 1].into_iter().chain([10; ASKERS + 2]);
        for (number, bytes) in sizes.enumerate() {
            sender.try_send(asked(number, bytes)).unwrap();
        }
        drop(sender);
        let mut gathered = Vec::new();
        loop {
            let asked = gather(&mut queue).await;
            if asked.is_empty() {
                break;
            }
            gathered.push(asked.iter().map(|asked| asked.handler.parse().unwrap()).collect::<Vec<usize>>());
        }
        let many = 4 + ASKERS;
        assert_eq!(gathered, [vec![0, 1], vec![2, 3], (4..many).collect(), vec![many, many + 1]]);
    }
}
