//! The one writer of commits: what came while a statement was under way goes together into the next one.
//!
//! One statement is one round trip and one transaction, so that no lock is held while anybody waits for this process.
//! Each commit in it is fenced by its own epoch. A statement that a row of one commit makes fail is taken apart: each
//! commit is written alone, and of the one that fails the rows that do not fit are found.

use std::{collections::HashSet, sync::Arc, time::Duration};

use event::Prefix;
use lanes::{Change, CommitReply, Conflict, ConflictKind};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _, postgres::PgRow};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tracing::{debug, error, warn};

use super::{
    connect::Place,
    keyvalue, ledger,
    names::Plugins,
    sheet::ColumnSheet,
    statement::{NOT_THERE, ONLY_TRIED, Purpose, Rows, STALE, Statements},
};
use crate::{
    Commit, Error, Row,
    conflicts::{against_ledger, numbered},
    error::{Chain, is_of_database},
    gather::gather,
    keyvalue::{Net, contended},
    lane,
    outbox::Posted,
    progress::moved,
    scope::{Scope, now},
    sheet::{Line as _, Sheet as _},
    sorting::{Sorting, ended, report_of},
};

/// The most commits in one statement.
const TOGETHER: usize = 64;

/// What may wait for the writer; who asks for more waits.
const QUEUE: usize = 4 * TOGETHER;

/// A statement that takes longer is given up, as the server does before.
const PATIENCE: Duration = Duration::from_secs(35);

/// How often a statement that was the victim of a deadlock is sent again.
const DEADLOCKS: usize = 3;

/// How often a statement is sent again that has not seen what others wrote just now.
const STALE_TRIES: usize = 20;

/// A commit with what its rows need that no commit changes.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) scope: Scope,
    pub(crate) epoch: u64,
    pub(crate) commit: Commit,
    pub(crate) prefix: Prefix,
    pub(crate) plugins: Plugins,
    /// How often rows died before, by their place.
    pub(crate) deaths: std::collections::HashMap<u64, u32>,
    /// The shard may have suspects: those whose runs ended are cleared.
    pub(crate) suspected: bool,
    pub(crate) reply: oneshot::Sender<Result<CommitReply, Error>>,
}

enum Request {
    Write(Box<Asked>),
    Stop(oneshot::Sender<()>),
}

/// The asking side.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    sender: mpsc::Sender<Request>,
}

impl Queue {
    pub(crate) async fn write(&self, asked: Box<Asked>) -> Result<(), Error> {
        self.sender.send(Request::Write(asked)).await.map_err(|_| Error::Closed)
    }

    pub(crate) async fn stop(&self) {
        let (reply, stopped) = oneshot::channel();
        if self.sender.send(Request::Stop(reply)).await.is_ok() {
            // An error means that it stopped without saying so, which is as good.
            let _ = stopped.await;
        }
    }
}

/// The writer's side.
pub(crate) struct Writer {
    place: Place,
    /// None until the first commit, and after trouble.
    conn: Option<PgConnection>,
    statements: Statements,
    posted: Arc<Posted>,
}

impl Writer {
    /// Starts the writer. It ends with the last queue, or when it is stopped.
    pub(crate) fn start(place: Place, posted: Arc<Posted>) -> Queue {
        let (sender, queue) = mpsc::channel(QUEUE);
        tokio::spawn(Self { place, conn: None, statements: Statements::default(), posted }.run(queue));
        Queue { sender }
    }

    async fn run(mut self, mut queue: mpsc::Receiver<Request>) {
        let mut requests = Vec::with_capacity(TOGETHER);
        let mut stopped = None;
        while stopped.is_none() && gather(&mut queue, &mut requests, TOGETHER).await > 0 {
            let mut batch = Vec::with_capacity(requests.len());
            for request in requests.drain(..) {
                match request {
                    Request::Write(asked) if stopped.is_none() => batch.push(*asked),
                    // Asked after the stop: dropping it says that the store is closed.
                    Request::Write(_) => {}
                    Request::Stop(reply) => stopped = Some(reply),
                }
            }
            for batch in apart(batch) {
                self.together(batch).await;
            }
        }
        queue.close();
        if let Some(conn) = self.conn.take() {
            // Nothing of it is open.
            drop(conn.close().await);
        }
        if let Some(reply) = stopped {
            // Who asked may have gone; it is stopped all the same.
            let _ = reply.send(());
        }
    }

    async fn together(&mut self, batch: Vec<Asked>) {
        if !contradict_nothing(&batch) {
            // Not even tried: it is told which rows have read what others of them change.
            let error = sqlx::Error::Protocol("rows of a commit contradict each other".to_owned());
            for asked in batch {
                if contradict_nothing(std::slice::from_ref(&asked)) {
                    Box::pin(self.together(vec![asked])).await;
                } else {
                    self.refuse(asked, &error).await;
                }
            }
            return;
        }
        match self.write(&batch).await {
            Ok(written) => Self::answer(batch, &written),
            Err(error) if !is_of_database(&error) => {
                let alone = batch.len() == 1;
                for asked in batch {
                    if alone {
                        self.refuse(asked, &error).await;
                    } else {
                        Box::pin(self.together(vec![asked])).await;
                    }
                }
            }
            Err(error) => {
                error!(error = %Chain(&error), commits = batch.len(), "the state store cannot write; it is tried again");
                self.after_silence(batch, error).await;
            }
        }
    }

    fn answer(batch: Vec<Asked>, written: &[i64]) {
        for (n, asked) in (0_i64..).zip(batch) {
            let reply = if written.contains(&n) { CommitReply::Done } else { CommitReply::Lost };
            // Nobody waits any more: what was written stands.
            drop(asked.reply.send(Ok(reply)));
        }
    }

    /// Writes all of the batch whose epochs stand, and says which they are; or nothing.
    async fn write(&mut self, batch: &[Asked]) -> Result<Vec<i64>, sqlx::Error> {
        let (mut deadlocks, mut stale) = (0, 0);
        while deadlocks < DEADLOCKS && stale < STALE_TRIES {
            match self.send(rows_of(batch), Purpose::Write).await {
                Err(error) if is_stale(&error) => stale += 1,
                Err(sqlx::Error::Database(error)) if error.code().is_some_and(|code| code.starts_with("40")) => {
                    warn!(%error, "the state store's server chose a commit to end a deadlock; it is sent again");
                    deadlocks += 1;
                }
                Ok((written, posted)) => {
                    if posted && !written.is_empty() {
                        self.posted.notify();
                    }
                    return Ok(written);
                }
                Err(error) => return Err(error),
            }
        }
        self.send(rows_of(batch), Purpose::Write).await.map(|(written, _)| written)
    }

    /// Sends the statement; also says whether it had rows for the outbox.
    async fn send(&mut self, rows: Rows, purpose: Purpose) -> Result<(Vec<i64>, bool), sqlx::Error> {
        let posted = !rows.sheets.outbox.is_empty();
        let (sql, arrays) = self.statements.of(rows, purpose);
        let query = sqlx::query(AssertSqlSafe(sql)).bind(now().cast_signed());
        let query = arrays.into_iter().fold(query, |query, rows: ColumnSheet| rows.bind(query));
        let conn = match &mut self.conn {
            Some(conn) => conn,
            none => none.insert(self.place.connect().await?),
        };
        let rows = match timeout(PATIENCE, query.fetch_all(conn)).await {
            Ok(rows) => rows,
            Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
        };
        match rows {
            Ok(rows) => rows.iter().map(|row| row.try_get("n")).collect::<Result<_, _>>().map(|n| (n, posted)),
            Err(error) => {
                if !matches!(error, sqlx::Error::Database(_)) || is_end(&error) {
                    self.conn = None;
                }
                Err(error)
            }
        }
    }

    /// The answer may be lost while the statement was carried out: asks what stands, before anything is sent again.
    async fn after_silence(&mut self, batch: Vec<Asked>, error: sqlx::Error) {
        let error = Arc::new(error);
        let standing = self.standing(&batch).await;
        for (n, asked) in (0_i64..).zip(batch) {
            let found = standing.as_ref().ok().map(|rows| rows.iter().find(|(of, ..)| *of == n));
            let reply = match found {
                Some(Some((_, true, true))) => Ok(CommitReply::Done),
                Some(Some((_, true, false))) | None => {
                    Err(Error::Database { operation: "commit", source: Arc::clone(&error) })
                }
                Some(_) => Ok(CommitReply::Lost),
            };
            if matches!(reply, Ok(CommitReply::Done)) {
                self.posted.notify();
            }
            drop(asked.reply.send(reply));
        }
    }

    /// Of each commit, whether its epoch stands and whether it was the last one written. Waits for a statement that
    /// the server still carries out.
    async fn standing(&mut self, batch: &[Asked]) -> Result<Vec<(i64, bool, bool)>, sqlx::Error> {
        const STANDING: &str = "
            select c.n as n, p.epoch = c.epoch as ours, p.last_commit = c.number as written
            from unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[])
                as c(n, handler_id, run, shard, epoch, number)
            join progress as p on p.handler_id = c.handler_id and p.run = c.run and p.shard = c.shard
            order by p.handler_id, p.run, p.shard for update of p";
        let int = |of: fn(&Asked) -> i64| -> Vec<i64> { batch.iter().map(of).collect() };
        let numbers: Vec<i64> = (0_i64..).zip(batch).map(|(n, _)| n).collect();
        let conn = match &mut self.conn {
            Some(conn) => conn,
            none => none.insert(self.place.connect().await?),
        };
        let query = sqlx::query(STANDING)
            .bind(numbers)
            .bind(int(|asked| asked.scope.handler_id))
            .bind(batch.iter().map(|asked| asked.scope.run.to_string()).collect::<Vec<_>>())
            .bind(int(|asked| asked.scope.shard.into()))
            .bind(int(|asked| asked.epoch.cast_signed()))
            .bind(int(|asked| asked.commit.commit.cast_signed()))
            .fetch_all(conn);
        let rows: Vec<PgRow> = match timeout(PATIENCE, query).await {
            Ok(Ok(rows)) => rows,
            failed => {
                self.conn = None;
                return match failed {
                    Ok(Err(error)) => Err(error),
                    _ => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
                };
            }
        };
        rows.iter().map(|row| Ok((row.try_get("n")?, row.try_get("ours")?, row.try_get("written")?))).collect()
    }

    /// A commit that was written alone failed because of its rows: says which.
    async fn refuse(&mut self, asked: Asked, error: &sqlx::Error) {
        let reply = match self.conflicts(&asked, error).await {
            Ok(conflicts) if conflicts.is_empty() => {
                error!(
                    handler = %asked.scope.handler, shard = asked.scope.shard, rows = asked.commit.rows.len(),
                    error = %Chain(error), "a commit cannot be written, though each row of it alone could be"
                );
                Ok(CommitReply::Unavailable)
            }
            Ok(conflicts) => {
                debug!(handler = %asked.scope.handler, shard = asked.scope.shard, ?conflicts, "a commit was refused");
                Ok(CommitReply::Refused(conflicts))
            }
            Err(error) => Err(Error::Database { operation: "commit", source: Arc::new(error) }),
        };
        drop(asked.reply.send(reply));
    }

    async fn conflicts(&mut self, asked: &Asked, error: &sqlx::Error) -> Result<Vec<Conflict>, sqlx::Error> {
        let rows: Vec<&Row> = asked.commit.rows.iter().collect();
        let conn = match &mut self.conn {
            Some(conn) => conn,
            none => none.insert(self.place.connect().await?),
        };
        let standing = ledger::standing(conn, asked.scope.handler_id, &asked.scope.run, numbered(&rows)).await?;
        let mut conflicts = against_ledger(&rows, standing);
        if conflicts.is_empty() {
            conflicts = keyvalue::conflicts(&rows, conn, &asked.scope).await?;
        }
        if conflicts.is_empty() {
            debug!(error = %Chain(error), "nothing stands in the way of a commit: each row of it is tried alone");
            for (place, row) in (0_u64..).zip(rows) {
                if let Some(why) = self.why_unstorable(asked, place, row).await? {
                    warn!(
                        handler = %asked.scope.handler, shard = asked.scope.shard, seq = row.seq,
                        event = %row.identity.id, why, "the store cannot take what became of an event"
                    );
                    conflicts.push(Conflict { seq: row.seq, kind: ConflictKind::Unstorable });
                }
            }
        }
        Ok(conflicts)
    }

    /// Why a row alone cannot be written, if it cannot. Nothing of it is.
    async fn why_unstorable(&mut self, asked: &Asked, place: u64, row: &Row) -> Result<Option<String>, sqlx::Error> {
        let mut rows = Rows::new();
        add_progress(&mut rows, asked);
        add_row(&mut rows, asked, place, row);
        Net::unchecked([row]).add_to(&mut rows.sheets, asked.scope.shard);
        match self.send(rows, Purpose::Try).await {
            // No row of `mine`: the epoch is lost, and the whole commit with it.
            Ok(_) => Ok(None),
            Err(error) if is_of_database(&error) => Err(error),
            Err(sqlx::Error::Database(error)) => Ok(match error.code().as_deref() {
                Some(ONLY_TRIED) => None,
                Some(NOT_THERE) => Some("it is not parked, though its entry in the ledger says so".to_owned()),
                _ => Some(error.to_string()),
            }),
            Err(error) => Ok(Some(error.to_string())),
        }
    }
}

/// The statement waited for another one that touched the same bucket, and has not seen what that one wrote.
fn is_stale(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.code().as_deref() == Some(STALE))
}

/// The server ended the connection with this error.
fn is_end(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code().map(std::borrow::Cow::into_owned));
    code.is_some_and(|code| code.starts_with("57P") || code.starts_with("08") || code == "25P03")
}

/// Commits that touch the same contended bucket go one after the other.
fn apart(batch: Vec<Asked>) -> Vec<Vec<Asked>> {
    let mut batches: Vec<Vec<Asked>> = Vec::new();
    let mut touched: HashSet<(i64, Arc<str>, Arc<str>)> = HashSet::new();
    for asked in batch {
        let Scope { handler_id, run, .. } = &asked.scope;
        let buckets = contended(&asked.commit.rows);
        let places: Vec<_> =
            buckets.iter().map(|bucket| (*handler_id, Arc::clone(run), Arc::clone(&bucket.name))).collect();
        match batches.last_mut() {
            Some(last) if places.iter().all(|place| !touched.contains(place)) => last.push(asked),
            _ => {
                touched.clear();
                batches.push(vec![asked]);
            }
        }
        touched.extend(places);
    }
    batches
}

/// No row of a commit has read what another one of it changes.
fn contradict_nothing(batch: &[Asked]) -> bool {
    batch.iter().all(|asked| Net::of(&asked.commit.rows).is_some())
}

fn rows_of(batch: &[Asked]) -> Rows {
    let mut rows = Rows::new();
    for (n, asked) in (0_i64..).zip(batch) {
        rows.rows_of(n);
        add_progress(&mut rows, asked);
        for seq in ended(&asked.commit.rows) {
            drop(rows.ended.row().nat(seq));
            if asked.suspected {
                drop(rows.cleared.row().nat(seq));
            }
        }
        for (place, row) in (0_u64..).zip(&asked.commit.rows) {
            add_row(&mut rows, asked, place, row);
        }
        if let Some(net) = Net::of(&asked.commit.rows) {
            net.add_to(&mut rows.sheets, asked.scope.shard);
        }
        lane::sort(&asked.commit.lanes, &mut rows.lanes, &mut rows.lanes_gone);
    }
    rows
}

fn add_progress(rows: &mut Rows, asked: &Asked) {
    let Scope { handler_id, run, shard, .. } = &asked.scope;
    let line = rows.commits.row().int(*handler_id).text(run).int(*shard).nat(asked.epoch).nat(asked.commit.commit);
    drop(moved(line, &asked.commit.progress));
}

fn add_row(rows: &mut Rows, asked: &Asked, place: u64, row: &Row) {
    let plugin = report_of(row).and_then(|report| asked.plugins.get(&report.digest).copied());
    let n = match row.change {
        Change::Dead { .. } => asked.deaths.get(&place).map_or(1, |n| n.saturating_add(1)),
        _ => 1,
    };
    rows.sheets.add(&Sorting { scope: &asked.scope, prefix: &asked.prefix, row, plugin, n });
}
